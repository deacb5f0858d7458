//! Gives back whatever comes.

use crate::{Context, Peer, Service};

/// Gives back whatever comes: bytes on a stream, RFC 862, and each datagram as it is.
///
/// It takes as many bytes as it could send, which is all there is to back-pressure: a client that
/// doesn't read stops being read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Service for Echo {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        cx.send(input)
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        cx.reply(payload);
    }
}
