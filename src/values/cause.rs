//! Why a connection has gone.

use std::{fmt, io};

use super::describe;

/// Why a connection has gone; see [`Service::closed`](crate::Service::closed).
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The peer ended it, and everything was flushed.
    Ended,
    /// The service closed it.
    Closed,
    /// The service closed it for this reason.
    Because(&'static str),
    /// No byte moved for [`Config::idle_timeout`](crate::Config::idle_timeout).
    Idle,
    /// Closing, for whatever reason, took longer than [`Config::linger`](crate::Config::linger); bytes
    /// may be lost.
    Lingered,
    /// The service wanted more than [`Config::input_limit`](crate::Config::input_limit) before it
    /// took anything.
    InputLimit,
    /// The service's answer doesn't fit into [`Config::output_limit`](crate::Config::output_limit).
    OutputLimit,
    /// [`Config::buffer_limit`](crate::Config::buffer_limit) is used up, and this connection wanted more.
    BufferLimit,
    /// An outgoing connection could not be made.
    ConnectFailed(io::Error),
    /// Reset, aborted, timed out: whatever the system said.
    Failed(io::Error),
    /// The service has given it [away](crate::Context::detach): it goes on elsewhere.
    Detached,
    /// The service panicked while it was called for it, and the host [has caught
    /// that](crate::guide::threads#a-panic).
    Panicked,
    /// The reactor was stopped.
    Stopped,
}

impl Cause {
    /// In a word or two, whatever the system said.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Cause::Ended => "ended by the peer",
            Cause::Closed => "closed by the service",
            Cause::Because(_) => "closed for a stated reason",
            Cause::Idle => "idle",
            Cause::Lingered => "lingered",
            Cause::InputLimit | Cause::OutputLimit | Cause::BufferLimit => "over a limit",
            Cause::ConnectFailed(_) => "not connected",
            Cause::Failed(_) => "failed",
            Cause::Detached => "given away",
            Cause::Panicked => "panicked",
            Cause::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Ended => f.write_str("ended by the peer"),
            Cause::Closed => f.write_str("closed by the service"),
            Cause::Because(reason) => f.write_str(reason),
            Cause::Idle => f.write_str("idle for too long"),
            Cause::Lingered => f.write_str("the peer took too long to end"),
            Cause::InputLimit => f.write_str("a message longer than the input limit"),
            Cause::OutputLimit => f.write_str("an answer longer than the output limit"),
            Cause::BufferLimit => f.write_str("out of memory for unfinished messages"),
            Cause::ConnectFailed(error) | Cause::Failed(error) => f.write_str(&describe(error)),
            Cause::Detached => f.write_str("given away by the service"),
            Cause::Panicked => f.write_str("the service panicked"),
            Cause::Stopped => f.write_str("the reactor was stopped"),
        }
    }
}
