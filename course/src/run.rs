//! `course run`: a step that fails before your eyes, and the next one, which doesn't.

use std::io;

use crate::scenes::{Verdict, play};
use crate::source::marked;
use crate::stage::Stage;
use crate::steps::{STEPS, Step};

/// Shows how a step fails, and how the next one holds. A step that nobody brings down is shown against
/// all clients so far.
///
/// # Errors
///
/// Something has happened that is not what the step says.
pub fn run(step: &'static Step, stage: &mut Stage) -> io::Result<()> {
    let Some(trap) = &step.trap else { return all_so_far(step, stage) };
    let next = Step::numbered(step.number + 1).expect("a step with a trap is not the last");
    show(step, step, Verdict::Fails, trap.fails, stage)?;
    show(step, next, Verdict::Holds, trap.holds, stage)
}

fn show(
    trapped: &'static Step,
    step: &'static Step,
    expected: Verdict,
    words: &str,
    stage: &mut Stage,
) -> io::Result<()> {
    let verdict = play(trapped, step, expected, stage)?;
    if verdict != expected {
        return Err(io::Error::other(format!("step {} {verdict:?}, this time", step.number)));
    }
    let marker = if expected == Verdict::Fails { "Trap" } else { "Mend" };
    let code = marked(step, marker).unwrap_or_default();
    stage.verdict(expected == Verdict::Holds, words, &format!("src/bin/{}.rs", step.file), &code)
}

fn all_so_far(step: &'static Step, stage: &mut Stage) -> io::Result<()> {
    let before: Vec<&Step> = STEPS.iter().filter(|it| is_before(it, step)).collect();
    stage.say(&format!("Step {}, {}, against every client so far", step.number, step.idea))?;
    stage.say("")?;
    for it in before {
        let trap = it.trap.as_ref().expect("only those");
        let verdict = play(it, step, Verdict::Holds, &mut Stage::dark())?;
        let verdict = if verdict == Verdict::Holds { "holds" } else { "fails" };
        stage.say(&format!("  {verdict}   a client that {} (step {})", trap.client, it.number))?;
    }
    stage.say("")
}

/// Whether the trap of one step is for the server of the other: streams for streams.
fn is_before(it: &Step, step: &Step) -> bool {
    let datagrams = |step: &Step| step.number >= 14;
    it.number < step.number && it.trap.is_some() && datagrams(it) == datagrams(step)
}

/// `course list`.
pub fn list(stage: &mut Stage) -> io::Result<()> {
    stage.row("step                                   ", "a client that brings it down")?;
    for step in STEPS {
        let client = step.trap.as_ref().map_or("none of the above", |trap| trap.client);
        stage.row(&format!("{:>4}  {:<32} ", step.number, step.idea), client)?;
    }
    Ok(())
}
