//! Whether memory has grown.

/// The resident memory of the server, looked at again and again.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    samples: Vec<u64>,
}

/// What isn't enough to call it growth: an allocator keeps what a rare crowd took.
const ALLOWED: u64 = 2 * 1024 * 1024;

/// Samples in each quarter, at least. Fewer say nothing.
const LEAST: usize = 8;

const MIB: f64 = 1024.0 * 1024.0;

impl Memory {
    pub(crate) fn note(&mut self, bytes: u64) {
        if bytes > 0 {
            self.samples.push(bytes);
        }
    }

    /// What grows steadily, however slowly, is more in each quarter of the time than in the one before. What
    /// is used by a load that is always the same goes up and down; its medians rise three times in a row by
    /// chance only, one time in 24, and then by little. So it has grown if each of the four medians is above the
    /// one before and the last is above the first by more than 2 MiB and a twentieth.
    ///
    /// `Ok`: the medians, and that they are no growth; or, if there were too few samples, `None`.
    pub(crate) fn verdict(&self) -> Result<Option<[u64; 4]>, String> {
        let quarter = self.samples.len() / 4;
        if quarter < LEAST {
            return Ok(None);
        }
        let mut quarters = self.samples.chunks_exact(quarter);
        let medians = [(); 4].map(|()| median(quarters.next().expect("there are four")));
        let [first, .., last] = medians;
        let is_rising = medians.windows(2).all(|pair| pair[0] < pair[1]);
        if is_rising && last - first > ALLOWED + first / 20 {
            let [a, b, c, d] = medians.map(|median| median as f64 / MIB);
            return Err(format!(
                "memory has grown: the medians of the four quarters are {a:.1}, {b:.1}, {c:.1} and {d:.1} MiB"
            ));
        }
        Ok(Some(medians))
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
