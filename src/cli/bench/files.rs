//! Where results go. Nothing is touched before there is something to write: a run that fails at its start
//! must not cost the result of the one before.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::cli::output::{self, Output};

/// Whether it can be written, as far as that can be known without doing it.
pub(super) fn check(path: &Path) -> Result<(), String> {
    if is_dash(path) {
        return output::check().map_err(cannot_write(path));
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

/// Whether there is a file with something in it, which would be lost.
pub(super) fn has_content(path: &Path) -> bool {
    !is_dash(path) && fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0)
}

/// Opens it, to be written from its beginning.
pub(super) fn create(path: &Path) -> Result<Box<dyn Write>, String> {
    if is_dash(path) {
        return Ok(Box::new(Output));
    }
    let file = fs::File::create(path).map_err(cannot_write(path))?;
    Ok(Box::new(io::BufWriter::new(file)))
}

/// Writes all of it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    let mut file = create(path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(cannot_write(path))
}

pub(super) fn cannot_write(path: &Path) -> impl Fn(io::Error) -> String + '_ {
    move |error| match is_dash(path) {
        true => output::unwritable(&error),
        false => format!("cannot write {}: {}", path.display(), echoloop::describe(&error)),
    }
}

/// Two of these names that stand for one file, whether it is there yet or not. Devices and pipes are no files.
pub(super) fn same<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<(), String> {
    let mut seen: Vec<(PathBuf, &Path)> = Vec::new();
    for path in paths.filter(|path| !is_dash(path)) {
        let Some(real) = real(path) else { continue };
        if let Some((_, before)) = seen.iter().find(|(it, _)| *it == real) {
            let (one, other) = (before.display(), path.display());
            return Err(format!("{one} and {other} are the same file: each result needs its own"));
        }
        seen.push((real, path));
    }
    Ok(())
}

/// The name of a file without detours.
fn real(path: &Path) -> Option<PathBuf> {
    if let Ok(there) = fs::metadata(path) {
        return path.canonicalize().ok().filter(|_| there.is_file());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Some(parent.unwrap_or(Path::new(".")).canonicalize().ok()?.join(path.file_name()?))
}

/// Whether this name stands for the standard output.
pub(super) fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}
