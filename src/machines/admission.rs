//! Which datagrams may be answered.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::bucket::Limiter;
use super::own::OwnSockets;
use crate::values::{Address, Cast, Config, Peer};

/// Ports below this one belong to services of the system (RFC 6335 section 6): some of them answer
/// whatever comes, which is how two servers are set upon each other.
const FIRST_HIGH_PORT: u16 = 1024;

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatagramRefusal {
    /// Its source port is 0: there is nowhere to answer to.
    PortZero,
    /// Its source is a group.
    Multicast,
    /// Its source is all hosts of the network, or none.
    Broadcast,
    /// Its source is the socket that received it.
    OwnAddress,
    /// Its source port is the port that received it: likely another server of this kind.
    OwnPort,
    /// Its source is another bound socket of the same reactor, which may answer the answer.
    OwnSocket,
    /// Its source port is below 1024: likely a server of another kind.
    LowPort,
    /// Its source is a relative path, which in our directory is another socket or none.
    RelativeName,
    /// It was sent to a group: others may answer it too.
    ToMulticast,
    /// It was sent to all hosts of the network: others may answer it too.
    ToBroadcast,
    /// Its source has had as many answers as it may have for now.
    Rate,
}

impl fmt::Display for DatagramRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DatagramRefusal::PortZero => "source port is 0",
            DatagramRefusal::Multicast => "source is a multicast address",
            DatagramRefusal::Broadcast => "source is a broadcast or unspecified address",
            DatagramRefusal::OwnAddress => "source is our own address",
            DatagramRefusal::OwnPort => "source port is our own",
            DatagramRefusal::OwnSocket => "source is another socket of ours",
            DatagramRefusal::LowPort => "source port is below 1024",
            DatagramRefusal::RelativeName => "source is a relative path",
            DatagramRefusal::ToMulticast => "it was sent to a multicast address",
            DatagramRefusal::ToBroadcast => "it was sent to a broadcast address",
            DatagramRefusal::Rate => "source sends too often",
        })
    }
}

impl std::error::Error for DatagramRefusal {}

/// Decides which datagrams the bound sockets of a reactor answer, so that none of them, forged as its
/// source may be, can make a weapon of it: no two servers echo to each other for ever, and no host is
/// flooded.
///
/// As sources, directed broadcast addresses (`192.168.1.255`) can't be told by looking: there the kernel
/// refuses to send, unless `SO_BROADCAST` is set (socket(7)). Don't set it.
///
/// ```
/// use echoloop::{Address, Cast, Config, DatagramPolicy, DatagramRefusal, Peer};
/// use std::net::SocketAddr;
/// use std::time::Instant;
///
/// let (echo, pong) = ("0.0.0.0:7".parse::<SocketAddr>()?, "127.0.0.1:8889".parse::<SocketAddr>()?);
/// let mut policy = DatagramPolicy::new(&Config::default());
/// policy.bound(Address::from(echo));
/// policy.bound(Address::from(pong));
///
/// let verdict = policy.admit(&echo.into(), &Peer::from(pong), Cast::Unicast, Instant::now());
/// assert_eq!(verdict, Err(DatagramRefusal::OwnSocket));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct DatagramPolicy {
    privileged_ports: bool,
    multicast: bool,
    own_sockets: bool,
    own: OwnSockets,
    /// For sources that aren't on this machine.
    beyond: Option<Limiter>,
    local: Option<Limiter>,
}

impl DatagramPolicy {
    /// For the sockets of a reactor with this configuration, of which there are none yet. What counts is
    /// [`privileged_ports`](Config::privileged_ports), [`multicast`](Config::multicast),
    /// [`own_sockets`](Config::own_sockets), [`datagram_rate`](Config::datagram_rate) and
    /// [`datagram_rate_local`](Config::datagram_rate_local).
    pub fn new(config: &Config) -> DatagramPolicy {
        DatagramPolicy {
            privileged_ports: config.privileged_ports,
            multicast: config.multicast,
            own_sockets: config.own_sockets,
            own: OwnSockets::default(),
            beyond: config.datagram_rate.map(Limiter::new),
            local: config.datagram_rate_local.map(Limiter::new),
        }
    }

