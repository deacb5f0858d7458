//! Every number of the library, with its reason and what happens when it is reached.

use std::net::IpAddr;
use std::time::Duration;

use super::{KeepAlive, Prefix, Rate, ReusePort};

/// The most bytes that a connection may keep in each direction beyond the total of
/// [`Config::buffer_limit`], so that healthy connections are served while others use the total up. One
/// page: it holds most messages, and 20,000 connections of two are 160 MB.
pub(crate) const RESERVE: usize = 4096;

/// How long a listener waits before it tries again after `accept` found no free descriptor. The
/// next source that closes wakes it earlier; this is for descriptors that others of the process
/// hold. Ten tries a second cost nothing, and a client notices no tenth of a second in a backlog.
pub(crate) const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// So many times in one turn a listener looks before it calls accept(2) once more. An accept(2) that
/// finds no client has made a descriptor and an inode in vain: measured, 3.4 µs; poll(2) says the same in 0.3.
/// A listener that finds a crowd stops looking, and finds none at the end.
pub(crate) const ACCEPT_LOOKS: usize = 4;

/// How long an outgoing connection to a Unix socket waits before it tries again when the backlog of
/// the listener is full: connect(2) says `EAGAIN` there, and no event tells when there is room.
pub(crate) const DIAL_RETRY: Duration = Duration::from_millis(10);

/// How long an attempt to connect has for itself before the next address of the name is tried beside it.
/// What RFC 8305 section 5 recommends: longer than most answers take, and hardly noticed by whoever waits.
pub(crate) const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// So many addresses of a name are tried, the others are left out. Each may hold a descriptor, and if none
/// of them answers, the last one begins after 4 s.
pub(crate) const MOST_ADDRESSES: usize = 16;

/// So many names are looked up at the same time, by as many threads, which end when nothing is left to
/// look up. The system's resolver may take half a minute for a name whose servers are dead, resolv.conf(5);
/// with so many threads a few of those don't delay the others. A sleeping thread is some 20 KiB.
pub(crate) const LOOKUP_THREADS: usize = 16;

/// So many names may wait for a thread. One more is refused.
pub(crate) const LOOKUPS_WAITING: usize = 1024;

/// So many datagrams are kept for a peer whose name is being looked up: one batch. Those beyond are
/// dropped, and counted.
pub(crate) const EARLY_DATAGRAMS: usize = 32;

/// So many times a server that starts on the path of a Unix socket opens the lock anew because another
/// one has removed it meanwhile. Each time is the end of another server, so this many in a row are no
/// coincidence.
pub(crate) const LOCK_TRIES: usize = 100;

/// How often a stopping reactor looks at what no event tells of: whether a peer's kernel has acknowledged
/// all, whether a listener stands still. Unnoticed by who waits for the stop, and a hundred looks a
/// second cost nothing.
pub(crate) const STOP_CHECK: Duration = Duration::from_millis(10);

/// What a step of a connection is charged at least, in bytes of its share, however few it moved: calling a
/// service and the system takes as long as copying some of them.
pub(crate) const CALL_COST: usize = 1024;

/// How many commands of other threads are run in one turn at most, if they don't use up a [`SLICE`] before.
/// The others wait for the next, which doesn't sleep.
pub(crate) const COMMANDS_PER_SHARE: usize = 64;

/// What a source may use and still be served before those that use more: in one go, and, halved with each
/// [`EPOCH`], lately. Some 5 µs of copying. A message counts as 64 bytes at least, so whoever sends small
/// ones may send 32,000 a second.
pub(crate) const SPARSE: usize = 16 * 1024;

/// How long a debt takes to be halved, at least: as long as it takes each of those who are in debt to
/// have its go, if that is longer.
pub(crate) const EPOCH: Duration = Duration::from_millis(4);

