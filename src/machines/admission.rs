//! Which datagrams may be answered.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::values::Rate;

/// One for each of this many sources; those with the same hash share one. At about 48 bytes each
/// it is 192 KiB, however many sources are forged. Should all be in use at once, an innocent source
/// gets its part of a shared bucket, and all sources together 4096 times the rate.
const BUCKETS: usize = 4096;

/// Ports below this one belong to services of the system (RFC 6335 section 6): some of them answer
/// whatever comes, which is how two servers are set upon each other.
const FIRST_HIGH_PORT: u16 = 1024;

/// Holds `burst` tokens when it is full, and gains `per_second` of them a second.
///
/// ```text
///   now ◀───── slack: all tokens but one ─────▶│
///    │        full ▼        a token is left    │     no token is left: full lies beyond here
///    └─────────────┴───────────────────────────┴──────────────────▶ time
/// ```
///
/// The one thing to remember is when it will be full again: each token taken moves that moment on
/// by the time that a token takes to come.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    interval: Duration,
    slack: Duration,
    full: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Instant) -> TokenBucket {
        // Beyond one in a nanosecond nobody counts.
        let interval = Duration::from_secs(1) / rate.per_second.max(1);
        let interval = interval.max(Duration::from_nanos(1));
        TokenBucket { interval, slack: interval * (rate.burst.max(1) - 1), full: now }
    }

    /// Takes a token. `false` if there is none, which changes nothing.
    pub fn take(&mut self, now: Instant) -> bool {
        let left = self.full.saturating_duration_since(now) <= self.slack;
        if left {
            self.full = self.full.max(now) + self.interval;
        }
        left
    }

    /// From when on [`take`](TokenBucket::take) will succeed: `now`, or later.
    pub fn ready_at(&self, now: Instant) -> Instant {
        now + self.full.saturating_duration_since(now).saturating_sub(self.slack)
    }
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatagramRefusal {
    /// Its source port is 0: there is nowhere to answer to.
    PortZero,
    /// Its source is a group.
    Multicast,
    /// Its source is everybody on the network, or nobody.
    Broadcast,
    /// Its source is the socket that received it.
    OwnAddress,
    /// Its source port is the port that received it: likely another server of this kind.
    OwnPort,
    /// Its source port is below 1024: likely a server of another kind.
    LowPort,
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
            DatagramRefusal::LowPort => "source port is below 1024",
            DatagramRefusal::Rate => "source sends too often",
        })
    }
}

impl std::error::Error for DatagramRefusal {}

/// Decides which datagrams a socket answers, so that none of them, forged as its source may be,
/// can make a weapon of it: no two servers echo to each other for ever, and nobody is flooded.
///
/// Directed broadcast addresses (`192.168.1.255`) can't be told by looking: there the kernel
/// refuses to send, unless `SO_BROADCAST` is set (socket(7)). Don't set it.
#[derive(Debug)]
pub struct DatagramPolicy {
    bound: Option<SocketAddr>,
    low_ports: bool,
    limiter: Option<Limiter>,
}

impl DatagramPolicy {
    /// For a socket bound to `bound`, if that is known. `low_ports` admits source ports below
    /// 1024; `rate` bounds the answers to each source that isn't loopback, `None` doesn't.
    pub fn new(bound: Option<SocketAddr>, low_ports: bool, rate: Option<Rate>) -> DatagramPolicy {
        DatagramPolicy { bound, low_ports, limiter: rate.map(Limiter::new) }
    }

    /// Whether to answer a datagram that came from `from` and was sent to our address `asked`,
    /// which is known, and needed, on a wildcard bind only. An IPv4 address in IPv6 clothes is
    /// the IPv4 address.
    ///
    /// # Errors
    ///
    /// The first reason not to. Only a datagram without any other takes a token from its source.
    pub fn admit(
        &mut self,
        from: SocketAddr,
        asked: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), DatagramRefusal> {
        self.check(from, asked)?;
        if self.take(from.ip(), now) { Ok(()) } else { Err(DatagramRefusal::Rate) }
    }

    /// The part of [`admit`](DatagramPolicy::admit) that is the same for all datagrams of a source.
    ///
    /// # Errors
    ///
    /// The first reason not to answer.
    #[inline]
    pub fn check(&self, from: SocketAddr, asked: Option<IpAddr>) -> Result<(), DatagramRefusal> {
        let (ip, port) = (from.ip().to_canonical(), from.port());
        if port == 0 {
            return Err(DatagramRefusal::PortZero);
        }
        if ip.is_multicast() {
            return Err(DatagramRefusal::Multicast);
        }
        if ip.is_unspecified() || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast()) {
            return Err(DatagramRefusal::Broadcast);
        }
        if let Some(bound) = self.bound.filter(|bound| bound.port() == port) {
            let own = asked.unwrap_or(bound.ip()).to_canonical();
            let refusal = DatagramRefusal::OwnAddress;
            return Err(if ip == own { refusal } else { DatagramRefusal::OwnPort });
        }
        if port < FIRST_HIGH_PORT && !self.low_ports {
            return Err(DatagramRefusal::LowPort);
        }
        Ok(())
    }

    /// Whether there is another part: a rate that counts for this source.
    #[inline]
    pub fn limits(&self, ip: IpAddr) -> bool {
        self.limiter.is_some() && !ip.to_canonical().is_loopback()
    }

    /// The other part: takes a token from a source. `false`: it sends too often.
    pub fn take(&mut self, ip: IpAddr, now: Instant) -> bool {
        !self.limits(ip) || self.limiter.as_mut().is_none_or(|limiter| limiter.take(ip, now))
    }
}

