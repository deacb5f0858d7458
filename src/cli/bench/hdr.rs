//! The latencies of each second, in the log format of HdrHistogram, which its tools read: one line an
//! interval, a histogram in V2 compression. Values are nanoseconds, the maxima in front milliseconds.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

/// A log that is being written. In memory there is never more than one line of it.
pub(super) struct Log {
    file: BufWriter<File>,
    serializer: V2DeflateSerializer,
    start: SystemTime,
    /// How far it has got.
    until: Duration,
}

impl Log {
    pub(super) fn create(path: &Path) -> io::Result<Log> {
        Ok(Log {
            file: BufWriter::new(File::create(path)?),
            serializer: V2DeflateSerializer::new(),
            start: SystemTime::now(),
            until: Duration::ZERO,
        })
    }

    /// From here on time counts: the header.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.start = SystemTime::now();
        let version = env!("CARGO_PKG_VERSION");
        IntervalLogWriterBuilder::new()
            .add_comment(&format!("[Logged with echoloop {version}, in nanoseconds]"))
            .add_comment("[Histogram log format version 1.3]")
            .with_start_time(self.start)
            .with_base_time(self.start)
            .begin_log_with(&mut self.file, &mut self.serializer)
            .map(drop)?;
        writeln!(
            self.file,
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\""
        )
    }

    /// The interval that ended so long after the beginning.
    pub(super) fn write(&mut self, end: Duration, interval: &Histogram<u64>) -> io::Result<()> {
        let mut line = Vec::new();
        IntervalLogWriterBuilder::new()
            .with_max_value_divisor(1e6)
            .begin_log_with(&mut line, &mut self.serializer)?
            .write_histogram(interval, self.until, end.saturating_sub(self.until), None)
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
        self.until = end;
        // The builder begins every log with comments of its own.
        let lines = line.split_inclusive(|&byte| byte == b'\n');
        for line in lines.filter(|line| !line.starts_with(b"#")) {
            self.file.write_all(line)?;
        }
        self.file.flush()
    }
}
