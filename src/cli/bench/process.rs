//! What the system says of processes and of itself. Linux, proc(5); elsewhere it is unknown.

use std::fs;
use std::iter::Sum;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::counters::Counters;
use super::counts::Counts;

/// Processor time of the calling thread.
pub(super) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// How long the calling thread has waited for a processor that somebody else was using.
pub(super) fn thread_waited() -> Duration {
    let waited = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
    };
    waited().unwrap_or_default()
}

/// The server that is to be watched.
pub(super) struct Watched {
    /// None, if nobody is.
    pub(super) pids: Vec<u32>,
    /// Whether its system calls are to be counted, which slows them down.
    pub(super) system_calls: bool,
}

/// Looks at the server, which may be several processes, before and after.
pub(super) struct Probe {
    pids: Vec<u32>,
    /// When each of them began, so that another one with its number isn't taken for it.
    began: Vec<Option<u64>>,
    system_calls: bool,
    counters: Option<Counters>,
    counted: Counts,
    /// Bytes of memory before the first connection.
    idle: Option<u64>,
    /// Processor time, before the measured time and after it.
    before: Option<Duration>,
    after: Option<Duration>,
}

/// What the server has used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// A process that has ended meanwhile. Then nothing else is known.
    pub(super) ended: Option<u32>,
    pub(super) cpu: Option<Duration>,
    /// Bytes, at the end of the measured time, all connections still there.
    pub(super) memory: Option<u64>,
    /// Bytes, before the first connection.
    pub(super) idle: Option<u64>,
    /// In the measured time.
    pub(super) counts: Counts,
}

impl Probe {
    /// Before anything is connected. `None`: nobody is to be watched.
    pub(super) fn new(watched: Watched) -> Option<Probe> {
        let Watched { pids, system_calls } = watched;
        let (idle, counted) = (all(&pids, memory), Counts::default());
        let is_there = !pids.is_empty();
        let began = pids.iter().map(|pid| began(*pid)).collect();
        let (counters, before, after) = (None, None, None);
        let probe = Probe { pids, began, system_calls, counters, counted, idle, before, after };
        is_there.then_some(probe)
    }

    /// With counters too. By the thread that will read them, as its descriptors are its own.
    pub(super) fn counting(self) -> Probe {
        Probe { counters: Some(Counters::new(&self.pids, self.system_calls)), ..self }
    }

    pub(super) fn begin(&mut self) {
        self.before = all(&self.pids, cpu);
        self.counted = self.count();
    }

    /// At the end, while the connections are still there. Of a process that has ended there is no saying for which
    /// part of the time it was there, and what a message has cost.
    pub(super) fn end(&mut self) -> Usage {
        self.after = all(&self.pids, cpu);
        if let Some(pid) = self.ended() {
            return Usage { ended: Some(pid), ..Usage::default() };
        }
        let counts = self.count().since(&self.counted);
        let used = self.after.zip(self.before);
        let cpu = used.map(|(after, before)| after.saturating_sub(before));
        Usage { ended: None, cpu, memory: all(&self.pids, memory), idle: self.idle, counts }
    }

    /// Processor time now, or when the measured time ended.
    pub(super) fn cpu(&self) -> Option<Duration> {
        self.after.or_else(|| all(&self.pids, cpu))
    }

    /// The first process that isn't there any more.
    fn ended(&self) -> Option<u32> {
        let mut processes = self.pids.iter().zip(&self.began);
        let has_ended = |pid: u32, then: Option<u64>| then.is_some() && began(pid) != then;
        processes.find(|(pid, then)| has_ended(**pid, **then)).map(|(pid, _)| *pid)
    }

    fn count(&mut self) -> Counts {
        self.counters.as_mut().map(Counters::read).unwrap_or_default()
    }
}

/// The same of all processes, added up; `None`, if it is unknown of one.
fn all<T: Sum>(pids: &[u32], of: impl Fn(u32) -> Option<T>) -> Option<T> {
    pids.iter().map(|pid| of(*pid)).sum()
}

