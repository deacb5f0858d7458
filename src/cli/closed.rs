//! Whether standard output was closed when the process began, as `>&-` of the shell leaves it, or was open for
//! reading only.
//!
//! Rust's runtime opens /dev/null in the place of a closed one before `main`, so that no other file gets its
//! number; from then on nobody can tell, and all that is printed is lost without a word. What can only be read
//! it takes for a closed one, and loses too. So this is looked at before.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    /// Only system calls may be used here: std is not there yet.
    #[ctor(unsafe)]
    fn look() {
        let mode = rustix::fs::fcntl_getfl(rustix::stdio::stdout()).map(|flags| flags & OFlags::RWMODE);
        let is_closed = !matches!(mode, Ok(OFlags::WRONLY | OFlags::RDWR));
        WAS_CLOSED.store(is_closed, Ordering::Relaxed);
    }
}

/// Whether standard output was closed, or for reading only.
pub(super) fn output_was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}

/// What writing to it says.
pub(super) fn error() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}

/// A descriptor that says so whenever it is written to.
pub(super) fn output() -> io::Result<OwnedFd> {
    Ok(File::open("/dev/null")?.into()) // For reading only.
}
