//! Listening on what was asked for.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Display;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;

use echoloop::{Address, Context, Echo, Endpoint, Id, Pong, Reactor, Service, ServiceId, describe};

use super::Args;
use super::counted::{Counted, Counts, Reporter};
use super::logged::Logged;
use super::offer::{Bound, Offer, Place, ServiceName};
use super::systemd::{Kind, Passed, SCHEME};
use crate::cli::printer;

pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// Where something is to be served, as it is handed to a worker.
pub(super) enum Site {
    Endpoint(Endpoint),
    /// Duplicates of the sockets that were passed under this name.
    Passed(String, Vec<(OwnedFd, Kind)>),
}

/// What a worker serves.
pub(super) struct Listening {
    pub(super) bound: Vec<Bound>,
    /// What the other workers serve: the same ports, which may have been chosen just now.
    pub(super) shared: Vec<Offer>,
    pub(super) reporter: ServiceId<Reporter>,
}

/// Finds the sockets that were passed, if it is to be on them.
pub(super) fn site(place: &Place, passed: &mut Passed) -> Result<Site, Failure> {
    match place {
        Place::Endpoint(endpoint) => Ok(Site::Endpoint(endpoint.clone())),
        Place::Systemd(name) => match passed.named(name) {
            Ok(sockets) => Ok(Site::Passed(name.clone(), sockets)),
            Err(why) => Err(cannot_listen_on(name, &why)),
        },
    }
}

/// Whether the sockets that were passed can be served as it is asked for. Before anything is: who can't start should
/// not have begun.
pub(super) fn check_passed(args: &Args, passed: &mut Passed) -> Result<(), Failure> {
    let offered = args.offers.iter().map(|offer| (offer.service, &offer.place));
    let watched = args.metrics.iter().map(|place| (ServiceName::Metrics, place));
    let mut seen: HashMap<&str, ServiceName> = HashMap::new();
    for (service, place) in offered.chain(watched) {
        let Place::Systemd(name) = place else { continue };
        if let Some(other) = seen.insert(name, service) {
            let why = format!(
                "it is named for {other} and {service}, and the kernel would give each some of the \
                 clients: name it once, or let each have a socket of its own (FileDescriptorName=)"
            );
            return Err(cannot_listen_on(name, &why));
        }
        if service == ServiceName::Metrics
            && let Site::Passed(_, sockets) = site(place, passed)?
            && let Some((_, kind)) = sockets.iter().find(|(_, kind)| kind.is_datagram())
        {
            let what = kind.describe();
            let why =
                format!("metrics need a stream, and {what} was passed: ListenStream= of the unit");
            return Err(cannot_listen_on(name, &why));
        }
    }
    Ok(())
}

fn cannot_listen_on(name: &str, why: &dyn Display) -> Failure {
    format!("cannot listen on {SCHEME}{name}: {why}").into()
}

/// Listens on everything, or on nothing.
pub(super) fn listen(
    reactor: &mut Reactor,
    sites: Vec<(ServiceName, Site)>,
    reply: &str,
) -> Result<Listening, Failure> {
    let reporter = reactor.add(Reporter::default());
    let mut listening = Listening { bound: Vec::new(), shared: Vec::new(), reporter };
    for (service, site) in sites {
        let mut serve = |reactor: &mut Reactor, make: &mut Make<'_>| {
            let counted = reactor.with(reporter, |reporter, _| reporter.count());
            let counts = counted.expect("it was added just now");
            match service {
                ServiceName::Pong => start(reactor, "pong", Pong::new(reply), counts, make),
                _ => start(reactor, "echo", Echo, counts, make),
            }
        };
        let (place, endpoints) = at(reactor, site, &mut serve)?;
        let shared = place.map(|place| Offer { service, place });
        listening.shared.extend(shared);
        listening.bound.extend(endpoints.into_iter().map(|endpoint| Bound { service, endpoint }));
    }
    Ok(listening)
}

/// Makes the socket of a service.
pub(super) type Make<'a> = dyn FnMut(&mut Context<'_>) -> Result<Id, echoloop::Error> + 'a;

/// Makes a service with a socket.
pub(super) type Serve<'a> =
    dyn FnMut(&mut Reactor, &mut Make<'_>) -> Result<Id, echoloop::Error> + 'a;

/// Serves there, on one socket or several. Returns where others can serve the same, and what is really bound.
pub(super) fn at(
    reactor: &mut Reactor,
    site: Site,
    serve: &mut Serve<'_>,
) -> Result<(Option<Place>, Vec<Endpoint>), Failure> {
    match site {
        Site::Endpoint(endpoint) => {
            let id = serve(reactor, &mut |cx| cx.listen(&endpoint))?;
            let bound = match (&endpoint, reactor.local(id)) {
                (Endpoint::Tcp { .. }, Some(Address::Ip(bound))) => Endpoint::tcp(bound),
                (Endpoint::Udp { .. }, Some(Address::Ip(bound))) => Endpoint::udp(bound),
                _ => return Ok((None, vec![endpoint])), // A path has room for one.
            };
            Ok((Some(Place::Endpoint(bound.clone())), vec![bound]))
        }
        Site::Passed(name, sockets) => {
            let on_each = |(socket, kind)| {
                serve_on(reactor, socket, kind, serve)
                    .map_err(|error| cannot_listen_on(&name, &describe(&*error)))
            };
            let bound = sockets.into_iter().map(on_each).collect::<Result<_, _>>()?;
            Ok((Some(Place::Systemd(name)), bound))
        }
    }
}

/// Serves on a socket that was passed.
fn serve_on(
    reactor: &mut Reactor,
    socket: OwnedFd,
    kind: Kind,
    serve: &mut Serve<'_>,
) -> Result<Endpoint, Failure> {
    let mut socket = Some(socket);
    let mut make = |cx: &mut Context<'_>| cx.listen_on(socket.take().expect("it is made once"));
    let id = serve(reactor, &mut make)?;
    let bound = reactor.local(id).and_then(|address| kind.endpoint(address));
    bound.ok_or_else(|| "its address can't be told".into())
}

/// Adds a service whose clients are counted, and shown in the log if it is read.
fn start<S: Service>(
    reactor: &mut Reactor,
    name: &'static str,
    inner: S,
    counts: Rc<Counts>,
    make: &mut Make<'_>,
) -> Result<Id, echoloop::Error> {
    match log::log_enabled!(log::Level::Debug) {
        true => reactor.serve(Counted { inner: Logged { inner, name }, counts }, make),
        false => reactor.serve(Counted { inner, counts }, make),
    }
}

/// Whether there is a descriptor for a client. A server that could never accept anybody must not say that it
/// listens.
pub(super) fn check_descriptors() -> io::Result<()> {
    let none = |error: io::Error| {
        let why = format!("cannot take a descriptor for a client: {}", describe(&error));
        io::Error::new(error.kind(), why)
    };
    // No file would do: in a container of nothing but us there is none.
    UnixDatagram::unbound().map(drop).map_err(none)
}

/// Says what is listened on, and what is not.
pub(super) fn announce(bound: &[Bound], passed: &Passed) {
    for name in passed.unused() {
        log::warn!(
            "nothing is served on the socket {name:?} that was passed: {SCHEME}{name} would"
        );
    }
    let text: String = bound.iter().map(|bound| format!("listening on {bound}\n")).collect();
    printer::say(&text);
}
