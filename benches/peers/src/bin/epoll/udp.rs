use std::io::{self, ErrorKind};
use std::mem::{size_of, zeroed};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

use crate::{check, epoll_add, epoll_create, epoll_wait};

/// Messages per `recvmmsg`.
const BATCH: usize = 64;

/// From one buffer to the next. Not a power of two: the first lines of all buffers, which is all
/// that small datagrams touch, would share one set of the cache.
const STRIDE: usize = peers::BUFFER + 192;

/// Limits of one segment train: the kernel's number of segments, and the largest datagram.
const TRAIN_SEGMENTS: usize = 64;
const TRAIN_BYTES: usize = 65_507;

/// Room for one control message that holds an `int` or a `u16`, aligned as the kernel wants it.
type Control = [u64; 3];

/// One `recvfrom` and one `sendto` a datagram, until there is no more.
pub fn serve_plain(socket: UdpSocket) -> io::Result<()> {
    let mut buffer = vec![0; peers::BUFFER];
    wait_and(&socket, || {
        // An error other than a full buffer is about one peer: on to the next datagram.
        while let Ok((count, from)) = socket.recv_from(&mut buffer) {
            while socket.send_to(&buffer[..count], from).is_err_and(|error| blocked(&error)) {
                wait_for_room(&socket);
            }
        }
    })
}

/// Batches in, batches out. With `trains`, neighbouring answers of one size to one peer leave as
/// one UDP_SEGMENT train; with `gro`, the kernel hands trains over whole, too.
pub fn serve_batches(socket: UdpSocket, trains: bool, gro: bool) -> io::Result<()> {
    if gro {
        let on: libc::c_int = 1;
        // SAFETY: the option is an int, and an int is what the kernel reads.
        check(unsafe {
            let value = ptr::from_ref(&on).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, value, 4)
        })?;
    }
    let mut batch = Batch::new(gro);
    wait_and(&socket, || {
        loop {
            let received = batch.receive(&socket);
            let answers = batch.answer(received, trains);
            batch.send(&socket, answers);
            if received < BATCH {
                break;
            }
        }
    })
}

/// The loop: sleep until the socket is readable, then drain it.
fn wait_and(socket: &UdpSocket, mut drain: impl FnMut()) -> io::Result<()> {
    let epoll = epoll_create()?;
    epoll_add(epoll, socket.as_raw_fd(), libc::EPOLLIN)?;
    let mut events = [libc::epoll_event { events: 0, u64: 0 }];
    loop {
        epoll_wait(epoll, &mut events)?;
        drain();
    }
}

/// The arrays that `recvmmsg` and `sendmmsg` work on. The headers point into the other vectors,
/// which are never resized.
struct Batch {
    incoming: Vec<libc::mmsghdr>,
    outgoing: Vec<libc::mmsghdr>,
    /// Lengths as received: a train is a run of neighbouring entries.
    answers: Vec<libc::iovec>,
    names: Vec<libc::sockaddr_storage>,
    controls_out: Vec<Control>,
    gro: bool,
    /// How many of the incoming headers the last call has used.
    received: usize,
    _buffers: Vec<u8>,
    _slots: Vec<libc::iovec>,
    _controls_in: Vec<Control>,
}

