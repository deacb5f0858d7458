//! Whether there are descriptors, ports and addresses enough, before anything begins.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use echoloop::Endpoint;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::load::Load;
use super::words::count;

/// Descriptors beyond the connections: standard streams, files, and a few for each worker's reactor.
const BESIDES: u64 = 24;
const EACH_WORKER: u64 = 4;

/// How long an address of a host with several may take to answer.
const TRIAL: Duration = Duration::from_secs(3);

/// Raises the descriptor limit as far as it is needed; says what would run out, and how much of it
/// is needed.
pub(super) fn check(load: &Load) -> Result<(), String> {
    descriptors(load)?;
    ports(load)?;
    for &ip in &load.bind {
        TcpListener::bind((ip, 0))
            .map_err(|error| format!("cannot connect from {ip}: {}", echoloop::describe(&error)))?;
    }
    Ok(())
}

fn descriptors(load: &Load) -> Result<(), String> {
    let needed = load.connections as u64 + BESIDES + EACH_WORKER * load.workers as u64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(|_| {
        format!(
            "{} connections need {} file descriptors, and the hard limit is {}: see ulimit -Hn",
            count(load.connections as f64),
            count(needed as f64),
            limit.maximum.map_or("lower".to_owned(), |maximum| count(maximum as f64)),
        )
    })
}

fn ports(load: &Load) -> Result<(), String> {
    let ip = matches!(load.endpoint, Endpoint::Tcp { .. } | Endpoint::Udp { .. });
    let Some((first, last)) = port_range().filter(|_| ip) else { return Ok(()) };
    let each = u64::from(last.saturating_sub(first)) + 1;
    let addresses = load.bind.len().max(1) as u64;
    let connections = load.connections as u64;
    if connections <= each * addresses {
        return Ok(());
    }
    Err(format!(
        "{} connections need as many local ports, and {} local address{} {} ({first}-{last}, \
         ip_local_port_range): give {} with --bind, such as 127.0.0.2-127.0.0.{}",
        count(connections as f64),
        if addresses == 1 { "one".to_owned() } else { addresses.to_string() },
        if addresses == 1 { " has" } else { "es have" },
        count((each * addresses) as f64),
        connections.div_ceil(each),
        connections.div_ceil(each) + 1,
    ))
}

/// The ports that the kernel chooses from, ip(7). Linux; elsewhere it is unknown.
fn port_range() -> Option<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ports = text.split_whitespace().map(str::parse);
    Some((ports.next()?.ok()?, ports.next()?.ok()?))
}

/// The endpoint with an address for its host name, so that no name is looked up while time counts. Of
/// several addresses, the first where somebody listens.
pub(super) fn resolved(endpoint: &Endpoint) -> io::Result<Endpoint> {
    let (scheme, stream) = match endpoint {
        Endpoint::Tcp { .. } => ("tcp", true),
        Endpoint::Udp { .. } => ("udp", false),
        _ => return Ok(endpoint.clone()),
    };
    let addresses = endpoint.resolve()?;
    let answers = |address: &&SocketAddr| TcpStream::connect_timeout(address, TRIAL).is_ok();
    let chosen = match &addresses[..] {
        [_, _, ..] if stream => addresses.iter().find(answers),
        _ => None,
    };
    let address = chosen.unwrap_or(&addresses[0]);
    format!("{scheme}://{address}").parse().map_err(io::Error::other)
}
