//! Nothing happens, and somebody is busy all the same.

use std::io;
use std::time::Duration;

use super::crowds::{fill, table};
use super::{Play, Verdict};
use crate::client::connect;
use crate::kernel;
use crate::server::until;

/// So much processor time for nothing is proof.
const BUSY: Duration = Duration::from_millis(300);
const PARTS: u32 = 3;

/// There are no clients at all.
pub fn nobody(play: &mut Play<'_>) -> io::Result<Verdict> {
    play.stage.show("nobody connects", "")?;
    watch(play, "nobody is there")
}

/// As many as there is room for, and one more.
pub fn one_too_many(play: &mut Play<'_>) -> io::Result<Verdict> {
    let _clients = fill(play)?;
    let _one_more = connect(&play.server)?;
    let right = table(play)?;
    play.stage.show("one more connects", &right)?;
    watch(play, "nobody says anything")
}

fn watch(play: &mut Play<'_>, silence: &str) -> io::Result<Verdict> {
    let pid = play.server.pid();
    let before = kernel::processor_time(pid)?;
    let used = || kernel::processor_time(pid).map_or(Duration::ZERO, |now| now - before);
    for part in 1..=PARTS {
        let busy = until(play.suspicion(), || used() >= BUSY * part / PARTS);
        let (doing, used) = (play.server.doing(), used().as_millis());
        play.stage.show(silence, &format!("{doing}, {used} ms of processor time"))?;
        if !busy {
            return Ok(Verdict::Holds);
        }
    }
    Ok(Verdict::Fails)
}
