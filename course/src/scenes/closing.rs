//! Ends: of a client, of a server, and of the wrong client.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::{Play, Verdict};
use crate::client::{LINE, connect, exchange, lines, read_some};
use crate::kernel::{self, CLOSE_WAIT, ESTABLISHED};
use crate::server::{DEADLINE, until};
use crate::stage::number;

/// What the server says to those who send a line without an end.
const FAREWELL: &[u8] = b"\nline too long\n";

/// Sends, shuts down its sending side, and reads only then.
pub fn half(play: &mut Play<'_>) -> io::Result<Verdict> {
    const PART: usize = 3840; // Lines: less than the server would keep.
    let mut client = connect(&play.server)?;
    let mut sent = 0;
    let kept = loop {
        client.write_all(&lines(sent / LINE, PART))?;
        sent += PART * LINE;
        let kept = kept_by_the_server(play, &client, sent)?;
        if kept > 0 {
            break kept;
        }
    };
    play.stage.show(
        &format!("sends {} bytes, and reads none", number(sent)),
        &format!("{} of them are in its buffer", number(kept)),
    )?;
    client.shutdown(Shutdown::Write)?;
    let server = (play.server.address, client.local_addr()?);
    let waits = || {
        let state = kernel::end(server.0, server.1).map(|end| end.map(|end| end.state));
        matches!(state, Ok(Some(ESTABLISHED | CLOSE_WAIT)))
    };
    until(play.suspicion(), || !waits());
    let right = seen(play, "the", server.1)?;
    play.stage.show("ends: it will send no more", &right)?;

    let mut got = Vec::new();
    let ended = read_some(&mut client, &mut got, sent + 1, DEADLINE)?;
    if got != lines(0, sent / LINE)[..got.len()] || !ended {
        return Err(io::Error::other("the answer is not what was sent"));
    }
    let (holds, missing) = (got.len() == sent, sent - got.len());
    play.stage.show(&format!("reads to the end: {} bytes", number(got.len())), "")?;
    let missing = if holds { "none".into() } else { number(missing) };
    play.stage.show(&format!("missing: {missing}"), "")?;
    Ok(if holds { Verdict::Holds } else { Verdict::Fails })
}

/// Waits until the server has read all of it, and the kernel has taken what it would take. How many bytes
/// are in neither of the kernel's buffers, and so in the server's own.
fn kept_by_the_server(play: &Play<'_>, client: &TcpStream, sent: usize) -> io::Result<usize> {
    let (server, client) = (play.server.address, client.local_addr()?);
    let mut kept = 0;
    let rests = until(DEADLINE, || {
        // It has slept while we looked twice and saw the same, so nothing was under way.
        let pid = play.server.pid();
        let asleep = || kernel::state(pid).ok() == Some('S');
        let look =
            || Some((kernel::both_ends(client, server).ok()??, kernel::processor_time(pid).ok()?));
        let (before, asleep, after) = (look(), asleep(), look());
        let (true, true, Some(((ours, its), _))) = (asleep, before == after, after) else {
            return false;
        };
        kept = sent.saturating_sub(ours.unread + its.unacknowledged);
        ours.unacknowledged == 0 && its.unread == 0
    });
    match rests {
        true => Ok(kept),
        false => Err(io::Error::other("the server does not read all of it")),
    }
}

/// Sends good lines and then one without an end, and reads only when the server has closed.
pub fn reset(play: &mut Play<'_>) -> io::Result<Verdict> {
    const GOOD: usize = 4096; // Lines.
    const TOO_LONG: usize = 64 << 10;
    let mut client = connect(&play.server)?;
    let mut all = lines(0, GOOD);
    all.resize(GOOD * LINE + TOO_LONG, b'x');
    // It may be reset before all of it is out. Then that is as good.
    let written = client.write_all(&all);
    let (server, local) = (play.server.address, client.local_addr()?);
    let open = || {
        let end = kernel::end(server, local);
        end.is_ok_and(|end| end.is_some_and(|end| end.state == ESTABLISHED))
    };
    if written.is_ok() && !until(DEADLINE, || !open()) {
        return Err(io::Error::other("the server does not close"));
    }
    let right = seen(play, "the", local)?;
    play.stage.show(&format!("sends {} lines, and one that never ends", number(GOOD)), &right)?;

    let mut got = Vec::new();
    let end = read_some(&mut client, &mut got, all.len(), DEADLINE);
    let says_why = got.ends_with(FAREWELL);
    let good = got.len().min(GOOD * LINE);
    if got[..good] != all[..good] {
        return Err(io::Error::other("the answer is not what was sent"));
    }
    match end {
        Ok(true) if says_why => {
            let left = format!("reads {} lines and \"line too long\"", number(good / LINE));
            play.stage.show(&left, "")?;
            Ok(Verdict::Holds)
        }
        Err(error) if !says_why => {
            let left = format!("has read {} lines, when:", number(good / LINE));
            play.stage.show(&left, "")?;
            play.stage.show(&plain(&error), "")?;
            Ok(Verdict::Fails)
        }
        other => Err(io::Error::other(format!("{other:?} after {} bytes", got.len()))),
    }
}

/// The state of the server's end of a connection.
fn seen(play: &Play<'_>, whose: &str, client: SocketAddr) -> io::Result<String> {
    let end = kernel::end(play.server.address, client)?;
    Ok(format!("its end of {whose} connection: {}", kernel::state_name(end)))
}

/// The error without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (").next().unwrap_or_default().to_lowercase()
}

/// One client is sent away and goes. Another one gets its place in the table.
pub fn stale(play: &mut Play<'_>) -> io::Result<Verdict> {
    const LONGER_THAN_IT_LINGERS: Duration = Duration::from_millis(1500);
    let mut first = connect(&play.server)?;
    first.write_all(&[b'x'; 4096])?;
    let mut got = Vec::new();
    if !read_some(&mut first, &mut got, 1 << 16, DEADLINE)? || !got.ends_with(FAREWELL) {
        return Err(io::Error::other("a line without an end is taken"));
    }
    play.server.settles(); // So that it waits for us, and has set its timer.
    let a = first.local_addr()?;
    let right = seen(play, "A's", a)?;
    play.stage.show("A is told that its line is too long", &right)?;
    let with = play.server.descriptors()?;
    drop(first);
    if !until(DEADLINE, || play.server.descriptors().is_ok_and(|it| it < with)) {
        return Err(io::Error::other("the server does not let go of A"));
    }
    let right = seen(play, "A's", a)?;
    play.stage.show("A goes", &right)?;

    let mut second = connect(&play.server)?;
    if !exchange(&mut second, DEADLINE)? {
        return Err(io::Error::other("B has no answer"));
    }
    let b = second.local_addr()?;
    let right = seen(play, "B's", b)?;
    play.stage.show("B connects, asks, and has its answer", &right)?;
    let wait = play.suspicion().max(LONGER_THAN_IT_LINGERS);
    second.set_read_timeout(Some(wait))?;
    match second.read(&mut [0]) {
        Ok(0) => {
            let right = seen(play, "B's", b)?;
            play.stage.show("B reads the end, and had asked for none", &right)?;
            Ok(Verdict::Fails)
        }
        Ok(_) => Err(io::Error::other("B has an answer that it did not ask for")),
        Err(_) if exchange(&mut second, DEADLINE)? => {
            let left = "B asks a second later, and has its answer";
            let right = seen(play, "B's", b)?;
            play.stage.show(left, &right)?;
            Ok(Verdict::Holds)
        }
        Err(error) => Err(error),
    }
}