    /// A socket has been bound to this address.
    pub fn bound(&mut self, address: Address) {
        self.own.add(address);
    }

    /// A socket that was bound to this address has gone.
    pub fn gone(&mut self, address: &Address) {
        self.own.remove(address);
    }

    /// Whether the socket that is bound to `own` is to answer a datagram that came `from` there, sent to
    /// it alone or to many. An IPv4 address in IPv6 clothes is the IPv4 address.
    ///
    /// # Errors
    ///
    /// The first reason not to. Only a datagram without any other takes a token from its source.
    pub fn admit(
        &mut self,
        own: &Address,
        from: &Peer,
        cast: Cast,
        now: Instant,
    ) -> Result<(), DatagramRefusal> {
        self.check(own, from, cast)?;
        if self.take(&from.address, now) { Ok(()) } else { Err(DatagramRefusal::Rate) }
    }

    /// The part of [`admit`](DatagramPolicy::admit) that is the same for all datagrams of a source.
    ///
    /// # Errors
    ///
    /// The first reason not to answer.
    #[inline]
    pub fn check(&self, own: &Address, from: &Peer, cast: Cast) -> Result<(), DatagramRefusal> {
        match (own, &from.address) {
            (Address::Ip(own), Address::Ip(source)) => self.check_ip(own, source, from, cast),
            (_, source) => self.check_name(own, source),
        }
    }

    #[inline]
    fn check_ip(
        &self,
        own: &SocketAddr,
        source: &SocketAddr,
        from: &Peer,
        cast: Cast,
    ) -> Result<(), DatagramRefusal> {
        let (ip, port) = (source.ip().to_canonical(), source.port());
        if port == 0 {
            return Err(DatagramRefusal::PortZero);
        }
        if ip.is_multicast() {
            return Err(DatagramRefusal::Multicast);
        }
        if ip.is_unspecified() || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast()) {
            return Err(DatagramRefusal::Broadcast);
        }
        if port == own.port() {
            let asked = from.local.map_or(own.ip(), |local| local.ip).to_canonical();
            let refusal = DatagramRefusal::OwnAddress;
            return Err(if ip == asked { refusal } else { DatagramRefusal::OwnPort });
        }
        if port < FIRST_HIGH_PORT && !self.privileged_ports {
            return Err(DatagramRefusal::LowPort);
        }
        if !self.own_sockets && self.own.has_ip(ip, port) {
            return Err(DatagramRefusal::OwnSocket);
        }
        match cast {
            Cast::Unicast => Ok(()),
            _ if self.multicast => Ok(()),
            Cast::Multicast => Err(DatagramRefusal::ToMulticast),
            Cast::Broadcast => Err(DatagramRefusal::ToBroadcast),
        }
    }

    fn check_name(&self, own: &Address, source: &Address) -> Result<(), DatagramRefusal> {
        if source == own {
            return Err(DatagramRefusal::OwnAddress);
        }
        match source {
            Address::Unix(name) if name.is_relative() => Err(DatagramRefusal::RelativeName),
            Address::Unix(name) if !self.own_sockets && self.own.has_name(name) => {
                Err(DatagramRefusal::OwnSocket)
            }
            _ => Ok(()),
        }
    }

    /// Whether there is another part: a rate that counts for this source.
    #[inline]
    pub fn limits(&self, source: &Address) -> bool {
        if is_local(source) { self.local.is_some() } else { self.beyond.is_some() }
    }

    /// The other part: takes a token from a source. `false`: it sends too often.
    pub fn take(&mut self, source: &Address, now: Instant) -> bool {
        let limiter = if is_local(source) { &mut self.local } else { &mut self.beyond };
        limiter.as_mut().is_none_or(|limiter| limiter.take(source, now))
    }
}

