//! Many clients at once.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;

use super::{Play, Verdict};
use crate::client::{answer, connect, crowd, exchange, lines, processor_time_of_a_line};
use crate::kernel;
use crate::server::{DEADLINE, until};
use crate::stage::{mib, number};

/// A descriptor limit that is soon reached.
pub const FEW: u32 = 20;

/// So many clients, each of which says one line, and stays.
pub fn many(play: &mut Play<'_>) -> io::Result<Verdict> {
    const CLIENTS: usize = 400;
    let mut clients = Vec::new();
    while clients.len() < CLIENTS {
        let answered = connect(&play.server).and_then(|mut client| {
            let answered = exchange(&mut client, DEADLINE)?;
            clients.push(client);
            Ok(answered)
        });
        let count = clients.len();
        match answered {
            Ok(true) if [1, 100, CLIENTS].contains(&count) => {
                let (threads, space) =
                    (kernel::threads(play.server.pid())?, kernel::memory(play.server.pid())?.0);
                let right = format!("threads: {threads}; address space: {}", mib(space));
                play.stage.show(&format!("clients answered: {count}"), &right)?;
            }
            Ok(true) => {}
            _ => return died(play, clients),
        }
    }
    Ok(Verdict::Holds)
}

fn died(play: &mut Play<'_>, mut clients: Vec<TcpStream>) -> io::Result<Verdict> {
    if !until(DEADLINE, || play.server.ended().is_some()) {
        return Err(io::Error::other("a client was not answered, and the server goes on"));
    }
    let said = play.server.said();
    play.stage.show(&format!("client {} has no answer", clients.len() + 1), &said)?;
    let ended = play.server.ended().unwrap_or_default();
    play.stage.show("", &format!("has ended, {ended}"))?;
    match exchange(&mut clients[0], DEADLINE) {
        Ok(true) => {
            Err(io::Error::other("the first client is answered by a server that has ended"))
        }
        _ => {
            play.stage.show("client 1's connection has ended, too", "")?;
            Ok(Verdict::Fails)
        }
    }
}

/// One speaks, alone and then among a thousand that are silent.
pub fn dear(play: &mut Play<'_>) -> io::Result<Verdict> {
    const SILENT: usize = 1000;
    const DEAR: u32 = 3; // times what it cost alone.
    let mut client = connect(&play.server)?;
    exchange(&mut client, DEADLINE)?;
    let alone = processor_time_of_a_line(&play.server, &mut client)?;
    let right = format!("{:.1} µs of processor time a line", alone.as_secs_f64() * 1e6);
    play.stage.show("one client sends lines", &right)?;

    let silent = crowd(&play.server, SILENT)?;
    play.stage.show(&format!("{} others connect, and are silent", number(silent.len())), "")?;
    let crowded = processor_time_of_a_line(&play.server, &mut client)?;
    let right = format!("{:.1} µs of processor time a line", crowded.as_secs_f64() * 1e6);
    play.stage.show("the one sends lines", &right)?;
    Ok(if crowded > alone * DEAR { Verdict::Fails } else { Verdict::Holds })
}

/// As many clients as there are descriptors, each of which says one line, and stays.
pub(super) fn fill(play: &mut Play<'_>) -> io::Result<Vec<TcpStream>> {
    let mut clients = Vec::new();
    while play.server.descriptors()? < FEW as usize {
        let mut client = connect(&play.server)?;
        if !exchange(&mut client, DEADLINE)? {
            return Err(io::Error::other("a client has no answer, though descriptors are left"));
        }
        clients.push(client);
    }
    let right = table(play)?;
    play.stage.show(&format!("{} clients, all answered", clients.len()), &right)?;
    Ok(clients)
}

/// What the server has, and who waits.
pub(super) fn table(play: &Play<'_>) -> io::Result<String> {
    let (used, waiting) = (play.server.descriptors()?, kernel::backlog(play.server.address)?);
    Ok(format!("{used} of {FEW} descriptors, {waiting} in the backlog"))
}

/// More clients than descriptors. Then one goes, so that another could be served.
pub fn too_many(play: &mut Play<'_>) -> io::Result<Verdict> {
    let mut clients = fill(play)?;
    let mut late = connect(&play.server)?;
    late.write_all(&lines(0, 1))?;
    play.server.settles();
    let right = table(play)?;
    play.stage.show("A connects and asks", &right)?;

    drop(clients.remove(0));
    if answer(&mut late, &lines(0, 1), play.patience())? {
        let right = table(play)?;
        play.stage.show("another one goes, and A has its answer", &right)?;
        return Ok(Verdict::Holds);
    }
    let right = table(play)?;
    play.stage.show("another one goes, and A has no answer", &right)?;
    let mut later = connect(&play.server)?;
    later.write_all(&lines(0, 1))?;
    match answer(&mut late, &lines(0, 1), DEADLINE) {
        Ok(true) => {
            play.server.settles();
            let right = table(play)?;
            play.stage.show("B connects and asks: now A has its answer", &right)?;
            Ok(Verdict::Fails)
        }
        Ok(false) => Err(io::Error::from(ErrorKind::TimedOut)),
        Err(error) => Err(error),
    }
}
