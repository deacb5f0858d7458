//! Where results go. Nothing is touched before there is something to write: a run that fails at its start
//! must not cost the result of the one before.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::Access;

/// Stands for the standard output.
pub(super) const DASH: &str = "-";

/// Whether it can be written, as far as that can be known without doing it.
pub(super) fn check(path: &Path) -> Result<(), String> {
    if is_dash(path) {
        return Ok(());
    }
    let fits = match fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) if there.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        Ok(_) => Ok(()), // A pipe or a device: opening it may be what somebody waits for.
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            let access = Access::WRITE_OK | Access::EXEC_OK;
            rustix::fs::access(parent, access).map_err(io::Error::from)
        }
    };
    fits.map_err(cannot_write(path))
}

/// Opens it, to be written from its beginning.
pub(super) fn create(path: &Path) -> Result<Box<dyn Write>, String> {
    if is_dash(path) {
        return Ok(Box::new(io::stdout()));
    }
    let file = fs::File::create(path).map_err(cannot_write(path))?;
    Ok(Box::new(io::BufWriter::new(file)))
}

/// Writes all of it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    let mut file = create(path)?;
    let done = file.write_all(text.as_bytes()).and_then(|()| file.flush());
    match done {
        // Whoever reads our output has had enough of it.
        Err(error) if is_dash(path) && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(cannot_write(path)),
    }
}

pub(super) fn cannot_write(path: &Path) -> impl Fn(io::Error) -> String {
    let name = match is_dash(path) {
        true => "to standard output".to_owned(),
        false => path.display().to_string(),
    };
    move |error| format!("cannot write {name}: {}", echoloop::describe(&error))
}

/// Whether this name stands for the standard output.
pub(super) fn is_dash(path: &Path) -> bool {
    path == Path::new(DASH)
}
