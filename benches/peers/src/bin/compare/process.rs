//! What the kernel says of other processes, proc(5), and where they run.

use std::fs;
use std::mem::{size_of, zeroed};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Keeps what the command starts on one processor, with all its threads, and ends it when we end.
pub fn pin(command: &mut Command, cpu: usize) -> &mut Command {
    // SAFETY: all zeroes is an empty set; the macro checks the index.
    let set = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    };
    // SAFETY: between fork and exec, system calls that read values of their own.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            match libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        })
    }
}

/// Who goes first on a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Before everybody else, as far as we have the right to it.
    First,
    Usual,
    /// When nobody else wants to.
    Last,
}

/// Has what the command starts go first, or last.
pub fn prefer(command: &mut Command, priority: Priority) -> &mut Command {
    // SAFETY: between fork and exec, a system call that reads a value of its own.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            set_priority(priority); // Without the right to it, it goes as usual.
            Ok(())
        })
    }
}

/// Whether we have the right to go before others.
pub fn may_go_first() -> bool {
    let may = set_priority(Priority::First);
    set_priority(Priority::Usual);
    may
}

fn set_priority(priority: Priority) -> bool {
    let (policy, level) = match priority {
        Priority::First => (libc::SCHED_FIFO, 10),
        Priority::Usual => (libc::SCHED_OTHER, 0),
        Priority::Last => (libc::SCHED_IDLE, 0),
    };
    let level = libc::sched_param { sched_priority: level };
    // SAFETY: reads the value that it is given.
    unsafe { libc::sched_setscheduler(0, policy, &level) == 0 }
}

/// Keeps the calling thread, and those that it starts later, on one processor.
pub fn pin_self(cpu: usize) {
    // SAFETY: as above.
    unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// Processor time of a process, threads that have ended included.
pub fn cpu(pid: u32) -> Option<Duration> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls only write to what they are given.
    let read = unsafe {
        libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) == 0
            && libc::clock_gettime(clock, &mut time) == 0
    };
    read.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// How long the first thread of a process has waited for a processor that others were using.
pub fn waited(pid: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// Memory of a process in bytes: what it has alone, and its share of what it has with others.
pub fn memory(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    Some(field(&text, "Pss:")? * 1024)
}

/// How often its threads have gone to sleep so far.
pub fn sleeps(pid: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let sleeps = threads.map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        field(&text, "voluntary_ctxt_switches:")
    });
    sleeps.sum()
}

/// How many descriptors it has.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
