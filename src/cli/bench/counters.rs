//! Counters of the processor and of the kernel at the threads of a server, perf_event_open(2). Linux; elsewhere
//! there are none.

use super::counts::{Counts, Refusal};

#[cfg(not(target_os = "linux"))]
pub(super) struct Counters;

#[cfg(not(target_os = "linux"))]
impl Counters {
    pub(super) fn new(_pids: &[u32], _system_calls: bool) -> Counters {
        Counters
    }

    pub(super) fn read(&mut self) -> Counts {
        Counts::by(|_| Err(Refusal::Elsewhere))
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::Counters;

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs, io};

    use perf_event::events::{Event, Hardware, Software, Tracepoint};
    use perf_event::{Builder, Counter};
    use rustix::io::Errno;

    use super::super::counts::{KINDS, Kind};
    use super::{Counts, Refusal};

    /// Where the number of the tracepoint at the beginning of each system call stands.
    const TRACEPOINT: &str = "events/raw_syscalls/sys_enter/id";

    /// For each kind a counter at each thread that there is; threads that these begin are counted with them.
    pub(in crate::cli::bench) struct Counters {
        pids: Vec<u32>,
        counters: Vec<Result<Vec<Counter>, Refusal>>,
    }

    impl Counters {
        /// Begins to count.
        pub(in crate::cli::bench) fn new(pids: &[u32], system_calls: bool) -> Counters {
            let threads: Vec<i32> = pids.iter().flat_map(|pid| threads(*pid)).collect();
            let counters = KINDS.map(|(kind, ..)| match kind {
                // As long as anybody has this one, all system calls of the machine take a longer way.
                Kind::SystemCalls if !system_calls => Err(Refusal::Unknown),
                _ => open(kind, &threads),
            });
            Counters { pids: pids.to_vec(), counters: Vec::from(counters) }
        }

        /// What has been counted so far.
        pub(in crate::cli::bench) fn read(&mut self) -> Counts {
            let sums: Vec<Result<u64, Refusal>> =
                self.counters.iter_mut().map(|counters| sum(counters.as_mut())).collect();
            Counts::by(|kind| match (kind, sums[kind as usize]) {
                // What /proc has is less: threads that have ended are not in it.
                (Kind::ContextSwitches, Err(why)) => switches(&self.pids).ok_or(why),
                (_, sum) => sum,
            })
        }
    }

