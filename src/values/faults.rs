//! What goes wrong in a simulation.

use std::time::Duration;

/// What goes wrong in a [`Simulation`](crate::Simulation), and how often. A chance is a number from 0, never, to
/// 1, always; each is asked anew whenever it could happen.
///
/// [`default`](Faults::default) has what every service has to bear without losing anything;
/// [`none`](Faults::none) has nothing; [`rough`](Faults::rough) everything.
///
/// ```
/// # use echoloop::Faults;
/// let faults = Faults { reset: 0.01, ..Faults::default() };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// What was written to a stream arrives in two pieces, at different times, and the second perhaps in two
    /// again. Asked for each write.
    pub cut: f64,
    /// A write to a stream is taken in part although there is room; an event tells later that there is. Asked
    /// for each write.
    pub short_write: f64,
    /// What is under way takes up to [`longest_delay`](Faults::longest_delay): bytes, the end of a stream, the
    /// news that one connects. Bytes of a stream don't overtake each other. Asked for each piece.
    pub delay: f64,
    /// How long that is at most. As long again may pass until an event tells of room.
    pub longest_delay: Duration,
    /// A connection is refused although a service listens. Asked for each.
    pub refuse: f64,
    /// A connection is reset in both directions, and what was under way is lost. Asked for each write.
    pub reset: f64,
    /// From here on nothing arrives any more on this connection, in either direction: neither bytes nor the end.
    /// Asked for each write.
    pub vanish: f64,
    /// A datagram is lost. Asked for each.
    pub lose: f64,
    /// A datagram arrives twice. Asked for each.
    pub double: f64,
    /// A datagram takes up to [`longest_delay`](Faults::longest_delay), and others overtake it. Asked for each.
    pub reorder: f64,
    /// A timer comes due late, as when the machine is busy. Asked whenever the clock goes on to the next one.
    pub late: f64,
    /// How late that is at most.
    pub latest: Duration,
    /// The reactor is told to stop gracefully; if it is stopping already, at once. Asked for each turn.
    pub stop: f64,
}

impl Faults {
    /// Nothing goes wrong, and nothing takes any time.
    pub fn none() -> Faults {
        Faults {
            cut: 0.0,
            short_write: 0.0,
            delay: 0.0,
            longest_delay: Duration::from_millis(100),
            refuse: 0.0,
            reset: 0.0,
            vanish: 0.0,
            lose: 0.0,
            double: 0.0,
            reorder: 0.0,
            late: 0.0,
            latest: Duration::from_millis(50),
            stop: 0.0,
        }
    }

    /// Everything goes wrong now and then.
    pub fn rough() -> Faults {
        Faults {
            refuse: 0.05,
            reset: 0.01,
            vanish: 0.01,
            lose: 0.1,
            double: 0.1,
            reorder: 0.2,
            stop: 0.002,
            ..Faults::default()
        }
    }
}

/// What loses nothing: cuts, short writes, delays, late timers.
impl Default for Faults {
    fn default() -> Faults {
        Faults { cut: 0.3, short_write: 0.1, delay: 0.3, late: 0.2, ..Faults::none() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind has its chance in a rough world, and those that lose something only there.
    #[test]
    fn a_rough_world_has_everything() {
        let chances = |faults: Faults| {
            let Faults { cut, short_write, delay, late, .. } = faults;
            let Faults { refuse, reset, vanish, lose, double, reorder, stop, .. } = faults;
            ([cut, short_write, delay, late], [refuse, reset, vanish, lose, double, reorder, stop])
        };
        let some = |chance: f64| 0.0 < chance && chance < 1.0;
        let (harmless, harmful) = chances(Faults::rough());
        assert!(harmless.into_iter().all(some) && harmful.into_iter().all(some));
        let (harmless, harmful) = chances(Faults::default());
        assert!(harmless.into_iter().all(some));
        assert_eq!(harmful, [0.0; 7]);
        assert_eq!(chances(Faults::none()), ([0.0; 4], [0.0; 7]));
    }
}
