//! Programs that may be run, and those that run.

use std::fs::File;
use std::io::{self, PipeReader, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::support::Failure;

/// A program and its fixed arguments.
pub(super) struct Command {
    program: String,
    arguments: Vec<String>,
}

impl Command {
    /// `NAME=PROGRAM ARGUMENT...`, at blanks; no shell, so nothing else has a meaning.
    pub(super) fn parse(text: &str) -> Result<(String, Command), Failure> {
        let split = text.split_once('=').map(|(name, rest)| (name, rest.split_whitespace()));
        if let Some((name, mut words)) = split
            && let Some(program) = words.next()
        {
            let (program, arguments) = (program.to_owned(), words.map(str::to_owned).collect());
            return Ok((name.to_owned(), Command { program, arguments }));
        }
        Err(Failure::new(format!("{text}: expected NAME=PROGRAM ARGUMENT...")))
    }

    /// Starts it in a process group of its own: what it forks is in it too. Everything it says comes
    /// out of the pipe, and is to go into the spool.
    pub(super) fn start(&self) -> io::Result<(Process, PipeReader, Spool)> {
        let spool = Spool { file: unnamed_file()?, written: 0 };
        let (output, input) = io::pipe()?;
        let child = process::Command::new(&self.program)
            .args(&self.arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(input.try_clone()?)
            .stderr(input)
            .spawn()?;
        Ok((Process { child, ended: None }, output, spool))
    }
}

/// Where the output is kept until it has an end.
pub(super) struct Spool {
    file: File,
    /// Bytes in the file.
    pub(super) written: u64,
}

impl Spool {
    pub(super) fn write(&mut self, output: &[u8]) -> io::Result<()> {
        self.file.write_all(output)?;
        self.written += output.len() as u64;
        Ok(())
    }

    /// The file, to be read from its beginning.
    pub(super) fn read(mut self) -> io::Result<File> {
        self.file.rewind()?;
        Ok(self.file)
    }
}

/// A file that goes when it is closed.
fn unnamed_file() -> io::Result<File> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("remote-command-{}-{count}", process::id()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// A program that was started.
pub(super) struct Process {
    child: Child,
    /// How it ended. As long as that isn't known its process id is nobody else's.
    ended: Option<ExitStatus>,
}

impl Process {
    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Kills it and everything it has started, unless that has left the group.
    pub(super) fn kill(&mut self) {
        if self.ended.is_none() {
            unsafe_calls::kill_group(self.child.id());
        }
    }

    /// If it has ended, kills what it has left behind, and then lets its process id go. Whether that was
    /// now.
    pub(super) fn reap(&mut self) -> bool {
        let has_ended = self.ended.is_none() && unsafe_calls::has_ended(self.child.id());
        if has_ended {
            self.kill();
            self.ended = self.child.wait().ok();
        }
        has_ended && self.is_over()
    }

    /// How it ended, in the words of the protocol.
    pub(super) fn status(&self) -> String {
        let (code, signal) = self.ended.map_or((None, None), |it| (it.code(), it.signal()));
        match (code, signal) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "killed for an unknown reason".to_owned(),
        }
    }
}

/// For a server that stops.
impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Two system calls that the standard library has no functions for.
#[expect(unsafe_code, reason = "the standard library knows no process groups")]
mod unsafe_calls {
    use std::mem::MaybeUninit;

    /// kill(2) for the whole group of a child that has not been waited for.
    pub(super) fn kill_group(leader: u32) {
        // SAFETY: numbers go in, a number comes out. No memory is involved.
        unsafe { libc::kill(-(leader as libc::pid_t), libc::SIGKILL) };
    }

    /// Whether a child has ended, waitid(2); it stays as it is.
    pub(super) fn has_ended(child: u32) -> bool {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: the pointer is good for one `siginfo_t`, for which all zeros is a value; so is what
        // the kernel makes of it. It stays zero if the child has not ended.
        unsafe {
            libc::waitid(libc::P_PID, child as libc::id_t, info.as_mut_ptr(), how) == 0
                && info.assume_init().si_pid() != 0
        }
    }
}