    fn threads(pid: u32) -> Vec<i32> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        tasks.filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
    }

    fn open(kind: Kind, threads: &[i32]) -> Result<Vec<Counter>, Refusal> {
        match kind {
            Kind::Instructions => attach(Hardware::INSTRUCTIONS, Some(false), threads),
            Kind::KernelInstructions => attach(Hardware::INSTRUCTIONS, Some(true), threads),
            Kind::Cycles => attach(Hardware::CPU_CYCLES, Some(false), threads),
            Kind::KernelCycles => attach(Hardware::CPU_CYCLES, Some(true), threads),
            Kind::ContextSwitches => attach(Software::CONTEXT_SWITCHES, None, threads),
            Kind::SystemCalls => attach(tracepoint().ok_or(Refusal::Untraced)?, None, threads),
        }
    }

    fn tracepoint() -> Option<Tracepoint> {
        let id =
            |root| fs::read_to_string(format!("{root}/{TRACEPOINT}")).ok()?.trim().parse().ok();
        let roots = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
        roots.into_iter().find_map(id).map(Tracepoint::with_id)
    }

    /// Counts in the kernel alone, in user space alone, or in both.
    fn attach(
        event: impl Event + Clone,
        kernel: Option<bool>,
        threads: &[i32],
    ) -> Result<Vec<Counter>, Refusal> {
        let mut counters = Vec::new();
        for &thread in threads {
            let mut builder = Builder::new(event.clone());
            builder.observe_pid(thread).any_cpu().inherit(true).enabled(true);
            builder.exclude_kernel(kernel == Some(false)).exclude_user(kernel == Some(true));
            match builder.build() {
                Ok(counter) => counters.push(counter),
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::SRCH) => {} // It has ended meanwhile.
                    Some(Errno::ACCESS | Errno::PERM) => return Err(Refusal::Forbidden),
                    // A filter of system calls may say that there is none of this name.
                    Some(Errno::NOSYS) => return Err(Refusal::Forbidden),
                    Some(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP) => {
                        return Err(Refusal::Absent);
                    }
                    Some(Errno::MFILE | Errno::NFILE) => return Err(Refusal::Descriptors),
                    _ => return Err(Refusal::Failed),
                },
            }
        }
        if counters.is_empty() { Err(Refusal::Failed) } else { Ok(counters) }
    }

    fn sum(counters: Result<&mut Vec<Counter>, &mut Refusal>) -> Result<u64, Refusal> {
        let counts = counters.map_err(|why| *why)?.iter_mut().map(count);
        counts.sum::<io::Result<u64>>().map_err(|_| Refusal::Absent)
    }

    /// Where there are more counters wanted than the processor has, each counts for a part of the time only.
    fn count(counter: &mut Counter) -> io::Result<u64> {
        let data = counter.read_full()?;
        let times = data.time_enabled().zip(data.time_running());
        match times.map(|(enabled, running)| (enabled.as_secs_f64(), running.as_secs_f64())) {
            Some((enabled, 0.0)) if enabled > 0.0 => Err(io::ErrorKind::Unsupported.into()),
            Some((enabled, running)) if running > 0.0 && running < enabled => {
                Ok((data.count() as f64 * enabled / running) as u64)
            }
            _ => Ok(data.count()),
        }
    }

    /// Context switches of the threads that there are now, proc(5), which everybody may read.
    fn switches(pids: &[u32]) -> Option<u64> {
        let of_thread = |pid: u32, thread: i32| {
            let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/status")).ok()?;
            let lines = text.lines().filter_map(|line| line.split_once("ctxt_switches:"));
            Some(lines.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum::<u64>())
        };
        let of = |pid: &u32| {
            let counts = threads(*pid).into_iter().filter_map(|thread| of_thread(*pid, thread));
            counts.reduce(|sum, count| sum + count)
        };
        pids.iter().map(of).sum()
    }

    #[cfg(test)]
    mod tests {
        use std::sync::mpsc;
        use std::thread;

        use super::*;

        /// Each wait for another thread is a switch; whoever may not use the counters reads /proc.
        #[test]
        fn context_switches_of_all_threads_are_counted() {
            let (ask, asked) = mpsc::channel::<()>();
            let (answer, answers) = mpsc::channel::<()>();
            let other = thread::spawn(move || {
                for () in asked {
                    answer.send(()).unwrap();
                }
            });
            let mut counters = Counters::new(&[std::process::id()], true);
            let before = counters.read();
            for _ in 0..1000 {
                ask.send(()).unwrap();
                answers.recv().unwrap();
            }
            let counts = counters.read().since(&before);
            drop(ask);
            other.join().unwrap();
            assert!(counts.of(Kind::ContextSwitches).unwrap() >= 10, "{counts:?}");
            assert!(switches(&[std::process::id()]).unwrap() > 0);
        }

        /// Where the kernel lets us: what a thread does that begins when counting has begun is in it too.
        #[test]
        fn system_calls_of_later_threads_are_counted_if_they_may_be() {
            let mut counters = Counters::new(&[std::process::id()], true);
            let before = counters.read();
            thread::spawn(|| (0..500).for_each(|_| drop(fs::metadata("/")))).join().unwrap();
            match counters.read().since(&before).of(Kind::SystemCalls) {
                Ok(calls) => assert!(calls >= 500, "{calls}"),
                Err(why) => {
                    assert!(matches!(why, Refusal::Untraced | Refusal::Forbidden), "{why:?}")
                }
            }
        }

        #[test]
        fn nobody_is_counted_as_nothing() {
            let counts = Counters::new(&[0], true).read();
            assert!(KINDS.iter().all(|(kind, ..)| counts.of(*kind).is_err()), "{counts:?}");
        }
    }
}
