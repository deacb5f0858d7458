//! A client that says nothing.

use std::io::{self, Write};

use super::{Play, Verdict};
use crate::client::{answer, connect, exchange, lines};
use crate::kernel;
use crate::server::DEADLINE;

/// One client says nothing, and a second one asks for something.
pub fn one(play: &mut Play<'_>) -> io::Result<Verdict> {
    let mut first = connect(&play.server)?;
    play.server.settles();
    let port = first.local_addr()?.port();
    let doing = waiting_for(play, port, "A");
    play.stage.show("A connects, and says nothing", &doing)?;

    let mut second = connect(&play.server)?;
    second.write_all(&lines(0, 1))?;
    if answer(&mut second, &lines(0, 1), play.patience())? {
        play.show("B connects, asks, and has its answer")?;
        return Ok(Verdict::Holds);
    }
    play.stage.show("B connects and asks", &waiting_for(play, port, "A"))?;
    let waiting = kernel::backlog(play.server.address)?;
    play.stage.show("B has no answer", &format!("{waiting} in the backlog"))?;
    if !exchange(&mut first, DEADLINE)? {
        return Err(io::Error::other("A has no answer either"));
    }
    play.server.settles();
    play.stage.show("A asks, and is answered at once", &waiting_for(play, port, "A"))?;
    drop(first);
    match answer(&mut second, &lines(0, 1), DEADLINE)? {
        true => {
            let waiting = kernel::backlog(play.server.address)?;
            play.stage
                .show("A goes, and B has its answer", &format!("{waiting} in the backlog"))?;
        }
        false => return Err(io::Error::other("B has no answer when A has gone")),
    }
    Ok(Verdict::Fails)
}

/// What the server sleeps in, and whether it is this client that it waits for.
fn waiting_for(play: &Play<'_>, port: u16, name: &str) -> String {
    let call = kernel::system_call(play.server.pid());
    let doing = play.server.doing();
    match call.and_then(|(_, descriptor)| {
        kernel::remote_port(play.server.pid(), descriptor, play.server.address)
    }) {
        Some(it) if it == port => format!("{doing}, for {name} alone"),
        _ => doing,
    }
}
