//! What can't be had, by each of the ways in.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::fates::{Case, Fate};
use crate::rows::{Kind, Way};
use crate::sources::{Coming, at, connect, listen, listen_on};
use crate::stage::Make;
use crate::support::endpoint;

/// Puts it in the place of what was to come.
pub(crate) type Swap = Box<dyn FnOnce(&mut Coming, &Path)>;

/// Something faulty for the same way, and what becomes of it.
pub(crate) fn swap(case: &Case) -> (Fate, Swap) {
    let kind = case.kind;
    match case.base().expect("there is such a way") {
        Way::Adopted | Way::HandedOver => {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let half = echoloop::Half::Both;
            let make: Make = Box::new(move |cx| cx.adopt(socket, half).map(Some));
            let why = "it is a datagram socket, which listen_on serves";
            (Fate::Refused(why), Box::new(|coming, _| coming.make = make))
        }
        Way::ListenedOn => {
            let pipe: OwnedFd = std::io::pipe().unwrap().0.into();
            let swap = move |coming: &mut Coming, _: &Path| coming.make = listen_on(pipe);
            (Fate::Refused("it is not a socket"), Box::new(swap))
        }
        Way::Dialled => dialled(kind),
        _ => {
            let why = match kind {
                Kind::UnixListener | Kind::UnixGram => "another server answers there",
                _ => "address already in use",
            };
            (Fate::Refused(why), Box::new(move |it, at| taken(kind, it, at)))
        }
    }
}

/// Where nobody is.
fn dialled(kind: Kind) -> (Fate, Swap) {
    let to = |text: String| -> Swap { Box::new(move |coming, _| coming.make = connect(&text)) };
    let nobody = |scheme: &'static str| -> Swap {
        Box::new(move |coming, directory| {
            let path = directory.join("nobody");
            coming.make = connect(&format!("{scheme}://{}", path.display()));
        })
    };
    match kind {
        Kind::Tcp => {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            (Fate::Fails("connection refused"), to(format!("tcp://{address}")))
        }
        Kind::Mem => (Fate::Fails("connection refused"), to("mem://nobody".to_owned())),
        Kind::Unix => (Fate::Fails("no such file or directory"), nobody("unix")),
        Kind::UnixGramConnected => (Fate::Refused("no such file or directory"), nobody("unixgram")),
        Kind::MemGramConnected => {
            (Fate::Refused("connection refused"), to("memgram://nobody".to_owned()))
        }
        // It may not send to all hosts of a network, socket(7).
        _ => (Fate::Refused("permission denied"), to("udp://255.255.255.255:9".to_owned())),
    }
}

/// Somebody listens there already.
fn taken(kind: Kind, coming: &mut Coming, directory: &Path) {
    let path = at(directory);
    let mut in_memory = |name: &str| {
        coming.listens = Some(endpoint(name));
        coming.make = listen(name);
    };
    match kind {
        Kind::MemListener => in_memory("mem://taken"),
        Kind::MemGram => in_memory("memgram://taken"),
        Kind::TcpListener => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            coming.make = listen(&format!("tcp://{}", listener.local_addr().unwrap()));
            coming.keeps.push(listener.into());
        }
        Kind::Udp => {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            coming.make = listen(&format!("udp://{}", socket.local_addr().unwrap()));
            coming.keeps.push(socket.into());
        }
        Kind::UnixListener => {
            let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            coming.keeps.push(listener.into());
        }
        _ => {
            let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
            coming.keeps.push(socket.into());
        }
    }
}
