//! Walks the cells: in threads, and in processes of their own where the whole process has to suffer.

use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::fates::{Case, Fate};
use crate::promises::{PROMISES, Process, process, strangers};
use crate::report::Report;
use crate::rough;
use crate::rows::{Driver, Kind, Moment, Way};

/// Behind so many failures nobody waits for the rest.
const ENOUGH: usize = 20;

/// Which process this is, if it is not the first.
const ROLE: &str = "ECHOLOOP_MATRIX_PROCESS";

/// Where it writes what has failed: its standard streams may be closed.
const FAILURES: &str = "ECHOLOOP_MATRIX_FAILURES";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Its number on the page.
    pub(crate) promise: usize,
    case: Case,
}

impl Cell {
    pub(crate) fn rows(&self) -> [&'static str; 4] {
        let Case { kind, way, moment, driver } = self.case;
        [kind.name(), way.name(), moment.name(), driver.name()]
    }

    /// What becomes of the source, or why there is nothing to look at.
    fn fate(&self) -> Result<Fate, &'static str> {
        let fate = self.case.fate()?;
        (PROMISES[self.promise - 1].why_not)(&self.case, fate).map_or(Ok(fate), Err)
    }

    /// Looks, and says what was wrong.
    fn look(&self, fate: Fate) -> Result<(), String> {
        let check = PROMISES[self.promise - 1].check;
        panic::catch_unwind(AssertUnwindSafe(|| check(self.case, fate)))
            .map_err(|_| WORDS.with_borrow_mut(std::mem::take))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, way, moment, driver] = self.rows();
        write!(f, "{}/{kind}/{way}/{moment}/{driver}", self.promise)
    }
}

/// All of them, also those that make no sense.
fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for promise in 1..=PROMISES.len() {
        for &kind in Kind::ALL {
            for &way in Way::ALL {
                for &moment in Moment::ALL {
                    for &driver in Driver::ALL {
                        cells.push(Cell { promise, case: Case { kind, way, moment, driver } });
                    }
                }
            }
        }
    }
    cells
}

thread_local! {
    /// The last words of a panic in this thread.
    static WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

pub(crate) fn main() -> ExitCode {
    panic::set_hook(Box::new(|info| {
        let name = thread::current().name().map(str::to_owned);
        WORDS.with_borrow_mut(|words| *words = format!("{info}"));
        if name.is_none() {
            eprintln!("in a thread of a loop: {info}");
        }
    }));
    let (options, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    if options.iter().any(|option| option == "--list") {
        return list(&words);
    }
    match std::env::var(ROLE).as_deref() {
        Ok("no-descriptors") => return part(Process::WithoutDescriptors, &words),
        Ok("rough") => return rough::with_signals(|| part(Process::InRoughSurroundings, &words)),
        _ => {}
    }
    let strangers = strangers();
    let (mut report, mut here) = (Report::default(), Vec::new());
    let mut elsewhere = [false; 2];
    for cell in cells().into_iter().filter(|cell| is_meant(cell, &words)) {
        match cell.fate() {
            Err(why) if cell.case.fate().is_err() => report.leave_out_case(why),
            Err(why) => report.leave_out(&cell, why),
            Ok(fate) => {
                report.run(&cell);
                match process(cell.promise, cell.case.moment) {
                    Process::This => here.push((cell, fate)),
                    Process::WithoutDescriptors => elsewhere[0] = true,
                    Process::InRoughSurroundings => elsewhere[1] = true,
                }
            }
        }
    }
    let roles = ["no-descriptors", "rough"].into_iter().zip(elsewhere);
    let parts: Vec<_> = roles.filter(|(_, is)| *is).map(|(role, _)| Part::start(role)).collect();
    look_at(&here, thread::available_parallelism().map_or(4, |it| 2 * it.get()), &mut report);
    parts.into_iter().for_each(|part| part.end(&mut report));
    println!("{}", report.text());
    let empty = if words.is_empty() { report.empty() } else { Vec::new() };
    for what in strangers.iter().chain(&empty) {
        println!("nothing is looked at: {what}");
    }
    let failed = report.failures.len();
    match failed + strangers.len() + empty.len() {
        0 => ExitCode::SUCCESS,
        _ => {
            println!("{failed} cells have failed");
            ExitCode::FAILURE
        }
    }
}

/// Whether its name has all of these words in it.
fn is_meant(cell: &Cell, words: &[String]) -> bool {
    let name = cell.to_string();
    words.iter().all(|word| match word.split_once('/') {
        Some((number, _)) if number.parse::<usize>().is_ok() => name.starts_with(word.as_str()),
        _ => name.contains(word.as_str()),
    })
}

fn list(words: &[String]) -> ExitCode {
    for cell in cells().into_iter().filter(|cell| is_meant(cell, words)) {
        match cell.fate() {
            Ok(_) => println!("{cell}: test"),
            Err(why) if !words.is_empty() => println!("{cell}: none, {why}"),
            Err(_) => {}
        }
    }
    ExitCode::SUCCESS
}

/// Looks at them in so many threads.
fn look_at(cells: &[(Cell, Fate)], threads: usize, report: &mut Report) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((cell, fate)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(why) = cell.look(*fate) {
                let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.push((cell.to_string(), why));
                if failures.len() >= ENOUGH {
                    next.store(cells.len(), Ordering::Relaxed);
                }
            }
        }
    };
    thread::scope(|scope| {
        for n in 0..threads {
            let worker = thread::Builder::new().name(format!("worker {n}"));
            worker.spawn_scoped(scope, work).expect("there are threads");
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.into_iter().for_each(|(name, why)| report.fail(name, why));
}

/// The part of another process, from within: one cell after the other, since all have to suffer for one.
fn part(which: Process, words: &[String]) -> ExitCode {
    rough::limit_descriptors();
    let is_ours = |cell: &Cell| process(cell.promise, cell.case.moment) == which;
    let cells = cells().into_iter().filter(|cell| is_ours(cell) && is_meant(cell, words));
    let cells: Vec<_> = cells.filter_map(|cell| Some((cell, cell.fate().ok()?))).collect();
    let mut report = Report::default();
    look_at(&cells, 1, &mut report);
    let told: String =
        report.failures.iter().map(|(name, why)| format!("{name}\0{why}\0")).collect();
    let path = std::env::var_os(FAILURES).expect("the first process has said where");
    std::fs::write(path, told).expect("there is room");
    ExitCode::SUCCESS
}

/// Another process, from outside.
struct Part {
    child: Child,
    failures: tempfile::NamedTempFile,
}

impl Part {
    fn start(role: &'static str) -> Part {
        let failures = tempfile::NamedTempFile::new().unwrap();
        let program = std::env::current_exe().unwrap();
        let command =
            if role == "rough" { "exec \"$0\" \"$@\" <&- >&- 2>&-" } else { "exec \"$0\" \"$@\"" };
        let child = Command::new("sh")
            .args(["-c", command])
            .arg(program)
            .args(std::env::args().skip(1))
            .env(ROLE, role)
            .env(FAILURES, failures.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Part { child, failures }
    }

    fn end(mut self, report: &mut Report) {
        let status = self.child.wait().unwrap();
        let told = std::fs::read_to_string(self.failures.path()).unwrap();
        let mut words = told.split_terminator('\0').map(str::to_owned);
        while let (Some(name), Some(why)) = (words.next(), words.next()) {
            report.fail(name, why);
        }
        if !status.success() {
            report.fail("another process".to_owned(), format!("has ended with {status}"));
        }
    }
}
