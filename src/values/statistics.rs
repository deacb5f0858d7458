//! What a reactor has done so far.

use std::fmt;
use std::time::Duration;

use super::{Cause, Histogram};

/// Counts since the reactor was made. A snapshot: [`Reactor::statistics`](crate::Reactor::statistics).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections accepted and served.
    pub accepted: u64,
    /// Outgoing connections that were made.
    pub connected: u64,
    /// Connections that were not served, by reason.
    pub refused: Refused,
    /// Connections that are open now, in whatever state.
    pub open: u64,
    /// Stream connections that have gone, by cause. Outgoing ones that never came about are counted
    /// too, as `connect_failed`.
    pub closed: Closed,
    /// Bytes read from streams. A pipe is one too, but not that by which a signal comes.
    pub bytes_in: u64,
    /// Bytes that streams were given to send: written, or kept for writing.
    pub bytes_out: u64,
    /// Times that a service was shown bytes of a stream. For small messages without pipelining, the
    /// number of messages.
    pub messages_in: u64,
    /// Times that a service sent something to a stream.
    pub messages_out: u64,
    /// Datagrams received, the dropped ones included.
    pub datagrams_in: u64,
    /// Datagrams handed to the kernel.
    pub datagrams_out: u64,
    /// Datagrams not served or not sent, by reason.
    pub dropped: Dropped,
    /// Bytes kept now by all connections together, incoming and outgoing.
    pub buffered: u64,
    /// The most bytes that were ever kept.
    pub buffered_peak: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Events that the poll has returned.
    pub events: u64,
    /// The longest that a turn took, its waiting not counted.
    pub longest_turn: Duration,
    /// How long turns took, their waiting not counted.
    pub turn_times: Histogram,
    /// How long those sources waited for their go that had used little lately. One count for each turn
    /// that served any: from the poll's return to the end of the last one's go, so that none of them waited
    /// longer. What arrives during a turn has waited for the rest of that turn besides, see `turn_times`.
    pub sparse_waits: Histogram,
    /// How long those sources waited for their go that had used much lately, each time that there were
    /// several of them: from the poll's return in the turn that queued them to the end of the go.
    pub busy_waits: Histogram,
}

/// Connections that were accepted and closed at once, or not accepted when their time had come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// By [`Config::allow`](crate::Config::allow) or [`Config::deny`](crate::Config::deny); or where
    /// [proxies](crate::Config::proxies) are expected, and this is none.
    pub denied: u64,
    /// By [`Config::connections_per_source`](crate::Config::connections_per_source).
    pub per_source: u64,
    /// For the sake of their [PROXY header](crate::Config::proxies): none, a bad one, too long, too late.
    pub proxy_header: u64,
    /// Times that accepting had to wait for [`Config::connections`](crate::Config::connections).
    pub connections: u64,
    /// Times that accepting had to wait for [`Config::accept_rate`](crate::Config::accept_rate).
    pub accept_rate: u64,
    /// Times that accepting had to wait for a descriptor or for memory.
    pub descriptors: u64,
    /// Connections that had gone before they were accepted, and other errors of accept(2).
    pub failed: u64,
}

/// Connections that have gone, by [`Cause`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// [`Cause::Ended`].
    pub ended: u64,
    /// [`Cause::Closed`].
    pub by_service: u64,
    /// [`Cause::Because`].
    pub because: u64,
    /// [`Cause::Idle`].
    pub idle: u64,
    /// [`Cause::Lingered`].
    pub lingered: u64,
    /// [`Cause::InputLimit`], [`Cause::OutputLimit`] and [`Cause::BufferLimit`].
    pub limits: u64,
    /// [`Cause::ConnectFailed`].
    pub connect_failed: u64,
    /// [`Cause::Failed`].
    pub failed: u64,
    /// [`Cause::Detached`].
    pub detached: u64,
    /// [`Cause::Panicked`].
    pub panicked: u64,
    /// [`Cause::Stopped`].
    pub stopped: u64,
}

impl Closed {
    pub(crate) fn count(&mut self, cause: &Cause) {
        *match cause {
            Cause::Ended => &mut self.ended,
            Cause::Closed => &mut self.by_service,
            Cause::Because(_) => &mut self.because,
            Cause::Idle => &mut self.idle,
            Cause::Lingered => &mut self.lingered,
            Cause::InputLimit | Cause::OutputLimit | Cause::BufferLimit => &mut self.limits,
            Cause::ConnectFailed(_) => &mut self.connect_failed,
            Cause::Failed(_) => &mut self.failed,
            Cause::Detached => &mut self.detached,
            Cause::Panicked => &mut self.panicked,
            Cause::Stopped => &mut self.stopped,
        } += 1;
    }

