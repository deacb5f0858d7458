//! Sharing a port.

/// Whether a TCP or UDP socket shares its port with others, `SO_REUSEPORT`, socket(7). The kernel spreads
/// the clients over those that do. All of them must be the same user's.
///
/// Two servers that should not know of each other must not share: clients of the one would be served by the
/// other. So a program with a reactor for each of its threads listens with [`First`](ReusePort::First) on
/// one of them, and then with [`Join`](ReusePort::Join) on the others:
///
/// ```
/// use echoloop::{Config, Echo, Reactor, ReusePort};
///
/// let config = |reuse_port| Config { reuse_port, ..Config::default() };
/// let mut first = Reactor::new(config(ReusePort::First))?;
/// let id = first.listen(&"tcp://127.0.0.1:0".parse().unwrap(), Echo)?;
/// let at = format!("tcp://{}", first.local(id).unwrap()).parse().unwrap();
///
/// let mut second = Reactor::new(config(ReusePort::Join))?;
/// second.listen(&at, Echo)?;
///
/// let mut stranger = Reactor::new(config(ReusePort::First))?;
/// assert!(stranger.listen(&at, Echo).is_err());
/// # Ok::<(), echoloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReusePort {
    /// The port must be free, and no other server joins it.
    #[default]
    Never,
    /// The port must be free. From then on others may join it: the option is set when the socket has been
    /// bound, and asked for when the next one is.
    First,
    /// The port may be free, or shared already, by this process or another one.
    Join,
}
