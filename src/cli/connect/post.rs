//! A datagram on its way to the kernel.

use echoloop::{Context, Peer};

#[derive(Debug)]
pub(super) struct Message {
    pub(super) payload: Vec<u8>,
    /// A line, which somebody wants to arrive, and no heartbeat.
    pub(super) is_line: bool,
}

/// A datagram that was given to the loop. Nothing else is given to it before the fate of this one is known.
#[derive(Debug)]
pub(super) struct OnItsWay {
    pub(super) message: Message,
    before: Fates,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is still among those that the loop has gathered.
    Unknown,
    /// The kernel has it.
    Sent,
    /// The kernel would have it later, or the peer: a Unix socket that has not read the last ones.
    NoRoom,
    Failed,
}

/// What has become of all datagrams so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fates {
    sent: u64,
    no_room: u64,
    failed: u64,
}

impl Fates {
    fn now(cx: &Context<'_>) -> Fates {
        let now = cx.statistics();
        let (no_room, failed) = (now.dropped.no_room, now.dropped.failed);
        Fates { sent: now.datagrams_out, no_room, failed }
    }
}

impl Message {
    /// Gives it to the socket of this context, for this peer, or else for the one that it is connected to.
    pub(super) fn send(self, cx: &mut Context<'_>, to: Option<&Peer>) -> OnItsWay {
        let before = Fates::now(cx);
        match to {
            Some(peer) => drop(cx.send_to(peer, &self.payload)),
            None => drop(cx.send(&self.payload)),
        }
        OnItsWay { message: self, before }
    }
}

impl OnItsWay {
    pub(super) fn fate(&self, cx: &Context<'_>) -> Fate {
        let (now, before) = (Fates::now(cx), self.before);
        if now.no_room > before.no_room {
            Fate::NoRoom
        } else if now.failed > before.failed {
            Fate::Failed
        } else if now.sent > before.sent {
            Fate::Sent
        } else {
            Fate::Unknown
        }
    }
}
