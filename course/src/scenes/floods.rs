//! More than there is time for.

use std::io::{self, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use super::{Play, Verdict};
use crate::client::{LINE, answer, connect, exchange, lines, read_some};
use crate::kernel;
use crate::server::{DEADLINE, Limit, Server, until};
use crate::stage::number;

const FLOODS: usize = 300;
const LINES: usize = 768; // Of one flood. They fit between the two of us without anybody reading.
/// How often a server that holds may look as if it didn't, because we looked too late.
const TRIES: usize = 20;

/// Many have sent much, then one sends a line. How much is answered before that line?
pub fn whisper(play: &mut Play<'_>) -> io::Result<Verdict> {
    let mut floods = Vec::new();
    for _ in 0..FLOODS {
        let mut flood = connect(&play.server)?;
        exchange(&mut flood, DEADLINE)?;
        floods.push(flood);
    }
    let mut whisper = connect(&play.server)?;
    exchange(&mut whisper, DEADLINE)?;
    let all = FLOODS * LINES;
    let mut before = all;
    for _ in 0..if play.patience() == DEADLINE { TRIES } else { 1 } {
        before = answered_before(play, &mut floods, &mut whisper)? / LINE;
        if before < all {
            break;
        }
    }
    let (sent, before_it) = (number(all), number(before));
    play.stage.show(
        &format!("{FLOODS} clients send {sent} lines"),
        "stopped, to find all of it at once",
    )?;
    play.stage.show("then one more client sends a single line", "goes on")?;
    let part = 100 * before / all;
    let right = format!("{before_it} others were answered before it");
    if before == all {
        play.stage.show("that line is answered last of all", &right)?;
        return Ok(Verdict::Fails);
    }
    play.stage.show("that line is answered before most others", &format!("{right}, {part} %"))?;
    Ok(Verdict::Holds)
}

/// The bytes of the floods that had been answered when the whisper was.
fn answered_before(
    play: &Play<'_>,
    floods: &mut [TcpStream],
    whisper: &mut TcpStream,
) -> io::Result<usize> {
    play.server.stop()?;
    for flood in floods.iter_mut() {
        flood.write_all(&lines(0, LINES))?;
    }
    let traffic = || kernel::traffic(play.server.address).unwrap_or_default();
    if !until(DEADLINE, || traffic().to_the_server == 0) {
        return Err(io::Error::other("what was sent does not arrive"));
    }
    whisper.write_all(&lines(0, 1))?;
    play.server.go_on()?;
    if !answer(whisper, &lines(0, 1), DEADLINE)? {
        return Err(io::Error::other("the single line is never answered"));
    }
    play.server.stop_at_once()?;
    if !until(DEADLINE, || traffic().to_clients == 0) {
        return Err(io::Error::other("what was answered does not arrive"));
    }
    let answered = traffic().arrived;
    play.server.go_on()?;
    for flood in floods.iter_mut() {
        let mut got = Vec::new();
        read_some(flood, &mut got, LINES * LINE, DEADLINE)?;
        if got != lines(0, LINES) {
            return Err(io::Error::other("a flood was not answered in full"));
        }
    }
    Ok(answered)
}

/// A datagram for one server, which says that it comes from another one.
pub fn for_ever(play: &mut Play<'_>) -> io::Result<Verdict> {
    const BUSY: Duration = Duration::from_millis(300);
    const PARTS: u32 = 3;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    let address = sender.local_addr()?;
    play.server.stop()?;
    sender.send_to(b"hello", play.server.address)?;
    drop(sender);
    let other = Server::start(play.step, Limit::None, &[address.to_string()])?;
    play.stage.show("sends A one datagram, from B's address", "two of them: A and B")?;
    let pids = [play.server.pid(), other.pid()];
    let before = [kernel::processor_time(pids[0])?, kernel::processor_time(pids[1])?];
    let used = || -> [Duration; 2] {
        let now = pids.map(|pid| kernel::processor_time(pid).unwrap_or_default());
        [now[0].saturating_sub(before[0]), now[1].saturating_sub(before[1])]
    };
    play.server.go_on()?;
    for part in 1..=PARTS {
        let busy = || used().iter().all(|&it| it >= BUSY * part / PARTS);
        let busy = until(play.suspicion(), busy);
        let [a, b] = used().map(|it| it.as_millis());
        let right = format!("A {a} ms, B {b} ms of processor time");
        play.stage.show("sends nothing more", &right)?;
        if !busy {
            return Ok(Verdict::Holds);
        }
    }
    Ok(Verdict::Fails)
}
