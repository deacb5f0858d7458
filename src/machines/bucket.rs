//! How often something may happen.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::values::{Address, Rate};

/// One for each of this many sources; those with the same hash share one. At about 48 bytes each
/// it is 192 KiB, however many sources are forged. Should all be in use at once, an innocent source
/// gets its part of a shared bucket, and all sources together 4096 times the rate.
const BUCKETS: usize = 4096;

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

/// A bucket for each source, in a table that doesn't grow.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate: Rate,
    /// Keyed, so that no source can choose which one to share a bucket with.
    hasher: RandomState,
    /// Empty until the first source comes: most servers only ever see loopback.
    buckets: Vec<TokenBucket>,
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Limiter {
        Limiter { rate, hasher: RandomState::new(), buckets: Vec::new() }
    }

    /// Takes a token from a source. `false`: it sends too often.
    pub(crate) fn take(&mut self, source: &Address, now: Instant) -> bool {
        if self.buckets.is_empty() {
            self.buckets = vec![TokenBucket::new(self.rate, now); BUCKETS];
        }
        let bucket = match source {
            // Whoever is on this host has all of 127.0.0.0/8 (RFC 1122 section 3.2.1.3).
            Address::Ip(address) if address.ip().to_canonical().is_loopback() => {
                self.hasher.hash_one(source_key(Ipv4Addr::LOCALHOST.into()))
            }
            Address::Ip(address) => self.hasher.hash_one(source_key(address.ip())),
            Address::Unix(name) => self.hasher.hash_one(name),
            Address::Mem(name) => self.hasher.hash_one(name),
        };
        self.buckets[bucket as usize % BUCKETS].take(now)
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
    use crate::values::UnixName;

    const SECOND: Duration = Duration::from_secs(1);
    const RATE: Rate = Rate { per_second: 10, burst: 2 };

    #[test]
    fn each_source_has_its_rate_whatever_its_ports() {
        let (mut limiter, now) = (Limiter::new(RATE), Instant::now());
        let mut takes = |from: &str| limiter.take(&Address::Ip(from.parse().unwrap()), now);
        for same in [
            ["192.0.2.1:5001", "[::ffff:192.0.2.1]:5002", "192.0.2.1:5003"],
            ["[2001:db8::1]:5001", "[2001:db8::2]:5001", "[2001:db8::3:3:3:3]:5001"],
            ["127.0.0.1:5001", "127.1.2.3:5001", "[::ffff:127.0.0.2]:5001"],
        ] {
            assert_eq!(same.map(&mut takes), [true, true, false]);
        }
        let name = Address::Unix(UnixName::new(b"/run/client").unwrap());
        assert_eq!([(); 3].map(|()| limiter.take(&name, now)), [true, true, false]);
    }

    /// What counts is the network of an IPv6 address, and not the host in it.
    #[test]
    fn sources_are_told_apart_by_their_networks() {
        let key = |ip: &str| source_key(ip.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::2:3:4:5"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_ne!(key("::1"), key("0.0.0.0"));
    }

    #[test]
    #[cfg(not(miri))] // Fewer would not reach every bucket, and interpreted these take minutes.
    fn forged_sources_neither_grow_the_table_nor_get_more_than_it_gives() {
        let (mut limiter, now) = (Limiter::new(RATE), Instant::now());
        assert_eq!(limiter.buckets.capacity(), 0);
        let admitted = (0..100_000u32)
            .map(|n| Address::Ip(((0x0a00_0000 + n).to_be_bytes(), 5000).into()))
            .filter(|from| limiter.take(from, now))
            .count();
        assert_eq!(admitted, BUCKETS * 2); // Every bucket empty: its burst, and no more.
        assert_eq!(limiter.buckets.len(), BUCKETS);
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
