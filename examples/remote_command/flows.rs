//! What flows on the way to a client: each is a source with a service of its own, which goes with it.

use std::mem;

use echoloop::{Cause, Context, Id, Service, describe};

use super::command::Spool;
use super::server::{Client, Clients};

/// From a command into its spool.
pub(super) struct Pipe {
    pub(super) client: Id,
    pub(super) clients: Clients,
    /// Until the client gets it.
    pub(super) spool: Option<Spool>,
    /// Bytes that may still come.
    pub(super) left: u64,
}

impl Service for Pipe {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let within = input.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let written = self.spool.as_mut().map_or(Ok(()), |it| it.write(&input[..within]));
        let left = mem::take(&mut self.left); // Nothing more is wanted, unless all goes well.
        match written {
            Ok(()) if within == input.len() => self.left = left - within as u64,
            Ok(()) => self.kill(cx, "output limit".to_owned()),
            Err(error) => self.kill(cx, describe(&error)),
        }
        input.len()
    }

    fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
        if let Some(spool) = self.spool.take() {
            cx.tell_one(self.clients, self.client, |client, hub, cx| {
                client.has_output(hub, cx, spool);
            });
        }
    }

    /// It goes with its client.
    fn stopping(&mut self, _cx: &mut Context<'_>) {}
}

impl Pipe {
    fn kill(&self, cx: &mut Context<'_>, why: String) {
        cx.tell_one(self.clients, self.client, move |client, _, cx| client.kill(cx, &why));
    }
}

/// From the spool to the client.
pub(super) struct Reply {
    pub(super) client: Id,
    pub(super) clients: Clients,
}

impl Service for Reply {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let taken = cx.source(self.client).send(input);
        if taken < input.len() {
            cx.pause();
        }
        taken
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        if let Cause::Ended = cause {
            cx.tell_one(self.clients, self.client, Client::has_reply);
        } else {
            cx.source(self.client).abort(); // Less than the count that it was promised.
        }
    }

    /// It goes with its client.
    fn stopping(&mut self, _cx: &mut Context<'_>) {}
}
