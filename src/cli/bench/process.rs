//! What the system says of processes and of itself. Linux, proc(5); elsewhere it is unknown.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time of the calling thread.
pub(super) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// How long the calling thread has waited for a processor that somebody else was using.
pub(super) fn thread_waited() -> Duration {
    schedule("/proc/thread-self/schedstat").map_or(Duration::ZERO, |(_, waited)| waited)
}

/// Processor time and time waited for a processor of one thread, by the scheduler's nanoseconds.
fn schedule(path: impl AsRef<Path>) -> Option<(Duration, Duration)> {
    let text = fs::read_to_string(path).ok()?;
    let mut numbers =
        text.split_whitespace().map(|number| number.parse().map(Duration::from_nanos));
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Looks at the server before and after.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pid: u32,
    /// Bytes of memory before the first connection.
    idle: Option<u64>,
    before: Option<Duration>,
}

/// What the server has used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) cpu: Option<Duration>,
    /// Bytes, at the end of the measured time, all connections still there.
    pub(super) memory: Option<u64>,
    /// Bytes, before the first connection.
    pub(super) idle: Option<u64>,
}

impl Probe {
    /// Before anything is connected.
    pub(super) fn new(pid: u32) -> Probe {
        Probe { pid, idle: memory(pid), before: None }
    }

    pub(super) fn begin(&mut self) {
        self.before = cpu(self.pid);
    }

    /// At the end, while the connections are still there.
    pub(super) fn end(&mut self) -> Usage {
        let after = cpu(self.pid);
        let cpu = after.zip(self.before).map(|(after, before)| after.saturating_sub(before));
        Usage { cpu, memory: memory(self.pid), idle: self.idle }
    }
}

/// Processor time of a process. By the scheduler's nanoseconds, threads that have ended not counted;
/// or, where it doesn't tell, by the clock tick, of which there are 100 a second.
fn cpu(pid: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let time = |thread: fs::DirEntry| Some(schedule(thread.path().join("schedstat"))?.0);
    threads.map(|thread| time(thread.ok()?)).sum::<Option<_>>().or_else(|| cpu_by_tick(pid))
}

fn cpu_by_tick(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have any bytes; behind it the state is field 3.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// Memory of a process, in bytes: its proportional share of what is resident, which counts what it has
/// alone and a part of what it shares. Of somebody else's process, what is resident.
pub(super) fn memory(pid: u32) -> Option<u64> {
    let pss = || {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        kilobytes(&text, "Pss:")
    };
    let resident = || kilobytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:");
    pss().or_else(resident)
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Whether there is such a process.
pub(super) fn exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap_or(false)
}

/// The kernel, as uname(1) shows it.
pub(super) fn kernel() -> String {
    let name = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    format!("{} {} {}", text(name.sysname()), text(name.release()), text(name.machine()))
}

/// The processor's own name.
pub(super) fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn pin(_processor: usize) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Keeps the calling thread on one processor.
#[cfg(target_os = "linux")]
pub(super) fn pin(processor: usize) -> std::io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    if processor >= CpuSet::MAX_CPU {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_a_time_and_a_size() {
        let pid = std::process::id();
        assert!(exists(pid));
        assert!(memory(pid).unwrap() > 100_000);
        assert!(cpu(pid).is_some() && cpu_by_tick(pid).is_some());
        assert_eq!(memory(0), None);
    }
}
