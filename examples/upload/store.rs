//! The directory, and files that aren't whole yet.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How the names of growing files begin.
const HIDDEN: &str = ".upload-";

/// Where files go, and how large they may be.
pub(super) struct Store {
    directory: PathBuf,
    pub(super) limit: u64,
    begun: u64,
}

impl Store {
    /// Makes the directory if it isn't there, and tidies it up if it is.
    pub(super) fn new(directory: &Path, limit: u64) -> io::Result<Store> {
        fs::create_dir_all(directory)?;
        remove_leftovers(directory)?;
        Ok(Store { directory: directory.to_owned(), limit, begun: 0 })
    }

    /// Begins a file of this size.
    pub(super) fn begin(&mut self, name: &str, size: u64) -> io::Result<Partial> {
        self.begun += 1;
        let hidden = format!("{HIDDEN}{}-{}", std::process::id(), self.begun);
        let path = self.directory.join(hidden);
        let file = File::options().write(true).create_new(true).open(&path)?;
        let _ = file.try_lock(); // Where there are no locks, nobody tidies up either.
        let target = self.directory.join(name);
        Ok(Partial { file, path: Some(path), target, size, left: size })
    }
}

/// Removes what a server that was killed has left behind. Another one may be at work in the same
/// directory: what is growing is locked, and a lock ends with its process.
fn remove_leftovers(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if is_ours(&entry.file_name())
            && entry.file_type()?.is_file()
            && let Ok(file) = File::options().write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether this is the name of a growing file: `.upload-<process id>-<number>`.
fn is_ours(name: &OsStr) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let numbers = name.to_str().and_then(|name| name.strip_prefix(HIDDEN)?.split_once('-'));
    numbers.is_some_and(|(process, begun)| is_number(process) && is_number(begun))
}

/// A file that is growing, under a name that nobody can ask for.
pub(super) struct Partial {
    file: File,
    /// Until it has got its own name.
    path: Option<PathBuf>,
    target: PathBuf,
    pub(super) size: u64,
    /// Bytes that have not come yet.
    pub(super) left: u64,
}

impl Partial {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.left -= bytes.len() as u64;
        Ok(())
    }

    /// It is whole: gives it its name, or removes it.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        assert_eq!(self.left, 0, "only a whole file gets its name");
        let renamed = self.path.iter().try_for_each(|path| fs::rename(path, &self.target));
        if renamed.is_err() {
            self.remove();
        }
        self.path = None;
        renamed
    }

    fn remove(&self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }

    pub(super) fn name(&self) -> String {
        self.target.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// It never became whole.
impl Drop for Partial {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Size and name out of `post|<byte count>|<file name>`.
pub(super) fn parse(header: &[u8]) -> Option<(u64, &[u8])> {
    let header = header.strip_prefix(b"post|")?;
    let bar = header.iter().position(|&byte| byte == b'|')?;
    let digits = &header[..bar];
    if !digits.iter().all(u8::is_ascii_digit) {
        return None; // `parse` would take a sign.
    }
    Some((str::from_utf8(digits).ok()?.parse().ok()?, &header[bar + 1..]))
}

/// The name, if a file may have it, or else why not.
pub(super) fn check(name: &[u8]) -> Result<&str, &'static str> {
    let name = str::from_utf8(name).map_err(|_| "the name is not UTF-8")?;
    if name.is_empty() {
        Err("the name is empty")
    } else if name.contains(['/', '\\']) {
        Err("the name has a separator")
    } else if name.starts_with('.') {
        Err("the name begins with a dot")
    } else if name.contains("..") {
        Err("the name has two dots in a row")
    } else if name.contains(char::is_control) {
        Err("the name has a control character")
    } else {
        debug_assert_eq!(Path::new(name).file_name(), Some(name.as_ref()));
        Ok(name)
    }
}