/// How long those who use more have their gos before the poll is asked for newcomers; and as long for
/// commands, timers and tells, if there are crowds of them. Asking takes a hundredth of it. The call that is
/// on when it is over is not cut short.
pub(crate) const SLICE: Duration = Duration::from_micros(50);

/// What accepting a connection is charged, in bytes, and receiving a datagram at least.
pub(crate) const ACCEPT_COST: usize = 4096;
pub(crate) const DATAGRAM_COST: usize = 64;

/// The least time between two log lines about the same kind of trouble.
pub(crate) const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// The most bytes of a header by which a proxy tells for whom it speaks. One page, as nginx has it: addresses
/// have 216 at most, the rest is for extensions. A longer one closes the connection.
pub(crate) const PROXY_HEADER: usize = RESERVE;

/// The most datagrams that one receive call brings, recvmmsg(2). More saves less than a hundredth.
pub(crate) const DATAGRAM_BATCH: usize = 32;

/// Bytes that lie between the two ends of a stream in memory, each way; [`Config::send_buffer`] says
/// otherwise. As much as one read brings by default: more would never be taken at once, less would cost
/// another turn. When it is reached, the writer keeps what is left and waits for the reader, as ever. An empty
/// one owns no memory.
pub(crate) const MEM_STREAM: usize = 64 * 1024;

/// The longest datagram in memory: no protocol has a longer one, UDP less by its own header and that of IP.
pub(crate) const MEM_DATAGRAM: usize = 65_535;

/// Bytes that wait at a datagram socket in memory; [`Config::receive_buffer`] says otherwise. About as much as
/// Linux gives a UDP socket (`net.core.rmem_default`): three of the longest, or 800 short ones. What doesn't
/// fit is dropped, and counted with the sender.
pub(crate) const MEM_MAILBOX: usize = 208 * 1024;

/// What a datagram takes up there beside its bytes, so that empty ones have a bound too.
pub(crate) const MEM_OVERHEAD: usize = 256;

