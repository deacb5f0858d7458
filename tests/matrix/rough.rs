//! What a process has to suffer, and all of it at once: few descriptors, and a shower of signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getpid, getrlimit, kill_process, setrlimit};

/// Enough for one world, and few enough to be used up at once.
const DESCRIPTORS: u64 = 64;

/// This process has so many descriptors and no more.
pub(crate) fn limit_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum }).unwrap();
}

/// Meanwhile signals interrupt whatever can be interrupted, signal(7).
pub(crate) fn with_signals<R>(run: impl FnOnce() -> R) -> R {
    let caught = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(libc::SIGUSR1, Arc::clone(&caught)).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, seen) = (Arc::clone(&is_over), Arc::clone(&caught));
    let shower = thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            kill_process(getpid(), Signal::USR1).unwrap();
            thread::park_timeout(Duration::from_micros(200));
        }
        seen.load(Ordering::Relaxed)
    });
    let result = run();
    is_over.store(true, Ordering::Relaxed);
    assert!(shower.join().expect("it rains to the end"), "no signal was caught");
    result
}
