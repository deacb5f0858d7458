//! What is served, and where.

use std::fmt;
use std::str::FromStr;

use echoloop::Endpoint;

use super::systemd::{SCHEME, check_name};
use crate::cli::endpoint::endpoint_or;

/// A service and where it is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) service: ServiceName,
    pub(crate) place: Place,
}

/// What can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceName {
    Echo,
    Pong,
    /// What is served beside them, to those who watch.
    Metrics,
}

/// Where something is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a socket of our own.
    Endpoint(Endpoint),
    /// On the sockets that systemd has passed under this name.
    Systemd(String),
}

impl FromStr for Offer {
    type Err = String;

    fn from_str(text: &str) -> Result<Offer, String> {
        let Some((service, place)) = text.split_once('=') else {
            return Err("expected SERVICE=ENDPOINT, such as echo=tcp://127.0.0.1:8888".to_string());
        };
        let service = match service {
            "echo" => ServiceName::Echo,
            "pong" => ServiceName::Pong,
            "metrics" => return Err(format!("metrics are served by --metrics {place}")),
            _ => return Err(format!("unknown service \"{service}\", expected echo or pong")),
        };
        Ok(Offer { service, place: place.parse()? })
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        match text.strip_prefix(SCHEME) {
            Some(name) => {
                check_name(name).map_err(|why| format!("{text:?}: {why}"))?;
                Ok(Place::Systemd(name.to_owned()))
            }
            None => endpoint_or(text, "tcp, udp, unix, unixgram or systemd").map(Place::Endpoint),
        }
    }
}

impl ServiceName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ServiceName::Echo => "echo",
            ServiceName::Pong => "pong",
            ServiceName::Metrics => "metrics",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A service, and the endpoint that it has really bound.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) service: ServiceName,
    pub(crate) endpoint: Endpoint,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.service, self.endpoint)
    }
}
