//! A reactor inside another loop: what the programs of this package, one for each loop, have in common.
//!
//! A thread can wait in one place only. So the loop that is there already waits for the reactor's descriptor beside
//! whatever else it waits for, no longer than the reactor's poll timeout, and then has it do what there is to do, with
//! no timeout left:
//!
//! ```text
//!   ┌── the other loop ─────────────────────────────────────────────────────────┐
//!   │ wait for: its own sources, reactor.as_fd(); at most reactor.poll_timeout() │
//!   │ its own work                                                              │
//!   │ reactor.turn(Some(Duration::ZERO))                                        │
//!   └───────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! | `cargo run --bin` | how it waits |
//! |---|---|
//! | `poll` | poll(2): a loop written by hand, and the plainest |
//! | `calloop` | calloop, in which Wayland programs live |
//! | `tokio` | tokio, on its current-thread runtime |
//!
//! Each says where it listens; then `nc` to it. Each has a source of its own, the keyboard: what is typed goes to all
//! clients, and its end ends the program.

use std::error::Error;
use std::time::Duration;

use echoloop::{
    Address, Config, Context, Endpoint, Hub, Lines, Reactor, ServiceId, Session, Sessions,
};

/// The longest line.
const LINE: usize = 1024;

/// A client, which sends lines.
#[derive(Debug)]
pub struct Client;

/// The service that a program's own source reaches all of them by.
pub type Clients = ServiceId<Sessions<Client>>;

impl Session for Client {
    type Shared = ();

    fn opened(_hub: &mut Hub<'_, Client>, _cx: &mut Context<'_>) -> Client {
        Client
    }

    fn received(
        &mut self,
        _hub: &mut Hub<'_, Client>,
        cx: &mut Context<'_>,
        input: &[u8],
    ) -> usize {
        let mut taken = 0;
        // Without room for an answer nothing is taken, and the rest is shown again when there is some.
        while cx.send_capacity() > LINE || !cx.await_writable() {
            let Ok(Some(line)) = Lines::new(LINE).next(&input[taken..]) else { break };
            taken += line.len();
            said(cx, &String::from_utf8_lossy(line.text));
        }
        taken
    }

    fn timer(
        &mut self,
        _hub: &mut Hub<'_, Client>,
        cx: &mut Context<'_>,
        _timer: echoloop::TimerId,
    ) {
        let milliseconds = cx.word();
        cx.send_all(format!("{milliseconds} ms later\n").as_bytes());
    }
}

/// `turns` asks how often the reactor has turned so far, `after 100` for an answer in 100 ms. Anything else comes back.
fn said(cx: &mut Context<'_>, line: &str) {
    let after = line.strip_prefix("after ").and_then(|number| number.parse().ok());
    match (line, after) {
        ("turns", _) => {
            let turns = cx.statistics().turns;
            cx.send_all(format!("{turns}\n").as_bytes());
        }
        (_, Some(milliseconds)) => {
            cx.after_with(Duration::from_millis(milliseconds), milliseconds);
        }
        _ => {
            cx.send_all(format!("{line}\n").as_bytes());
        }
    }
}

/// A reactor that serves clients, at the endpoint that is the program's argument, or at a free port.
///
/// # Errors
///
/// The argument is no endpoint, or can't be listened on.
pub fn server() -> Result<(Reactor, Clients), Box<dyn Error>> {
    let endpoint = std::env::args().nth(1).unwrap_or("tcp://127.0.0.1:0".to_owned());
    let endpoint: Endpoint = endpoint.parse().map_err(|error| format!("{endpoint}: {error}"))?;
    let mut reactor = Reactor::new(Config::default())?;
    let clients = reactor.add(Sessions::new(()));
    let listener =
        reactor.context(clients).listen(&endpoint).map_err(|error| format!("{error:#}"))?;
    match reactor.local(listener) {
        Some(Address::Ip(address)) => println!("listening on tcp://{address}"),
        _ => println!("listening on {endpoint}"),
    }
    Ok((reactor, clients))
}

/// The program's own source has said something, which all clients are to get. To be called between turns: what it
/// leaves to be done, the next poll timeout tells.
pub fn tell_all(reactor: &mut Reactor, clients: Clients, text: &[u8]) {
    reactor.with(clients, |clients, cx| {
        for (client, _) in clients.iter() {
            cx.source(client).send_all(text);
        }
    });
}
