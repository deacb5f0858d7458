//! Where datagrams are gathered to leave together.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;

use super::raw::{self, Envelope};
use super::sent::{Sent, no_room};
use super::{CHUNK, FULL, FULL_BYTES, KEPT, TRAIN, TRAIN_BYTES, offload_supported};
use crate::values::{Address, Peer};

/// Datagrams to be sent by one socket. Serves all sockets of a reactor, one after the other:
/// [`open`](Outbox::open), [`push`](Outbox::push) and [`answer`](Outbox::answer) as often as you like,
/// [`flush`](Outbox::flush).
///
/// A payload is a place, not a pointer: an offset into the arena that its owner lends again for the
/// flush, or into our own copies. So nothing here can dangle, whatever happens in between.
pub(crate) struct Outbox {
    /// The addresses of the arena.
    lent: Range<usize>,
    copies: Vec<u8>,
    last_copy: Place,
    /// In the order in which they were first sent to; the same one twice in succession is listed once.
    listed: Vec<Option<Peer>>,
    datagrams: Vec<Datagram>,
    parcels: Parcels,
}

#[derive(Clone, Copy)]
struct Datagram {
    to: To,
    payload: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    /// One of those that are listed here.
    Listed(usize),
    /// The sender of a message that has arrived.
    Sender(usize),
}

#[derive(Clone, Copy, Default)]
struct Place {
    in_arena: bool,
    start: usize,
    length: usize,
}

/// What an inbox lends to an outbox for a while.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lent<'a> {
    pub(super) arena: &'a [u8],
    pub(super) senders: &'a [Peer],
}

/// What the next system call is to send. A message is a datagram or a train of them.
struct Parcels {
    /// One for each message at least; not cleared, so that they need not be set to zero again.
    envelopes: Vec<Envelope>,
    /// For a message that goes alone.
    single: Box<[Envelope; 1]>,
    /// Which datagrams each message holds.
    messages: Vec<Range<usize>>,
    /// The memory of all messages, one after the other.
    pieces: Vec<Place>,
}

/// Sends one datagram at once; to wherever the socket is connected, if to nobody.
pub(crate) fn send_one(
    socket: BorrowedFd<'_>,
    to: Option<&Peer>,
    payload: &[u8],
) -> io::Result<()> {
    let send: SendCall<'_> = &mut |envelopes, parts| raw::send(socket, envelopes, parts);
    send_in(&mut [Envelope::new()], send, to, payload)
}