/// What a reactor may use, and how it treats its sockets. Made with [`Config::default`] and changed
/// field by field.
///
/// ```
/// use echoloop::Config;
/// use std::time::Duration;
///
/// let config = Config { idle_timeout: Some(Duration::from_secs(60)), ..Config::default() };
/// # assert!(config.nodelay);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The most accepted connections at once; at least 1. Default `None`: what the descriptor limit
    /// allows. When it is reached, clients wait in the backlog until a connection closes.
    pub connections: Option<usize>,

    /// The most accepted connections at once from one source; at least 1. Default `None`: no limit. One
    /// more is closed as soon as it is accepted, and counted. A source is an IPv4 address, in IPv6
    /// clothes too, or an IPv6 /64, which is what one host has to itself (RFC 4291 section 2.5.4).
    pub connections_per_source: Option<u32>,

    /// How many connections are accepted a second, all listeners together. Default `None`: no
    /// limit. The others wait in the backlog. Peers that are not served, because of `allow`, `deny` or
    /// `connections_per_source`, don't count; what comes by way of a proxy always does.
    pub accept_rate: Option<Rate>,

    /// Bytes kept for sending, each connection. Default 256 KiB: what a kernel's send buffer has
    /// after a moment of growing, so that a refill is ready whenever that one runs empty. When it is
    /// reached, a service's `send` takes less, so less is read, so TCP slows the sender down.
    pub output_limit: usize,

    /// Bytes that have arrived and that the service has not taken, each connection. Default 64 KiB.
    /// When a service wants to see more than this before it takes anything, the connection is closed.
    /// At most 1 GiB: the reactor has a buffer for this much and one read, which is address space, and
    /// memory as far as it is used.
    pub input_limit: usize,

    /// Bytes kept by all connections together, and no more than a page beyond it for each direction of each. What lies
    /// between the ends of a stream in memory isn't kept but under way, as in a kernel's socket buffers: up to 64 KiB
    /// each way, or [`send_buffer`](Config::send_buffer). Default 256 MiB. When it is reached, a connection whose
    /// input is taken is served in steps of 4 KiB, one whose answers find no room waits for its reader,
    /// and one that sends an unfinished message of more than 4 KiB is closed.
    pub buffer_limit: usize,

    /// Bytes of a line, its ending not counted, for services that speak in lines. Default 8 KiB.
    /// A longer line closes the connection.
    pub line_length: usize,

    /// How long a connection may stay with no byte moving in either direction, if it was accepted or
    /// made by us; at least 1 ms. Default `None`: for as long as it likes. After that it is closed.
    /// Adopted descriptors and [single connections](crate::Context::set_idle_timeout) may have one of
    /// their own.
    pub idle_timeout: Option<Duration>,

    /// How long an outgoing connection may take: to look up its host name, and over all addresses behind
    /// that. Default 10 s. Then it could not be made.
    pub connect_timeout: Duration,

    /// How long a closing connection may take to send what is kept, counted from the last byte that
    /// the peer took, and then once more for the peer's own end. Default 5 s. After that it is closed
    /// whatever is left.
    pub linger: Duration,

    /// How long a graceful stop may take as a whole. Default 30 s. After that everything is closed as it
    /// is. [`Duration::MAX`]: for as long as any byte moves.
    pub stop_timeout: Duration,

    /// Commands of other threads, through a [`Handle`](crate::Handle), that may wait to be run. Default
    /// 1,024. One more is refused.
    pub commands: usize,

    /// Connections that one listener accepts in one turn before the next source has its go. Default
    /// 64: some 300 µs.
    pub accept_budget: usize,

    /// Bytes of one connection that its service may be shown in one turn, be they new or shown once more;
    /// each time counts as a KiB at least. Default 256 KiB. A turn may bring less: a go ends with its slice of
    /// 50 µs and the call that is on then, which is what a whisper waits for the floods beside it, however
    /// many they are (the guide: fairness).
    pub read_budget: usize,

    /// Datagrams that one socket may receive in one turn. Default 256: some 300 µs. What the kernel has
    /// joined (udp(7), `UDP_GRO`) comes in one piece, of up to 128 datagrams, and so a turn may bring
    /// less than one piece more than its share; or, when such pieces come unforeseen, one batch of 32.
    /// What was too much is a debt that the next turns pay: `n` turns never bring more than `n` times
    /// this number and one batch.
    pub datagram_budget: usize,

    /// The size of the one buffer that all streams are read into, and so the most that one read brings.
    /// Default 64 KiB; 4 KiB to 1 GiB. Measured, in units of what this default reaches: with messages of
    /// 64 KiB 0.6 for 16 KiB, 0.9 for 32, 1.0 for more. A server for bulk gains from 256 KiB: 1.09 with
    /// messages of that size, 1.2 with 1 MiB. But what was read and can't be answered yet is kept, so
    /// each client that doesn't read then costs that much more.
    pub read_buffer: usize,

    /// Events that one poll returns at most. Default 1,024, 12 KiB of them; at most 1,048,576. The others
    /// come with the next poll.
    pub events: usize,

    /// How long the loop looks for events before it sleeps. Default zero: it sleeps at once, and idle is
    /// free. 50 µs or so spare a busy connection the time it takes to wake a sleeper, and cost all the
    /// processor time there is; with [`Duration::MAX`] the loop never sleeps.
    pub spin: Duration,

    /// `SO_RCVBUF`, socket(7), in bytes. Default `None`: the kernel's own, which for TCP grows. Less than
    /// 1 GiB: Linux doubles it, in an `int`. Also what may wait at a datagram socket in memory, 208 KiB by
    /// default; there each datagram counts for 256 bytes more than it has.
    pub receive_buffer: Option<usize>,

    /// `SO_SNDBUF`, socket(7), in bytes. Default `None`: the kernel's own, which for TCP grows. Less than
    /// 1 GiB, as above. Also what lies between the ends of a stream in memory, each way: 64 KiB by default,
    /// 4 KiB at least.
    ///
    /// On a Unix datagram socket the replies that peers don't read are charged to it, unix(7): one peer that
    /// never reads can fill it, and then there are replies for no peer until that one reads or has gone. They are
    /// dropped, counted as without room, and logged. A larger one only makes that take longer.
    pub send_buffer: Option<usize>,

    /// Connections that may wait to be accepted, listen(2): 1 to 2,147,483,647. Default 4,096; the kernel
    /// cuts it to its `net.core.somaxconn`. Clients beyond it try again, and wait a second for that.
    pub backlog: u32,

    /// `TCP_NODELAY`, tcp(7): small messages leave at once. Default true.
    pub nodelay: bool,

    /// TCP keep-alive: when the kernel asks whether a silent peer is still there. Default: after 15 s, every
    /// 15 s, nine times, so that a peer that has vanished gives its place back after two and a half minutes.
    /// `None`: never. Peers that don't answer are closed as timed out.
    pub keep_alive: Option<KeepAlive>,

    /// `SO_REUSEPORT`, socket(7): whether several sockets share a TCP or UDP port. Default: none does.
    pub reuse_port: ReusePort,

    /// The permissions of a Unix socket's file, as chmod(2) takes them: 0 to 0o777. Who may write to it may
    /// connect (not on every system: unix(7)). Default `None`: all that the umask leaves. The file is never
    /// open any wider, but where the system can't say so before bind(2): Linux can; elsewhere a datagram
    /// socket is what the umask leaves for an instant.
    pub unix_mode: Option<u32>,

    /// If not empty, only peers within these prefixes are served. Unix sockets are not concerned: the
    /// permissions of their files are.
    pub allow: Vec<Prefix>,

    /// Peers within these prefixes are not served, even if `allow` has them.
    pub deny: Vec<Prefix>,

    /// Proxies in front of us, which tell for whom they speak: HAProxy's PROXY protocol, version 1 or 2. Default:
    /// none. If there are any, here or as [`unix_proxies`](Config::unix_proxies), accepted streams are served to
    /// these alone: over TCP only to those within these prefixes, and so to no client if there are none; over Unix
    /// sockets only if these have proxies. All others are closed, and counted as denied. Each must begin with a header,
    /// which is taken off; whom it tells is the [peer](crate::Context::peer), and the one whom `allow`,
    /// `deny`, [`connections_per_source`](Config::connections_per_source) and the log mean. Where it tells
    /// none (`UNKNOWN`, `UNSPEC`), that is the proxy's own address; a client of the proxy on a Unix socket
    /// has no address, like one of ours. When the proxy itself looks whether we are there (`LOCAL`), `allow`
    /// and `deny` don't count. A header that makes no sense or is longer than 4 KiB closes the connection,
    /// and is counted; so does one that takes longer than [`proxy_timeout`](Config::proxy_timeout).
    ///
    /// Neither datagrams nor listeners in memory are concerned. Single listeners can
    /// [do without](crate::Context::set_proxied).
    pub proxies: Vec<Prefix>,

    /// The same for listening Unix sockets: whether whoever connects there is a proxy. Default false: if there
    /// are no [`proxies`](Config::proxies) either, whoever connects is served without a header, and if there
    /// are, no client is served there. If true, only those within `proxies` are served over TCP. Who may connect to a Unix
    /// socket, the permissions of its file say.
    pub unix_proxies: bool,

    /// How long the header of a proxy may take, from the accept; at least 1 ms. Default 5 s: a proxy sends it
    /// at once, and this is enough for TCP to send it a second time, and a third.
    pub proxy_timeout: Duration,

    /// Whether datagrams from ports below 1024 are served. Default false: services such as chargen and
    /// other echo servers live there, and a forged datagram could set two upon each other.
    pub privileged_ports: bool,

    /// Whether datagrams are served that were sent to a group (multicast) or to all hosts of a network
    /// (broadcast), for servers that have joined a group on purpose. Default false: one datagram with a
    /// forged source would be answered by every server that it reaches, and by each of those that share a
    /// port. Known on a wildcard bind; directed broadcasts (`192.168.1.255`) on Linux only. A socket that
    /// is bound to such an address isn't served without it, nor is one that may send to broadcast
    /// addresses (`SO_BROADCAST`, socket(7)): with such a one, also the source of a question can be one.
    pub multicast: bool,

    /// Whether datagrams are served that come from the address of another bound datagram socket of this
    /// reactor. Default false: one forged datagram could set two of our own services upon each other, as
    /// fast as they can, for ever. A socket that is bound to the wildcard address counts as having every
    /// address. For services that ask each other by bound sockets, and don't answer answers; a
    /// [connected](crate::Context::connect) socket may ask in any case. What comes from the very socket
    /// that it was sent to is never served.
    pub own_sockets: bool,

    /// How many datagrams a second are served for one source address that isn't loopback, all sockets of
    /// the reactor together. Default 10,000, and as many at once. The others are dropped, and counted.
    /// `None`: no limit. Several reactors on one port, with [`reuse_port`](Config::reuse_port), each
    /// count by themselves, and the kernel gives each of them some of the ports of a source. What counts
    /// as one source in IPv6 is a network of 64 bits.
    pub datagram_rate: Option<Rate>,

    /// The same for sources on this machine: all of `127.0.0.0/8` is one source, `::1` is one, so is each
    /// name of a Unix datagram socket, and those without a name are one together. Default `None`: no
    /// limit, since no other machine can send from there, and on this one only processes that are allowed to
    /// send whatever they like (raw(7), `CAP_NET_RAW`) can forge a loopback source. If you can't trust
    /// them, or run servers in several processes that they could set upon each other, give it a rate.
    /// The names of Unix sockets can be forged by any process that may send to us, see [`Endpoint`](crate::Endpoint).
    pub datagram_rate_local: Option<Rate>,

    /// Whether the kernel may join and split datagrams (udp(7), `UDP_GRO` and `UDP_SEGMENT`) where it
    /// can. Default true. What peers see is the same.
    pub offload: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            connections: None,
            connections_per_source: None,
            accept_rate: None,
            output_limit: 256 * 1024,
            input_limit: 64 * 1024,
            buffer_limit: 256 * 1024 * 1024,
            line_length: 8 * 1024,
            idle_timeout: None,
            connect_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(5),
            stop_timeout: Duration::from_secs(30),
            commands: 1024,
            accept_budget: 64,
            read_budget: 256 * 1024,
            datagram_budget: 256,
            read_buffer: 64 * 1024,
            events: 1024,
            spin: Duration::ZERO,
            receive_buffer: None,
            send_buffer: None,
            backlog: 4096,
            nodelay: true,
            keep_alive: Some(KeepAlive::default()),
            reuse_port: ReusePort::Never,
            unix_mode: None,
            allow: Vec::new(),
            deny: Vec::new(),
            proxies: Vec::new(),
            unix_proxies: false,
            proxy_timeout: Duration::from_secs(5),
            privileged_ports: false,
            multicast: false,
            own_sockets: false,
            datagram_rate: Some(Rate { per_second: 10_000, burst: 10_000 }),
            datagram_rate_local: None,
            offload: true,
        }
    }
}

impl Config {
    /// Whether a peer at this address may be served at all.
    #[inline]
    pub(crate) fn admits(&self, ip: IpAddr) -> bool {
        let within = |list: &[Prefix]| list.iter().any(|prefix| prefix.contains(ip));
        (self.allow.is_empty() || within(&self.allow))
            && (self.deny.is_empty() || !within(&self.deny))
    }
}
