//! The standard streams as sources of a loop, without anybody else noticing.
//!
//! A loop needs its descriptors non-blocking, and `O_NONBLOCK` belongs to the open file, which the
//! shell and everybody else on the same terminal or pipe share, open(2). They would see their own reads
//! and writes fail. So terminals and pipes are opened anew, and what can't be is put back at the end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;

use socket2::SockRef;

/// A standard stream to give to the loop.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) descriptor: OwnedFd,
    /// Kept until the loop is over.
    pub(crate) restore: Option<Restore>,
}

/// Makes an open file blocking again when it is dropped.
#[derive(Debug)]
pub(crate) struct Restore(File);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Err(error) = SockRef::from(&self.0).set_nonblocking(false) {
            log::warn!("a standard stream stays non-blocking: {error}");
        }
    }
}

/// Standard input.
pub(crate) fn input() -> io::Result<Own> {
    own(io::stdin().as_fd(), OpenOptions::new().read(true))
}

/// Standard output.
pub(crate) fn output() -> io::Result<Own> {
    own(io::stdout().as_fd(), OpenOptions::new().write(true))
}

/// ```text
///   file ────────────────────────▶ duplicate: it has a position, and never blocks anyway
///   terminal, /dev/null, a|b ────▶ opened anew: flags of our own
///   socket, named pipe, refused ─▶ duplicate: shared flags, put back at the end
/// ```
///
/// A named pipe opened anew after its last writer has gone would never tell its end, fifo(7).
fn own(shared: BorrowedFd<'_>, options: &mut OpenOptions) -> io::Result<Own> {
    let file = File::from(shared.try_clone_to_owned()?);
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(Own { descriptor: file.into(), restore: None });
    }
    if (kind.is_char_device() || kind.is_fifo())
        && let Some(path) = path_to_reopen(shared, kind.is_fifo())
        && let Ok(ours) = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
    {
        return Ok(Own { descriptor: ours.into(), restore: None });
    }
    let was_blocking = !SockRef::from(&file).nonblocking()?;
    let restore = if was_blocking { Some(Restore(file.try_clone()?)) } else { None };
    Ok(Own { descriptor: file.into(), restore })
}

/// The same stream, to be written to without ever waiting, if that can be had without anybody else noticing.
pub(crate) fn unwaiting(shared: BorrowedFd<'_>) -> Option<File> {
    let file = File::from(shared.try_clone_to_owned().ok()?);
    let kind = file.metadata().ok()?.file_type();
    if kind.is_file() {
        return Some(file);
    }
    let path = path_to_reopen(shared, kind.is_fifo())?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let is_one = kind.is_char_device() || kind.is_fifo();
    is_one.then(|| OpenOptions::new().write(true).custom_flags(flags).open(path).ok())?
}

/// A path under which the same thing is opened with flags of its own. Only pipes without a name.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn path_to_reopen(descriptor: BorrowedFd<'_>, is_fifo: bool) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;

    let path = PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()));
    let name = std::fs::read_link(&path).ok()?;
    let name = name.to_string_lossy();
    // Opening the master side of a pseudo-terminal makes another pseudo-terminal, pts(4).
    (name.starts_with("pipe:") || !(is_fifo || name.ends_with("ptmx"))).then_some(path)
}

/// Elsewhere `/dev/fd` only duplicates; the terminal that controls us has a name everywhere.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn path_to_reopen(descriptor: BorrowedFd<'_>, _is_fifo: bool) -> Option<PathBuf> {
    use std::io::IsTerminal;

    descriptor.is_terminal().then(|| PathBuf::from("/dev/tty"))
}
