//! What the system says of this process: the metrics that all clients of Prometheus have, by their names.

use std::fs;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::text::{Kind, Text};

static STARTED: OnceLock<f64> = OnceLock::new();

/// Remembers when the process began: now, or nearly so.
pub(super) fn note_start() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    STARTED.get_or_init(|| since.as_secs_f64());
}

/// What can be told. Other systems than Linux don't tell of memory and descriptors.
pub(super) fn render(text: &mut Text) {
    let mut one = |name, kind, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            text.family(name, kind, help).value(&[], value);
        }
    };
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    let help = "Total user and system CPU time spent in seconds.";
    one("process_cpu_seconds_total", Kind::Counter, help, Some(seconds));
    let help = "Start time of the process since unix epoch in seconds.";
    one("process_start_time_seconds", Kind::Gauge, help, STARTED.get().copied());
    let (size, resident) = memory().unzip();
    one("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory size in bytes.", size);
    one("process_resident_memory_bytes", Kind::Gauge, "Resident memory size in bytes.", resident);
    let open = descriptors().map(|open| open as f64);
    one("process_open_fds", Kind::Gauge, "Number of open file descriptors.", open);
    let most = getrlimit(Resource::Nofile).current.map(|most| most as f64);
    one("process_max_fds", Kind::Gauge, "Maximum number of open file descriptors.", most);
}

/// Bytes of addresses, and of those resident, proc(5).
fn memory() -> Option<(f64, f64)> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split(' ').map(|pages| pages.parse::<u64>().ok());
    let mut next = || Some((pages.next()?? * page_size() as u64) as f64);
    Some((next()?, next()?))
}

/// How many descriptors are open. Linux tells at once since 6.2, and shows them all one by one before:
/// that takes a millisecond for some thousand, which is why it is asked first.
fn descriptors() -> Option<u64> {
    const ALL: &str = "/proc/self/fd";
    match fs::metadata(ALL).ok()?.len() {
        0 => Some(fs::read_dir(ALL).ok()?.count() as u64 - 1), // One is what this reads.
        count => Some(count),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_memory_and_descriptors() {
        let (size, resident) = memory().unwrap();
        assert!(size >= resident && resident > 100_000.0);
        let before = descriptors().unwrap();
        let more: Vec<_> = (0..100).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(descriptors().unwrap() >= before.min(100) + more.len() as u64 - 50);
    }
}