impl Batch {
    fn new(gro: bool) -> Batch {
        let mut buffers = vec![0u8; BATCH * STRIDE];
        let mut slots: Vec<_> = buffers
            .chunks_exact_mut(STRIDE)
            .map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: peers::BUFFER })
            .collect();
        // SAFETY: all zeroes is a valid value of these C structs.
        let (header, name): (libc::mmsghdr, libc::sockaddr_storage) = unsafe { zeroed() };
        let mut names = vec![name; BATCH];
        let mut controls_in = vec![Control::default(); BATCH];
        let mut incoming = vec![header; BATCH];
        for (index, message) in incoming.iter_mut().enumerate() {
            message.msg_hdr.msg_iov = &mut slots[index];
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_name = ptr::from_mut(&mut names[index]).cast();
            if gro {
                message.msg_hdr.msg_control = ptr::from_mut(&mut controls_in[index]).cast();
            }
        }
        Batch {
            incoming,
            outgoing: vec![header; BATCH],
            answers: slots.clone(),
            names,
            controls_out: vec![Control::default(); BATCH],
            gro,
            received: BATCH,
            _buffers: buffers,
            _slots: slots,
            _controls_in: controls_in,
        }
    }

    /// Returns how many messages there were.
    fn receive(&mut self, socket: &UdpSocket) -> usize {
        // The kernel has replaced the room by what it filled.
        for message in &mut self.incoming[..self.received] {
            message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            message.msg_hdr.msg_controllen = if self.gro { size_of::<Control>() } else { 0 };
        }
        let (messages, room) = (self.incoming.as_mut_ptr(), BATCH as u32);
        // SAFETY: every header points to memory of its stated length that outlives the call.
        let result = check(unsafe {
            libc::recvmmsg(socket.as_raw_fd(), messages, room, 0, ptr::null_mut())
        });
        self.received = result.map_or(0, |count| count as usize);
        self.received
    }

    /// Turns what was received into answers and returns their number.
    ///
    /// A train grows while the peer is the same, every piece has its size, and only the last piece
    /// is shorter.
    fn answer(&mut self, received: usize, trains: bool) -> usize {
        let mut count = 0;
        let mut first = 0;
        while first < received {
            let (mut bytes, size) = self.length_and_segment(first);
            let mut next = first + 1;
            self.answers[first].iov_len = bytes;
            while trains && next < received && size > 0 && bytes % size == 0 {
                let (more, segment) = self.length_and_segment(next);
                let fits = more > 0 && (segment == size || more == segment && more < size);
                let total = bytes + more;
                if !fits
                    || total > TRAIN_BYTES
                    || total.div_ceil(size) > TRAIN_SEGMENTS
                    || !self.same_peer(first, next)
                {
                    break;
                }
                self.answers[next].iov_len = more;
                bytes = total;
                next += 1;
            }
            self.address(count, first, next, (bytes > size).then_some(size));
            count += 1;
            first = next;
        }
        count
    }

    /// Points answer `index` to the received messages `first..next`.
    fn address(&mut self, index: usize, first: usize, next: usize, segment: Option<usize>) {
        let header = &mut self.outgoing[index].msg_hdr;
        header.msg_name = self.incoming[first].msg_hdr.msg_name;
        header.msg_namelen = self.incoming[first].msg_hdr.msg_namelen;
        header.msg_iov = &mut self.answers[first];
        header.msg_iovlen = next - first;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        let Some(segment) = segment else { return };
        header.msg_control = ptr::from_mut(&mut self.controls_out[index]).cast();
        // SAFETY: the control buffer has room for one header and a u16, and is aligned for both.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(2) as usize;
            let control = libc::CMSG_FIRSTHDR(header);
            (*control).cmsg_level = libc::SOL_UDP;
            (*control).cmsg_type = libc::UDP_SEGMENT;
            (*control).cmsg_len = libc::CMSG_LEN(2) as usize;
            libc::CMSG_DATA(control).cast::<u16>().write_unaligned(segment as u16);
        }
    }

    /// Sends the first `count` answers. One that fails is left out; the rest still go.
    fn send(&mut self, socket: &UdpSocket, count: usize) {
        let mut done = 0;
        while done < count {
            let rest = &mut self.outgoing[done..count];
            // SAFETY: every header points to memory of its stated length that outlives the call.
            match check(unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0)
            }) {
                Ok(sent) => done += sent as usize,
                Err(error) if blocked(&error) => wait_for_room(socket),
                Err(_) => done += 1,
            }
        }
    }

    /// Bytes of a received message, and the size of the datagrams it consists of.
    fn length_and_segment(&self, index: usize) -> (usize, usize) {
        let message = &self.incoming[index];
        let length = message.msg_len as usize;
        if message.msg_hdr.msg_controllen < size_of::<libc::cmsghdr>() || !self.gro {
            return (length, length);
        }
        // SAFETY: the kernel has filled the control buffer up to its stated length, and UDP_GRO
        // is the only option that makes it write one; its value is an int.
        let segment = unsafe {
            let control = libc::CMSG_FIRSTHDR(&message.msg_hdr);
            debug_assert_eq!((*control).cmsg_type, libc::UDP_GRO);
            libc::CMSG_DATA(control).cast::<libc::c_int>().read_unaligned()
        };
        (length, segment as usize)
    }

    fn same_peer(&self, one: usize, other: usize) -> bool {
        let name = |index: usize| {
            let length = self.incoming[index].msg_hdr.msg_namelen as usize;
            // SAFETY: the kernel has written that many bytes of the name.
            unsafe { std::slice::from_raw_parts(ptr::from_ref(&self.names[index]).cast(), length) }
        };
        let (one, other): (&[u8], &[u8]) = (name(one), name(other));
        one == other
    }
}

fn blocked(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The send buffer is full, which on one socket concerns every peer: waits until it is not.
fn wait_for_room(socket: &UdpSocket) {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    unsafe { libc::poll(&mut poll, 1, -1) };
}
