//! Much at once, and much that nobody reads.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Play, Verdict};
use crate::client::{LINE, connect, exchange, lines, read_some};
use crate::kernel;
use crate::server::DEADLINE;
use crate::stage::{mib, number};

/// Sends more at once than a server reads at once.
pub fn burst(play: &mut Play<'_>) -> io::Result<Verdict> {
    const LINES: usize = 160;
    let mut client = connect(&play.server)?;
    if !exchange(&mut client, DEADLINE)? {
        return Err(io::Error::other("a single line is not answered"));
    }
    play.server.settles(); // So that what follows comes as one piece, and as one event.
    client.write_all(&lines(0, LINES))?;
    let sent = number(LINES * LINE);
    let mut got = Vec::new();
    read_some(&mut client, &mut got, LINES * LINE, play.patience())?;
    if got == lines(0, LINES) {
        play.show(&format!("sends {sent} bytes, and has all back"))?;
        return Ok(Verdict::Holds);
    }
    let left = format!("sends {sent} bytes at once, has {} back", number(got.len()));
    play.show(&left)?;
    let unread = unread(play, &client)?;
    let right = format!("{}, {} bytes to read", play.server.doing(), number(unread));
    play.stage.show("waits, and nothing comes", &right)?;
    if got.len() + unread != LINES * LINE {
        return Err(io::Error::other("bytes are lost, not waiting"));
    }

    client.write_all(&lines(LINES, 1))?;
    let before = got.len();
    read_some(&mut client, &mut got, before + 1, DEADLINE)?;
    read_some(&mut client, &mut got, (LINES + 1) * LINE, play.patience())?;
    let right =
        format!("{}, {} bytes to read", play.server.doing(), number(self::unread(play, &client)?));
    play.stage.show(&format!("sends {LINE} bytes more, has {} back", number(got.len())), &right)?;
    Ok(Verdict::Fails)
}

/// What has arrived of this client, and the server has not read.
fn unread(play: &Play<'_>, client: &TcpStream) -> io::Result<usize> {
    let end = kernel::end(play.server.address, client.local_addr()?)?;
    Ok(end.map_or(0, |end| end.unread))
}

/// Sends as much as it can, and reads nothing meanwhile.
pub fn no_reader(play: &mut Play<'_>) -> io::Result<Verdict> {
    const MUCH: usize = 64 << 20;
    const PART: usize = 16 << 20;
    let mut client = connect(&play.server)?;
    client.set_nonblocking(true)?;
    let memory = |play: &Play<'_>| Ok::<_, io::Error>(kernel::memory(play.server.pid())?.1);
    let begin = memory(play)?;
    play.stage.show("a client connects", &format!("{} of memory", mib(begin)))?;
    let mut sent = 0;
    while sent < MUCH {
        // Whole lines, and the rest of one that has gone in part.
        let piece = &lines(sent / LINE, 1024)[sent % LINE..];
        match client.write(&piece[..piece.len().min(MUCH - sent)]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !has_room(&client, play)? {
                    return refused(play, client, sent);
                }
            }
            Err(error) => return Err(error),
        }
        if sent > 0 && sent % PART == 0 {
            play.server.settles(); // It has read all of it, if it ever will.
            let right = format!("{} of memory", mib(memory(play)?));
            play.stage.show(&format!("has sent {} MiB, and read none", sent >> 20), &right)?;
        }
    }
    match memory(play)? - begin >= MUCH as u64 / 2 {
        true => Ok(Verdict::Fails),
        false => Err(io::Error::other("took all of it, and does not keep it")),
    }
}

/// Waits until more can be sent. Whether that is so.
fn has_room(client: &TcpStream, play: &Play<'_>) -> io::Result<bool> {
    let wait = Timespec::try_from(play.suspicion()).map_err(io::Error::other)?;
    Ok(poll(&mut [PollFd::new(client, PollFlags::OUT)], Some(&wait))? > 0)
}

/// The client has to wait. Then it reads, and gets back what it has sent.
fn refused(play: &mut Play<'_>, mut client: TcpStream, sent: usize) -> io::Result<Verdict> {
    let memory = kernel::memory(play.server.pid())?.1;
    let right = format!("{}, {} of memory", play.server.doing(), mib(memory));
    play.stage.show("can send no more: write would block", &right)?;
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(DEADLINE))?;
    let mut buffer = vec![0; 1 << 20];
    let mut got = 0;
    while got < sent {
        let count = client.read(&mut buffer)?;
        let expected = lines(got / LINE, count / LINE + 2);
        if count == 0 || buffer[..count] != expected[got % LINE..][..count] {
            return Err(io::Error::other("has not got back what it sent"));
        }
        got += count;
    }
    let memory = kernel::memory(play.server.pid())?.1;
    let right = format!("{} of memory", mib(memory));
    play.stage.show("reads, and has each byte back that it sent", &right)?;
    Ok(Verdict::Holds)
}
