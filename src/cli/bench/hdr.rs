//! The latencies of each second, in the log format of HdrHistogram, which its tools read: one line an
//! interval, a histogram in V2 compression. Values are nanoseconds, the maxima in front milliseconds.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use super::files;

/// A log that is being written. In memory there is never more than one line of it.
pub(super) struct Log {
    path: PathBuf,
    /// From the first line on.
    file: Option<Box<dyn Write>>,
    serializer: V2DeflateSerializer,
    start: SystemTime,
    /// How far it has got.
    until: Duration,
}

impl Log {
    pub(super) fn new(path: &Path) -> Log {
        Log {
            path: path.to_owned(),
            file: None,
            serializer: V2DeflateSerializer::new(),
            start: SystemTime::now(),
            until: Duration::ZERO,
        }
    }

    /// From here on time counts.
    pub(super) fn begin(&mut self) {
        self.start = SystemTime::now();
    }

    fn header(&mut self) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        let version = env!("CARGO_PKG_VERSION");
        IntervalLogWriterBuilder::new()
            .add_comment(&format!("[Logged with echoloop {version}, in nanoseconds]"))
            .add_comment("[Histogram log format version 1.3]")
            .with_start_time(self.start)
            .with_base_time(self.start)
            .begin_log_with(&mut lines, &mut self.serializer)
            .map(drop)?;
        lines.extend(
            b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
        );
        Ok(lines)
    }

    /// The interval that ended so long after the beginning.
    pub(super) fn write(&mut self, end: Duration, interval: &Histogram<u64>) -> Result<(), String> {
        let line = self.line(end, interval).map_err(files::cannot_write(&self.path))?;
        let begins = self.file.is_none();
        let header = if begins { self.header() } else { Ok(Vec::new()) };
        let text = header.map_err(files::cannot_write(&self.path))?;
        if begins {
            self.file = Some(files::create(&self.path)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let done = file.write_all(&text).and_then(|()| file.write_all(&line));
        done.and_then(|()| file.flush()).map_err(files::cannot_write(&self.path))
    }

    fn line(&mut self, end: Duration, interval: &Histogram<u64>) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        IntervalLogWriterBuilder::new()
            .with_max_value_divisor(1e6)
            .begin_log_with(&mut lines, &mut self.serializer)?
            .write_histogram(interval, self.until, end.saturating_sub(self.until), None)
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
        self.until = end;
        // The builder begins every log with comments of its own.
        let lines = lines.split_inclusive(|&byte| byte == b'\n');
        Ok(lines.filter(|line| !line.starts_with(b"#")).flatten().copied().collect())
    }
}