/// Whether only a process on this machine can send from there.
#[inline]
fn is_local(source: &Address) -> bool {
    source.ip().is_none_or(|ip| ip.to_canonical().is_loopback())
}

/// How many bytes a datagram has on an Ethernet, to or from this peer: with its headers (RFC 791, RFC 768,
/// RFC 8200), the frame's own 18, preamble and gap; a short packet is filled up to 46. So that whoever sends
/// less of these than it got hits no host harder, into however many datagrams it is split. Where a long one
/// travels in fragments, each further datagram counts for more than the further fragment that it may need.
#[inline]
pub(crate) fn on_the_wire(payload: usize, peer: &Peer) -> usize {
    const FRAME: usize = 38;
    const SHORTEST: usize = 46;

    let headers = match peer.address {
        Address::Ip(SocketAddr::V6(address)) if address.ip().to_ipv4_mapped().is_none() => 48,
        _ => 28,
    };
    (payload + headers).max(SHORTEST) + FRAME
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{Local, Rate, UnixName};

    fn address(text: &str) -> Address {
        match text.parse() {
            Ok(address) => Address::Ip(address),
            Err(_) => Address::Unix(UnixName::new(text.as_bytes()).unwrap()),
        }
    }

    fn peer(from: &str, asked: Option<&str>) -> Peer {
        let local = asked.map(|ip| Local { ip: ip.parse().unwrap(), interface: 0 });
        Peer { address: address(from), local }
    }

    /// What a socket bound to `bound` says to a datagram from `from`.
    fn verdict(bound: &str, from: &str, asked: Option<&str>) -> Result<(), DatagramRefusal> {
        let mut policy = DatagramPolicy::new(&Config::default());
        policy.bound(address(bound));
        policy.check(&address(bound), &peer(from, asked), Cast::Unicast)
    }

    #[test]
    fn sources_that_could_make_a_weapon_of_us_are_refused() {
        use DatagramRefusal::*;

        for (from, refusal) in [
            ("192.0.2.1:0", PortZero),
            ("224.0.0.1:5000", Multicast),
            ("[ff02::1]:5000", Multicast),
            ("[::ffff:224.0.0.1]:5000", Multicast),
            ("255.255.255.255:5000", Broadcast),
            ("[::ffff:255.255.255.255]:5000", Broadcast),
            ("0.0.0.0:5000", Broadcast),
            ("[::]:5000", Broadcast),
            ("192.0.2.9:8888", OwnAddress),
            ("[::ffff:192.0.2.9]:8888", OwnAddress),
            ("192.0.2.1:8888", OwnPort),
            ("127.0.0.1:8888", OwnPort),
            ("192.0.2.1:19", LowPort),
            ("127.0.0.1:1023", LowPort),
        ] {
            assert_eq!(verdict("192.0.2.9:8888", from, None), Err(refusal), "{from}");
        }
        for from in ["192.0.2.1:1024", "192.0.2.9:8889", "[2001:db8::1]:65535"] {
            assert_eq!(verdict("192.0.2.9:8888", from, None), Ok(()), "{from}");
        }
        assert_eq!(verdict("/run/own", "/run/own", None), Err(OwnAddress));
        assert_eq!(verdict("/run/own", "client", None), Err(RelativeName));
        assert_eq!(verdict("own", "own", None), Err(OwnAddress));
        for from in ["/run/client", "\0client", ""] {
            assert_eq!(verdict("/run/own", from, None), Ok(()), "{from:?}");
        }
    }

    #[test]
    fn on_a_wildcard_bind_our_address_is_the_one_that_was_asked() {
        let own = Err(DatagramRefusal::OwnAddress);
        assert_eq!(verdict("0.0.0.0:8888", "192.0.2.9:8888", Some("192.0.2.9")), own);
        assert_eq!(verdict("[::]:8888", "[::ffff:192.0.2.9]:8888", Some("192.0.2.9")), own);
        assert_eq!(verdict("[::]:8888", "192.0.2.9:8888", Some("::ffff:192.0.2.9")), own);
        // Not told which it was, the port alone is reason enough.
        let port = Err(DatagramRefusal::OwnPort);
        assert_eq!(verdict("0.0.0.0:8888", "192.0.2.9:8888", None), port);
    }

    #[test]
    fn what_is_refused_can_be_switched_on() {
        let (echo, pong) = (address("192.0.2.9:8888"), address("192.0.2.9:8889"));
        let verdicts = |config: Config| {
            let mut policy = DatagramPolicy::new(&config);
            policy.bound(echo);
            policy.bound(pong);
            policy.bound(address("/run/own"));
            [
                policy.check(&echo, &peer("192.0.2.1:53", None), Cast::Unicast),
                policy.check(&echo, &peer("192.0.2.1:5000", None), Cast::Multicast),
                policy.check(&echo, &peer("192.0.2.1:5000", None), Cast::Broadcast),
                policy.check(&echo, &Peer::from(pong), Cast::Unicast),
                policy.check(&address("/run/other"), &peer("/run/own", None), Cast::Unicast),
            ]
        };
        use DatagramRefusal::*;
        let refusals = [LowPort, ToMulticast, ToBroadcast, OwnSocket, OwnSocket];
        assert_eq!(verdicts(Config::default()), refusals.map(Err));
        let on = Config {
            privileged_ports: true,
            multicast: true,
            own_sockets: true,
            ..Config::default()
        };
        assert_eq!(verdicts(on), [Ok(()); 5]);
    }

    /// Who is refused takes no token from anybody; and the address of a socket that has gone is somebody else's.
    #[test]
    fn a_verdict_has_two_parts_in_this_order() {
        let now = Instant::now();
        let rate = Some(Rate { per_second: 1, burst: 1 });
        let mut policy = DatagramPolicy::new(&Config { datagram_rate: rate, ..Config::default() });
        let (echo, pong) = (address("192.0.2.9:8888"), address("192.0.2.9:8889"));
        policy.bound(echo);
        policy.bound(pong);
        let from_pong =
            |policy: &mut DatagramPolicy| policy.admit(&echo, &pong.into(), Cast::Unicast, now);
        assert_eq!(from_pong(&mut policy), Err(DatagramRefusal::OwnSocket));
        policy.gone(&pong);
        assert_eq!(from_pong(&mut policy), Ok(()));
        assert_eq!(from_pong(&mut policy), Err(DatagramRefusal::Rate));
    }

    #[test]
    fn sources_on_this_machine_have_a_rate_of_their_own_and_by_default_none() {
        let now = Instant::now();
        let rate = Some(Rate { per_second: 1, burst: 1 });
        let takes = |config: &Config, from: &str| {
            let mut policy = DatagramPolicy::new(config);
            let twice = [(); 2].map(|()| policy.take(&address(from), now));
            assert_eq!(policy.limits(&address(from)), twice != [true; 2]);
            twice
        };
        let beyond = Config { datagram_rate: rate, ..Config::default() };
        let both = Config { datagram_rate_local: rate, ..beyond.clone() };
        for from in ["127.0.0.1:5000", "[::1]:5000", "[::ffff:127.0.0.1]:5000", "/run/x", ""] {
            assert_eq!((takes(&beyond, from), takes(&both, from)), ([true; 2], [true, false]));
        }
        assert_eq!(takes(&beyond, "192.0.2.1:5000"), [true, false]);
        assert_eq!(takes(&Config { datagram_rate: None, ..both }, "192.0.2.1:5000"), [true; 2]);
    }

    #[test]
    fn what_goes_on_the_wire_has_a_frame_and_headers() {
        let (v4, v6) = (peer("192.0.2.1:1", None), peer("[2001:db8::1]:1", None));
        let mapped = peer("[::ffff:192.0.2.1]:1", None);
        let sizes = |payload| [&v4, &v6, &mapped].map(|peer| on_the_wire(payload, peer));
        assert_eq!((sizes(0), sizes(18), sizes(19)), ([84, 86, 84], [84, 104, 84], [85, 105, 85]));
    }
}