    fn rows(&self) -> [(&'static str, u64); 11] {
        [
            ("ended by the peer", self.ended),
            ("closed by the service", self.by_service),
            ("closed for a stated reason", self.because),
            ("idle", self.idle),
            ("lingered", self.lingered),
            ("over a limit", self.limits),
            ("not connected", self.connect_failed),
            ("failed", self.failed),
            ("given away", self.detached),
            ("panicked", self.panicked),
            ("stopped", self.stopped),
        ]
    }
}

impl Refused {
    fn rows(&self) -> [(&'static str, u64); 7] {
        [
            ("denied", self.denied),
            ("too many from one source", self.per_source),
            ("without a good PROXY header", self.proxy_header),
            ("waits for the connection limit", self.connections),
            ("waits for the accept rate", self.accept_rate),
            ("waits for descriptors", self.descriptors),
            ("failed", self.failed),
        ]
    }
}

/// Datagrams that were not served, or answers that were not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// By [`Config::allow`](crate::Config::allow) or [`Config::deny`](crate::Config::deny).
    pub denied: u64,
    /// From a source that no answer must go to: port 0, multicast, broadcast, our own address or port,
    /// another socket of ours, a port below 1024, a relative path. Or sent to a multicast or broadcast
    /// address. [`DatagramRefusal`](crate::DatagramRefusal) has the reasons.
    pub forbidden: u64,
    /// By [`Config::datagram_rate`](crate::Config::datagram_rate) or
    /// [`Config::datagram_rate_local`](crate::Config::datagram_rate_local).
    pub rate: u64,
    /// Longer than 65,536 bytes, as Unix datagrams can be: cut by the kernel.
    pub cut: u64,
    /// Answers longer than what they answer, alone or together with those before them.
    pub amplified: u64,
    /// Not sent for lack of room in the send buffer, or in the peer's.
    pub no_room: u64,
    /// Not sent for another reason; among others, a sender that isn't there any more.
    pub failed: u64,
}

impl Dropped {
    fn rows(&self) -> [(&'static str, u64); 7] {
        [
            ("denied", self.denied),
            ("forbidden", self.forbidden),
            ("over the rate", self.rate),
            ("cut", self.cut),
            ("longer than asked", self.amplified),
            ("no room", self.no_room),
            ("failed", self.failed),
        ]
    }
}

/// Six lines; reasons that never occurred are left out.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connections: {} accepted", self.accepted)?;
        if self.connected > 0 {
            write!(f, ", {} connected", self.connected)?;
        }
        write!(f, ", {} open; closed: ", self.open)?;
        reasons(f, &self.closed.rows())?;
        f.write_str("; refused: ")?;
        reasons(f, &self.refused.rows())?;
        write!(
            f,
            "\nstreams: {} bytes in {} messages in, {} bytes in {} messages out, {} bytes kept (most {})",
            self.bytes_in,
            self.messages_in,
            self.bytes_out,
            self.messages_out,
            self.buffered,
            self.buffered_peak
        )?;
        write!(f, "\ndatagrams: {} in, {} out; dropped: ", self.datagrams_in, self.datagrams_out)?;
        reasons(f, &self.dropped.rows())?;
        write!(
            f,
            "\nloop: {} turns, {} events, longest turn {:.1?}",
            self.turns, self.events, self.longest_turn
        )?;
        write!(f, "\nturns: {}", self.turn_times)?;
        write!(f, "\nwaits: sparse sources: {}; busy ones: {}", self.sparse_waits, self.busy_waits)
    }
}

/// `3 idle, 1 failed`, or `none`.
fn reasons(f: &mut fmt::Formatter<'_>, rows: &[(&'static str, u64)]) -> fmt::Result {
    let mut separator = "";
    for (name, count) in rows.iter().filter(|(_, count)| *count > 0) {
        write!(f, "{separator}{count} {name}")?;
        separator = ", ";
    }
    if separator.is_empty() { f.write_str("none") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Each connection that goes is counted once, in the row of its cause.
    #[test]
    fn each_cause_has_its_row() {
        let error = || io::Error::from(io::ErrorKind::ConnectionReset);
        let causes = [
            Cause::Ended,
            Cause::Closed,
            Cause::Because("of this"),
            Cause::Idle,
            Cause::Lingered,
            Cause::InputLimit,
            Cause::OutputLimit,
            Cause::BufferLimit,
            Cause::ConnectFailed(error()),
            Cause::Failed(error()),
            Cause::Detached,
            Cause::Panicked,
            Cause::Stopped,
        ];
        let mut all = Closed::default();
        for cause in causes {
            let mut closed = Closed::default();
            closed.count(&cause);
            all.count(&cause);
            let counted = closed.rows().into_iter().filter(|&(_, count)| count > 0);
            assert_eq!(counted.collect::<Vec<_>>(), [(cause.kind(), 1)], "{cause:?}");
        }
        let counts = all.rows().map(|(_, count)| count);
        assert_eq!(counts, [1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1]);
    }
}