/// A bucket for each source, in a table that doesn't grow.
#[derive(Debug)]
struct Limiter {
    rate: Rate,
    /// Keyed, so that nobody can choose whom to share a bucket with.
    hasher: RandomState,
    /// Empty until the first source comes: most servers only ever see loopback.
    buckets: Vec<TokenBucket>,
}

impl Limiter {
    fn new(rate: Rate) -> Limiter {
        Limiter { rate, hasher: RandomState::new(), buckets: Vec::new() }
    }

    fn take(&mut self, ip: IpAddr, now: Instant) -> bool {
        if self.buckets.is_empty() {
            self.buckets = vec![TokenBucket::new(self.rate, now); BUCKETS];
        }
        let bucket = self.hasher.hash_one(source_key(ip)) as usize % BUCKETS;
        self.buckets[bucket].take(now)
    }
}

/// See [`source_key`].
pub(crate) type SourceKey = (bool, u64);

/// What counts as one source. An IPv6 host has a whole /64 to itself (RFC 4291 section 2.5.4).
pub(crate) fn source_key(ip: IpAddr) -> SourceKey {
    match ip.to_canonical() {
        IpAddr::V4(v4) => (false, v4.to_bits().into()),
        IpAddr::V6(v6) => (true, (v6.to_bits() >> 64) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RATE: Rate = Rate { per_second: 10, burst: 2 };

    /// What a socket bound to `bound` says to a datagram from `from`.
    fn verdict(bound: &str, from: &str, asked: Option<&str>) -> Result<(), DatagramRefusal> {
        let asked = asked.map(|ip| ip.parse().unwrap());
        let mut policy = DatagramPolicy::new(Some(bound.parse().unwrap()), false, None);
        policy.admit(from.parse().unwrap(), asked, Instant::now())
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
    fn low_ports_can_be_switched_on() {
        let mut policy = DatagramPolicy::new(None, true, None);
        assert_eq!(policy.admit("192.0.2.1:53".parse().unwrap(), None, Instant::now()), Ok(()));
    }

    #[test]
    fn each_source_has_its_rate_whatever_its_ports() {
        let (mut policy, now) = (DatagramPolicy::new(None, false, Some(RATE)), Instant::now());
        let mut admits = |from: &str| policy.admit(from.parse().unwrap(), None, now);
        for same in [
            ["192.0.2.1:5001", "[::ffff:192.0.2.1]:5002", "192.0.2.1:5003"],
            ["[2001:db8::1]:5001", "[2001:db8::2]:5001", "[2001:db8::3:3:3:3]:5001"],
        ] {
            assert_eq!(same.map(&mut admits), [Ok(()), Ok(()), Err(DatagramRefusal::Rate)]);
        }
    }

    #[test]
    fn loopback_has_no_rate_and_no_table() {
        let (mut policy, now) = (DatagramPolicy::new(None, false, Some(RATE)), Instant::now());
        for from in ["127.0.0.1:5000", "[::1]:5000", "[::ffff:127.0.0.1]:5000"].repeat(10) {
            assert_eq!(policy.admit(from.parse().unwrap(), None, now), Ok(()));
        }
        assert_eq!(policy.limiter.as_ref().unwrap().buckets.capacity(), 0);
    }

    #[test]
    fn forged_sources_neither_grow_the_table_nor_get_more_than_it_gives() {
        let (mut policy, now) = (DatagramPolicy::new(None, false, Some(RATE)), Instant::now());
        let admitted = (0..100_000u32)
            .map(|n| SocketAddr::from(((0x0a00_0000 + n).to_be_bytes(), 5000)))
            .filter(|&from| policy.admit(from, None, now).is_ok())
            .count();
        assert_eq!(admitted, BUCKETS * 2); // Every bucket empty: its burst, and no more.
        assert_eq!(policy.limiter.as_ref().unwrap().buckets.len(), BUCKETS);
        assert!(size_of::<TokenBucket>() <= 48);
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(RATE, start);
        assert_eq!(bucket.ready_at(start), start);
        assert_eq!([(); 3].map(|()| bucket.take(start)), [true, true, false]);

        let ready = bucket.ready_at(start);
        assert_eq!(ready, start + SECOND / 10);
        assert!(!bucket.take(ready - Duration::from_nanos(1)));
        assert!(bucket.take(ready) && !bucket.take(ready));

        // However long the pause, it overflows at its burst.
        let later = start + 3600 * SECOND;
        assert_eq!([(); 3].map(|()| bucket.take(later)), [true, true, false]);
        let in_a_second = (0..1000).filter(|&ms| bucket.take(later + ms * SECOND / 1000)).count();
        assert_eq!(in_a_second, 9); // At 100, 200, ... 900 ms.
    }

    #[test]
    fn no_rate_is_too_extreme() {
        let now = Instant::now();
        for (per_second, burst) in [(0, 0), (0, u32::MAX), (u32::MAX, 0), (u32::MAX, u32::MAX)] {
            let mut bucket = TokenBucket::new(Rate { per_second, burst }, now);
            assert!(bucket.take(now));
            assert!(bucket.ready_at(now) >= now);
        }
    }
}
