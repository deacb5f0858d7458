//! A thread of another process that stands still: what a loop looks like that hangs.

use std::fs;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// It goes on when this is dropped.
pub(crate) struct Frozen(Pid);

/// Stops the thread of this name, and no other, ptrace(2). `None`: that isn't allowed here.
#[track_caller]
pub(crate) fn freeze(process: u32, name: &str) -> Option<Frozen> {
    let has_name = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let mut tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let task = tasks.find(has_name).expect("there is such a thread");
    let thread = Pid::from_raw(task.file_name().to_str().unwrap().parse().unwrap());
    match ptrace::seize(thread, ptrace::Options::empty()) {
        Err(Errno::EPERM | Errno::ENOSYS) => return None,
        seized => seized.unwrap(),
    }
    ptrace::interrupt(thread).unwrap();
    waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
    Some(Frozen(thread))
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.0, None);
    }
}
