//! What the turns of each worker did, written to a file at the end.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use echoloop::{Reactor, Recording, describe};
use socket2::SockRef;

use super::listen::Failure;

/// Steps of each worker that are held, the latest: some 10 MB.
const STEPS: usize = 200_000;

/// Where the recordings go.
pub(super) struct Recorder {
    path: PathBuf,
    file: File,
}

impl Recorder {
    /// Opens the file, so that one that can't be written is found out now; what is in it stays until there is
    /// something to put in its place.
    pub(super) fn open(path: &Path) -> Result<Recorder, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        // A pipe that nobody reads from would be waited for, open(2).
        let file = options.custom_flags(libc::O_NONBLOCK).open(path);
        let file = file.map_err(|error| match error.raw_os_error() {
            Some(libc::ENXIO) => {
                about(path, &io::Error::new(error.kind(), "nobody reads from this pipe"))
            }
            _ => about(path, &error),
        })?;
        SockRef::from(&file).set_nonblocking(false).map_err(|error| about(path, &error))?;
        Ok(Recorder { path: path.to_owned(), file })
    }

    /// One track for each worker.
    pub(super) fn write(self, recordings: &[Recording]) -> Result<(), Failure> {
        let recordings: Vec<&Recording> = recordings.iter().collect();
        self.replace(&recordings).map_err(|error| about(&self.path, &error))
    }

    fn replace(&self, recordings: &[&Recording]) -> io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        let is_regular = file.metadata()?.is_file();
        if is_regular {
            file.set_len(0)?; // A pipe or a device has no length.
        }
        let mut file = BufWriter::new(file);
        Recording::write_trace(recordings, &mut file)?;
        file.flush()
    }
}

/// Begins to record, if that is asked for.
pub(super) fn begin(reactor: &mut Reactor, is_asked_for: bool) {
    if is_asked_for {
        reactor.record(STEPS);
    }
}

fn about(path: &Path, error: &io::Error) -> Failure {
    format!("cannot record to {}: {}", path.display(), describe(error)).into()
}