/// Processor time of a process, of threads that have ended too. By its CPU clock, clock_getcpuclockid(3),
/// which the scheduler moves on in nanoseconds whenever a thread of it is put off a processor, and at every
/// tick; or, where there is no such clock, by the clock tick alone, of which there are 100 a second.
fn cpu(pid: u32) -> Option<Duration> {
    cpu_by_clock(pid).or_else(|| cpu_by_tick(pid))
}

#[cfg(target_os = "linux")]
fn cpu_by_clock(pid: u32) -> Option<Duration> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).ok().filter(|pid| *pid > 0)?);
    nix::time::clock_getcpuclockid(pid).ok()?.now().ok().map(Duration::from)
}

#[cfg(not(target_os = "linux"))]
fn cpu_by_clock(_pid: u32) -> Option<Duration> {
    None
}

fn cpu_by_tick(pid: u32) -> Option<Duration> {
    let stat = stat(pid)?;
    let ticks = |field: usize| stat.get(field)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(14)? + ticks(15)?) * 10))
}

/// When a process began, in ticks since the machine did; `None`: it has ended, though its parent may not know it yet.
fn began(pid: u32) -> Option<u64> {
    let stat = stat(pid)?;
    let is_there = !matches!(stat.get(3)?.as_str(), "Z" | "X");
    stat.get(22)?.parse().ok().filter(|_| is_there)
}

/// The fields of a process by their numbers, counted from 1.
fn stat(pid: u32) -> Option<Vec<String>> {
    // The name, in parentheses, may have any bytes.
    let stat = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?).into_owned();
    let (front, behind) = stat.rsplit_once(')')?;
    let fields = ["", front, ""].into_iter().chain(behind.split_whitespace());
    Some(fields.map(str::to_owned).collect())
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

/// Gives the calling thread a table of descriptors of its own, a copy, unshare(2). A table that several threads
/// share makes each system call that names a descriptor count who uses it, twice: some hundredths of what a small
/// datagram costs. What the thread opens from now on is unknown to the others, and is closed when it ends.
#[cfg(target_os = "linux")]
pub(super) fn own_descriptors() {
    use nix::sched::{CloneFlags, unshare};

    // Where it is refused, it is a little slower.
    let _ = unshare(CloneFlags::CLONE_FILES);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn own_descriptors() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_a_time_and_a_size() {
        let pid = std::process::id();
        assert!(exists(pid));
        assert!(memory(pid).unwrap() > 100_000);
        assert!(cpu_by_clock(pid).is_some() && cpu_by_tick(pid).is_some());
        assert_eq!(cpu_by_clock(0), None, "not our own by another name");
        assert_eq!(memory(0), None);
    }

    /// What a tick can't show: a millisecond of work.
    #[test]
    fn the_processor_time_of_a_process_is_finer_than_the_tick() {
        let pid = std::process::id();
        let (before, start) = (cpu(pid).unwrap(), thread_cpu());
        while thread_cpu() - start < Duration::from_millis(1) {}
        let used = cpu(pid).unwrap() - before;
        assert!(used >= Duration::from_millis(1), "{used:?}");
    }
    /// What a thread with descriptors of its own opens is not among those of the others.
    #[test]
    fn a_thread_can_have_descriptors_of_its_own() {
        let ours = || fs::read_link("/proc/thread-self").unwrap();
        let first = std::path::Path::new("/proc").join(ours());
        let thread = std::thread::spawn(move || {
            own_descriptors();
            let (reader, _writer) = std::io::pipe().unwrap();
            let descriptor = std::os::fd::AsRawFd::as_raw_fd(&reader).to_string();
            let link =
                |thread: &std::path::Path| fs::read_link(thread.join("fd").join(&descriptor));
            let own = link(&std::path::Path::new("/proc").join(ours())).unwrap();
            // Another test may have opened something else there meanwhile.
            link(&first).is_ok_and(|theirs| theirs == own)
        });
        assert!(!thread.join().unwrap());
    }
}
