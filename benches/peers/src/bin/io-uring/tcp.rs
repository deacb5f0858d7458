use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use io_uring::types::Fd;
use io_uring::{cqueue, opcode};

use crate::{ACCEPT, BUFFERS, CANCEL, GROUP, RECEIVE, Ring, SEND};

/// Size of a provided buffer. Each starts 192 bytes past a page multiple of the one before, so
/// that their first lines, which are all that small messages touch, don't share one set of the
/// cache.
const SIZE: usize = peers::BUFFER;
const STRIDE: usize = SIZE + 192;

/// Answers that may wait on one connection before we stop receiving from it. Without it one peer
/// that does not read would end up with all the buffers.
const WAITING: usize = 8;

/// A connection, by descriptor. It is closed when nothing of it is left in the ring.
#[derive(Default)]
struct Stream {
    /// Buffer, first and last byte. The first in the queue is being sent.
    answers: VecDeque<(u16, u32, u32)>,
    receiving: bool,
    canceling: bool,
    ended: bool,
}

pub fn serve(listener: TcpListener) -> io::Result<()> {
    let ring = Ring::new(SIZE, STRIDE)?;
    Streams { ring, listener, streams: Vec::new(), starved: Vec::new() }.serve()
}

struct Streams {
    ring: Ring,
    listener: TcpListener,
    streams: Vec<Stream>,
    /// Those for which there was no buffer.
    starved: Vec<i32>,
}

impl Streams {
    fn serve(&mut self) -> io::Result<()> {
        self.accept();
        let mut done = Vec::new();
        loop {
            self.ring.turn(&mut done)?;
            for completion in &done {
                let fd = completion.user_data() as u32 as i32;
                match completion.user_data() & !0xffff_ffff {
                    ACCEPT => self.accepted(completion),
                    RECEIVE => self.received(fd, completion),
                    SEND => self.sent(fd, completion.result()),
                    _ => {} // A cancel; the receive it ended has its own completion.
                }
            }
            if self.ring.held < BUFFERS {
                for fd in std::mem::take(&mut self.starved) {
                    self.settle(fd);
                }
            }
        }
    }

    fn accept(&mut self) {
        let entry = opcode::AcceptMulti::new(Fd(self.listener.as_raw_fd())).build();
        self.ring.push(entry, ACCEPT);
    }

    fn accepted(&mut self, completion: &cqueue::Entry) {
        let fd = completion.result();
        if fd >= 0 {
            if self.streams.len() <= fd as usize {
                self.streams.resize_with(fd as usize + 1, Stream::default);
            }
            self.settle(fd);
        }
        if !cqueue::more(completion.flags()) {
            self.accept();
        }
    }

    fn received(&mut self, fd: i32, completion: &cqueue::Entry) {
        let (result, flags) = (completion.result(), completion.flags());
        let stream = &mut self.streams[fd as usize];
        stream.receiving = cqueue::more(flags);
        stream.canceling &= stream.receiving;
        if let Some(buffer) = self.ring.take(completion) {
            if result > 0 && !stream.ended {
                stream.answers.push_back((buffer, 0, result as u32));
                if stream.answers.len() == 1 {
                    self.send(fd);
                }
            } else {
                self.ring.lend(buffer);
            }
        }
        match -result {
            libc::ENOBUFS => self.starved.push(fd),
            libc::ECANCELED => self.settle(fd),
            _ => {
                self.streams[fd as usize].ended |= result <= 0;
                self.settle(fd);
            }
        }
    }

    fn send(&mut self, fd: i32) {
        let (buffer, first, last) = self.streams[fd as usize].answers[0];
        let address = self.ring.address(buffer).wrapping_add(first as usize);
        let entry = opcode::Send::new(Fd(fd), address, last - first)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        self.ring.push(entry, SEND | fd as u64);
    }

    fn sent(&mut self, fd: i32, result: i32) {
        let answers = &mut self.streams[fd as usize].answers;
        let (buffer, first, last) = &mut answers[0];
        *first += result.max(0) as u32;
        if result >= 0 && *first < *last {
            return self.send(fd);
        }
        let buffer = *buffer;
        answers.pop_front();
        self.ring.lend(buffer);
        if result < 0 {
            // The peer is gone: nothing more goes out, and the receive ends by its own error.
            let stream = &mut self.streams[fd as usize];
            stream.ended = true;
            for (buffer, ..) in std::mem::take(&mut stream.answers) {
                self.ring.lend(buffer);
            }
            // SAFETY: no pointers.
            unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
        } else if !answers.is_empty() {
            self.send(fd);
        }
        self.settle(fd);
    }

    /// Starts, stops or closes, as the state of the connection demands.
    fn settle(&mut self, fd: i32) {
        let stream = &mut self.streams[fd as usize];
        let waiting = stream.answers.len();
        if stream.ended && waiting == 0 && !stream.receiving {
            *stream = Stream::default();
            // SAFETY: nothing in the ring refers to the descriptor any more.
            unsafe { libc::close(fd) };
        } else if !stream.ended && !stream.receiving && waiting < WAITING {
            stream.receiving = true;
            let entry = opcode::RecvMulti::new(Fd(fd), GROUP).build();
            self.ring.push(entry, RECEIVE | fd as u64);
        } else if stream.receiving && !stream.canceling && waiting >= WAITING {
            stream.canceling = true;
            let entry = opcode::AsyncCancel::new(RECEIVE | fd as u64).build();
            self.ring.push(entry, CANCEL);
        }
    }
}
