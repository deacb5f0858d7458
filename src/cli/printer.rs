//! Standard output and standard error, without ever waiting for whoever reads them.
//!
//! A pipe that nobody reads is full after 64 KiB, and then write(2) waits, for ever if it has to: a loop that
//! logs would stand still because of its log. So a line is written as long as that needs no waiting; from the
//! first time that it would, the stream has a thread that does nothing but write, and a bounded queue before
//! it:
//!
//! ```text
//!   any thread ── push ──▶ │ line │ line │ 1,234 lost │ line │ ──▶ a thread ── write(2) ──▶ the stream
//!              never waits └──────── at most 1 MiB ────────┘    waits as long as it likes
//! ```
//!
//! Not from the beginning, since each system call of a process with several threads costs a little more.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::fs::File;
use std::io::ErrorKind::{Interrupted, WouldBlock};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{mem, panic, thread};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use socket2::SockRef;

use super::bench::words::count;
use super::connect::stdio;

/// Bytes that wait to be written, at most: some ten thousand lines of a trace.
const MOST_WAITING: usize = 1024 * 1024;

/// Bytes that are written at once. A pipe takes so many whole or not at all, pipe(7): lines of several
/// processes don't get mixed up.
const CHUNK: usize = 4096;

/// How long the end of the process waits for a stream that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

static OUTPUT: OnceLock<Printer> = OnceLock::new();
static ERRORS: OnceLock<Printer> = OnceLock::new();

/// Whether the log goes to a terminal that a block is shown on, so that it must come above that.
static SHARES_TERMINAL: AtomicBool = AtomicBool::new(false);

/// Standard output from here on is for [`say`].
pub(crate) fn start_output() -> io::Result<()> {
    let printer = Printer::new("standard output", "lines", io::stdout().as_fd())?;
    OUTPUT.get_or_init(|| printer);
    Ok(())
}

/// Standard error from here on is for [`complain`] and [`Log`]. Panics are told there too.
pub(crate) fn start_errors() -> io::Result<()> {
    let printer = Printer::new("standard error", "log lines", io::stderr().as_fd())?;
    ERRORS.get_or_init(|| printer);
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let mut text = format!("\nthread '{}' {panic}\n", thread.name().unwrap_or("unnamed"));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            text += &backtrace.to_string();
        }
        complain(&text);
        finish();
    }));
    Ok(())
}

/// Prints to standard output, however much waits already: this is for the few lines of a server.
pub(crate) fn say(text: &str) {
    if let Some(output) = OUTPUT.get() {
        output.push(text.as_bytes(), usize::MAX);
    }
}

/// Prints to standard output, as long as not too much waits: this is for a line again and again.
pub(crate) fn show(text: &str) {
    if let Some(output) = OUTPUT.get() {
        output.push(text.as_bytes(), MOST_WAITING);
    }
}

/// Shows these lines on the terminal that standard output is, in the place of those that were shown before;
/// what is printed from now on comes above them. If the terminal is behind, it is spared them.
pub(crate) fn show_block(lines: &[String]) {
    if let Some(output) = OUTPUT.get() {
        SHARES_TERMINAL.store(io::stderr().is_terminal(), Ordering::Relaxed);
        output.show_block(lines);
    }
}

/// What was printed meanwhile by others stands below the block: it stays as it is, and the next one comes below
/// everything.
pub(crate) fn leave_block() {
    if let Some(output) = OUTPUT.get() {
        output.shared.lock().block = Block::default();
    }
}

/// Takes the block away, if there is one.
pub(crate) fn end_block() {
    if let Some(output) = OUTPUT.get() {
        SHARES_TERMINAL.store(false, Ordering::Relaxed);
        output.end_block();
    }
}

/// Prints to standard error, however much waits already: this is for what must not be lost.
pub(crate) fn complain(text: &str) {
    if let Some(errors) = ERRORS.get() {
        errors.push(text.as_bytes(), usize::MAX);
    }
}

/// Waits until everything is written, as long as somebody reads it.
pub(crate) fn finish() {
    let now = Instant::now();
    for printer in [&ERRORS, &OUTPUT].into_iter().filter_map(OnceLock::get) {
        printer.finish(now);
    }
}

