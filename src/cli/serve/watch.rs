//! Those who watch the workers: a service manager, scrapers, a screen.

use std::rc::Rc;

use echoloop::{Reactor, ServiceId};

use super::Args;
use super::crew::Crew;
use super::listen::{Failure, site};
use super::offer::{Bound, ServiceName};
use super::systemd::{self, Passed};
use super::{live, metrics};

/// Adds those that were asked for. Returns what is listened on for them.
pub(super) fn watch(
    reactor: &mut Reactor,
    crew: ServiceId<Crew>,
    args: &Args,
    passed: &mut Passed,
) -> Result<Vec<Bound>, Failure> {
    systemd::start(reactor, crew);
    let (room, mut bound) = (Rc::default(), Vec::new());
    for place in &args.metrics {
        let endpoints = metrics::listen(reactor, crew, &room, site(place, passed)?)?;
        let service = ServiceName::Metrics;
        bound.extend(endpoints.into_iter().map(|endpoint| Bound { service, endpoint }));
    }
    if args.live {
        live::start(reactor, crew)?;
    }
    Ok(bound)
}