/// What sends messages: [`raw::send`] on a socket, or whoever plays the kernel.
type SendCall<'a> = &'a mut dyn FnMut(&[Envelope], &[IoSlice<'_>]) -> io::Result<usize>;

fn send_in(
    envelope: &mut [Envelope; 1],
    send: SendCall<'_>,
    to: Option<&Peer>,
    payload: &[u8],
) -> io::Result<()> {
    envelope[0].address(to, None, 0..1);
    let mut send = || send(envelope, &[IoSlice::new(payload)]);
    match send() {
        Err(error) if !no_room(&error) => send()?, // See `Outbox::transmit`.
        first => first?,
    };
    Ok(())
}

impl Outbox {
    /// An empty one.
    pub(crate) fn new() -> Outbox {
        Outbox {
            lent: 0..0,
            copies: Vec::new(),
            last_copy: Place::default(),
            listed: Vec::new(),
            datagrams: Vec::new(),
            parcels: Parcels {
                envelopes: vec![Envelope::new(); CHUNK],
                single: Box::new([Envelope::new()]),
                messages: Vec::with_capacity(CHUNK),
                pieces: Vec::with_capacity(CHUNK),
            },
        }
    }

    /// From now to the next flush, payloads inside the arena are not copied, and senders have numbers.
    /// The same, unchanged, is then to be given to [`Outbox::flush`].
    pub(crate) fn open(&mut self, lent: Lent<'_>) {
        let range = lent.arena.as_ptr_range();
        self.lent = range.start.addr()..range.end.addr();
    }

    /// Gathers a datagram; to wherever the socket is connected, if to nobody.
    pub(crate) fn push(&mut self, to: Option<&Peer>, payload: &[u8]) {
        if self.listed.last().map(Option::as_ref) != Some(to) {
            self.listed.push(to.copied());
        }
        self.gather(To::Listed(self.listed.len() - 1), payload);
    }

    /// Gathers a datagram to the sender that has this number in what is lent. Only datagrams to the
    /// same number become a train.
    #[inline]
    pub(crate) fn answer(&mut self, sender: usize, payload: &[u8]) {
        self.gather(To::Sender(sender), payload);
    }

    #[inline]
    fn gather(&mut self, to: To, payload: &[u8]) {
        let payload = self.find(payload).unwrap_or_else(|| self.copy(payload));
        self.datagrams.push(Datagram { to, payload });
    }

    /// How many datagrams are gathered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// How many bytes of payload had to be copied.
    #[cfg(test)]
    pub(super) fn copied(&self) -> usize {
        self.copies.len()
    }

    /// Whether there is nothing to flush.
    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Whether it is time to flush, so that what is gathered stays within bounds.
    pub(crate) fn is_full(&self) -> bool {
        self.datagrams.len() >= FULL || self.copies.len() >= FULL_BYTES
    }

    /// Throws away what is gathered, and says how much that was.
    pub(crate) fn discard(&mut self) -> u64 {
        let datagrams = self.datagrams.len() as u64;
        self.clear();
        datagrams
    }

    /// Sends all that is gathered, in order, without waiting; what can't be sent is dropped and counted.
    /// With `offload`, for UDP sockets only, a run of equal datagrams to one peer leaves as a train.
    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>, lent: Lent<'_>, offload: bool) -> Sent {
        let send: SendCall<'_> = &mut |envelopes, parts| raw::send(socket, envelopes, parts);
        let offload = offload && self.datagrams.len() > 1 && offload_supported();
        self.flush_by(send, lent, offload)
    }

    /// The same by another call than the system's.
    pub(super) fn flush_by(&mut self, send: SendCall<'_>, lent: Lent<'_>, offload: bool) -> Sent {
        let mut sent = Sent::default();
        if let [one] = self.datagrams[..] {
            self.send_alone(one, send, lent, &mut sent);
            self.clear();
            return sent;
        }
        let mut next = 0;
        let mut singly = 0..0; // A train that was refused: its datagrams go one by one.
        while next < self.datagrams.len() {
            let one_by_one = singly.contains(&next);
            let end = if one_by_one { singly.end } else { self.datagrams.len() };
            self.pack(next..end, lent.senders, offload && !one_by_one);
            match self.transmit(send, lent.arena, &mut sent) {
                Ok(end) => next = end,
                Err(train) => (next, singly) = (train.start, train),
            }
        }
        self.clear();
        sent
    }

    /// The same without a socket: each by itself, through what is given.
    pub(crate) fn flush_each(
        &mut self,
        lent: Lent<'_>,
        mut send: impl FnMut(Option<&Peer>, &[u8]) -> io::Result<()>,
    ) -> Sent {
        let mut sent = Sent::default();
        for datagram in &self.datagrams {
            let payload = datagram.payload.of(lent.arena, &self.copies);
            let to = datagram.to.find(&self.listed, lent.senders);
            sent.count(payload, send(to, payload));
        }
        self.clear();
        sent
    }

    /// The same without packing.
    fn send_alone(
        &mut self,
        datagram: Datagram,
        send: SendCall<'_>,
        lent: Lent<'_>,
        sent: &mut Sent,
    ) {
        let payload = datagram.payload.of(lent.arena, &self.copies);
        let to = datagram.to.find(&self.listed, lent.senders);
        sent.count(payload, send_in(&mut self.parcels.single, send, to, payload));
    }

    #[inline]
    fn find(&self, payload: &[u8]) -> Option<Place> {
        let range = payload.as_ptr_range();
        let (start, end) = (range.start.addr(), range.end.addr());
        let in_arena = !payload.is_empty() && self.lent.start <= start && end <= self.lent.end;
        in_arena.then(|| Place { in_arena, start: start - self.lent.start, length: payload.len() })
    }

    /// The same payload for many peers, one after the other, is copied once.
    fn copy(&mut self, payload: &[u8]) -> Place {
        if self.last_copy.of(&[], &self.copies) != payload {
            let start = self.copies.len();
            self.copies.extend_from_slice(payload);
            self.last_copy = Place { in_arena: false, start, length: payload.len() };
        }
        self.last_copy
    }

    /// Packs as many of these datagrams as one system call takes.
    fn pack(&mut self, datagrams: Range<usize>, senders: &[Peer], trains: bool) {
        let Parcels { envelopes, messages, pieces, .. } = &mut self.parcels;
        messages.clear();
        pieces.clear();
        let mut rest = datagrams;
        while let [first, ..] = &self.datagrams[rest.clone()]
            && messages.len() < CHUNK
        {
            let to = first.to.find(&self.listed, senders);
            let count = if trains { train(to, &self.datagrams[rest.clone()]) } else { 1 };
            if pieces.len() + count > CHUNK {
                break;
            }
            let message = rest.start..rest.start + count;
            let start = pieces.len();
            for datagram in &self.datagrams[message.clone()] {
                match pieces[start..].last_mut() {
                    Some(last) if last.is_followed_by(&datagram.payload) => {
                        last.length += datagram.payload.length;
                    }
                    _ => pieces.push(datagram.payload),
                }
            }
            let segment = (count > 1).then_some(first.payload.length);
            envelopes[messages.len()].address(to, segment, start..pieces.len());
            rest.start = message.end;
            messages.push(message);
        }
    }

    /// Sends what is packed. Returns the first datagram behind it; or else the train that was refused,
    /// where everything before it is done with.
    ///
    /// An error may be late news of an earlier datagram, an ICMP message that the kernel tells at the next
    /// opportunity (ip(7), `IP_RECVERR`; always so if the socket is connected), in which case ours was
    /// not sent. So each datagram has a second try.
    fn transmit(
        &self,
        send: SendCall<'_>,
        arena: &[u8],
        sent: &mut Sent,
    ) -> Result<usize, Range<usize>> {
        let Parcels { envelopes, messages, pieces, .. } = &self.parcels;
        let mut parts = [IoSlice::new(&[]); CHUNK];
        for (part, piece) in parts.iter_mut().zip(pieces) {
            *part = IoSlice::new(piece.of(arena, &self.copies));
        }
        let mut done = 0;
        let mut tried = false;
        while let Some(message) = messages.get(done) {
            match send(&envelopes[done..messages.len()], &parts) {
                Ok(count) => {
                    let datagrams = message.start..messages[done + count - 1].end;
                    sent.datagrams += datagrams.len() as u64;
                    sent.bytes += self.bytes(datagrams);
                    done += count;
                    tried = false;
                    continue;
                }
                Err(error) if no_room(&error) => sent.refused += message.len() as u64,
                Err(_) if message.len() > 1 => return Err(message.clone()),
                Err(_) if !tried => {
                    tried = true;
                    continue;
                }
                Err(error) => {
                    sent.failed += 1;
                    sent.last_error = Some(error);
                }
            }
            done += 1;
            tried = false;
        }
        Ok(messages.last().map_or(0, |message| message.end))
    }

    fn bytes(&self, datagrams: Range<usize>) -> u64 {
        self.datagrams[datagrams].iter().map(|datagram| datagram.payload.length as u64).sum()
    }

    fn clear(&mut self) {
        self.lent = 0..0;
        self.copies.clear();
        self.copies.shrink_to(KEPT);
        self.last_copy = Place::default();
        self.listed.clear();
        self.datagrams.clear();
    }
}

impl To {
    #[inline]
    fn find<'a>(self, listed: &'a [Option<Peer>], senders: &'a [Peer]) -> Option<&'a Peer> {
        match self {
            To::Listed(i) => listed[i].as_ref(),
            To::Sender(i) => Some(&senders[i]),
        }
    }
}

impl Place {
    #[inline]
    fn of<'a>(&self, arena: &'a [u8], copies: &'a [u8]) -> &'a [u8] {
        let memory = if self.in_arena { arena } else { copies };
        &memory[self.start..self.start + self.length]
    }

    fn is_followed_by(&self, next: &Place) -> bool {
        self.in_arena == next.in_arena && self.start + self.length == next.start
    }
}

/// How many of these datagrams go as one message to `to`, the first one's peer: those that are as long as
/// the first, and one shorter one to end with, which must not be empty.
fn train(to: Option<&Peer>, datagrams: &[Datagram]) -> usize {
    let first = &datagrams[0];
    let segment = first.payload.length;
    if segment == 0 || matches!(to, Some(Peer { address: Address::Unix(_), .. })) {
        return 1;
    }
    let most = TRAIN.min(TRAIN_BYTES / segment).min(datagrams.len()).max(1);
    let same = |datagram: &&Datagram| datagram.to == first.to && datagram.payload.length == segment;
    let count = datagrams[..most].iter().take_while(same).count();
    match datagrams[..most].get(count) {
        Some(last) if last.to == first.to && (1..segment).contains(&last.payload.length) => {
            count + 1
        }
        _ => count,
    }
}