/// The log, a line at a time, to standard error.
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shares = SHARES_TERMINAL.load(Ordering::Relaxed);
        if let Some(errors) = if shares { OUTPUT.get() } else { ERRORS.get() } {
            errors.push(line, MOST_WAITING);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One stream, and the thread that writes to it.
struct Printer {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    /// What is lost when too much waits.
    what: &'static str,
    stream: OwnedFd,
    /// The same, for as long as nothing had to wait.
    direct: Direct,
    waiting: Mutex<Waiting>,
    /// There is something to write, or nothing any more.
    changed: Condvar,
}

struct Waiting {
    queue: VecDeque<Entry>,
    /// The bytes of the queue.
    bytes: usize,
    /// Whether there is a thread that writes.
    runs: bool,
    /// Whether it waits for more.
    idle: bool,
    /// When the stream took something last.
    moved: Instant,
    /// What stands below everything, on a terminal.
    block: Block,
}

/// Lines that are shown until others are.
#[derive(Default)]
struct Block {
    text: String,
    lines: usize,
}

enum Entry {
    Text(Box<[u8]>),
    /// So many were lost here.
    Lost(u64),
}

/// How a stream is written to without waiting.
enum Direct {
    /// A file never waits; a pipe or a terminal with flags of our own says that it would have to.
    File(File),
    /// A socket is asked by flags of the call.
    Socket,
    /// Not at all.
    None,
}

impl Printer {
    fn new(name: &'static str, what: &'static str, stream: BorrowedFd<'_>) -> io::Result<Printer> {
        let direct = match stdio::unwaiting(stream) {
            Some(file) => Direct::File(file),
            None if SockRef::from(&stream).r#type().is_ok() => Direct::Socket,
            None => Direct::None,
        };
        let (queue, moved, block) = (VecDeque::new(), Instant::now(), Block::default());
        let waiting = Waiting { queue, bytes: 0, runs: false, idle: false, moved, block };
        let (stream, waiting) = (stream.try_clone_to_owned()?, waiting.into());
        let changed = Condvar::new();
        let shared = Shared { name, what, stream, direct, waiting, changed };
        Ok(Printer { shared: Arc::new(shared) })
    }

    /// From now on the stream has a thread. Without one, what waits is lost in the end.
    fn start(&self, waiting: &mut Waiting) {
        let theirs = Arc::clone(&self.shared);
        let write = move || {
            loop {
                theirs.write(&theirs.next());
            }
        };
        let started = thread::Builder::new().name(self.shared.name.to_string()).spawn(write);
        waiting.runs = started.is_ok();
    }

    /// Puts it into the queue; counts it as lost if that many bytes would wait. Once something was lost, half
    /// of them must have gone: a few long gaps are easier to read than one behind each line.
    fn push(&self, text: &[u8], most: usize) {
        let mut waiting = self.shared.lock();
        if waiting.block.lines == 0 {
            return self.push_locked(&mut waiting, text, most);
        }
        let block = &waiting.block;
        let text = [block.up().as_bytes(), ERASE, text, block.text.as_bytes()].concat();
        self.push_locked(&mut waiting, &text, most);
    }

    fn show_block(&self, lines: &[String]) {
        let mut waiting = self.shared.lock();
        if waiting.is_busy() {
            return;
        }
        // Each line is overwritten, and only what was longer is erased: nothing flickers.
        let over: String = lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
        let text = [waiting.block.up().as_bytes(), over.as_bytes(), ERASE].concat();
        waiting.block = Block { text: over, lines: lines.len() };
        self.push_locked(&mut waiting, &text, usize::MAX);
    }

    fn end_block(&self) {
        let mut waiting = self.shared.lock();
        let block = mem::take(&mut waiting.block);
        if block.lines > 0 {
            let text = [block.up().as_bytes(), ERASE].concat();
            self.push_locked(&mut waiting, &text, usize::MAX);
        }
    }

    fn push_locked(&self, waiting: &mut Waiting, mut text: &[u8], most: usize) {
        if !waiting.runs {
            match self.shared.direct.write(&self.shared.stream, text) {
                Ok(written) => text = &text[written..],
                Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => {}
                Err(_) => return, // Of a stream that is broken nobody is told.
            }
            if text.is_empty() {
                return;
            }
            self.start(waiting);
        }
        let bytes = waiting.bytes.saturating_add(text.len());
        match waiting.queue.back_mut() {
            Some(Entry::Lost(lost)) if bytes > most / 2 => *lost += 1,
            _ if bytes > most => waiting.queue.push_back(Entry::Lost(1)),
            _ => {
                waiting.bytes = bytes;
                waiting.queue.push_back(Entry::Text(text.into()));
            }
        }
        if waiting.idle {
            self.shared.changed.notify_all();
        }
    }

    fn finish(&self, begun: Instant) {
        let mut waiting = self.shared.lock();
        while waiting.is_busy() {
            let left = PATIENCE.saturating_sub(waiting.moved.max(begun).elapsed());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(waiting, left);
            (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Waiting {
    /// Whether something is still to be written.
    fn is_busy(&self) -> bool {
        self.runs && !(self.idle && self.queue.is_empty())
    }
}

/// Erases all from the cursor on, ECMA-48.
const ERASE: &[u8] = b"\x1b[J";

impl Block {
    /// To its first column, from the line below it.
    fn up(&self) -> String {
        if self.lines == 0 { String::new() } else { format!("\r\x1b[{}A", self.lines) }
    }
}

impl Direct {
    /// As much as can be written now.
    fn write(&self, stream: &OwnedFd, text: &[u8]) -> io::Result<usize> {
        match self {
            Direct::File(file) => (&*file).write(text),
            Direct::Socket => SockRef::from(stream).send_with_flags(text, libc::MSG_DONTWAIT),
            Direct::None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The thread's.
impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be written next. Waits for it.
    fn next(&self) -> Box<[u8]> {
        let mut waiting = self.lock();
        loop {
            match waiting.queue.pop_front() {
                Some(Entry::Text(text)) => {
                    waiting.bytes -= text.len();
                    return text;
                }
                Some(Entry::Lost(lost)) => {
                    let were = if lost == 1 { "was" } else { "were" };
                    let text = format!("{} {} {were} lost\n", count(lost as f64), self.what);
                    return text.into_bytes().into();
                }
                None => {
                    waiting.idle = true;
                    self.changed.notify_all(); // Somebody may wait for the end.
                    waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                    waiting.idle = false;
                }
            }
        }
    }

    /// Writes it all, or as much as can be: of a stream that is broken nobody is told.
    fn write(&self, mut text: &[u8]) {
        let stream = &self.stream;
        while !text.is_empty() {
            match rustix::io::write(stream, &text[..text.len().min(CHUNK)]) {
                Ok(written) => {
                    text = &text[written..];
                    self.lock().moved = Instant::now();
                }
                Err(Errno::INTR) => {}
                // Whoever shares it with us wants it non-blocking.
                Err(Errno::AGAIN) => {
                    let _ = poll(&mut [PollFd::new(stream, PollFlags::OUT)], None);
                }
                Err(_) => return,
            }
        }
    }
}
