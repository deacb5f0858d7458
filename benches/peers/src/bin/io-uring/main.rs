//! io_uring without a runtime: multishot accept and receive into provided buffers, answers sent
//! from the very buffer they arrived in. Not readiness but completion, so not a like-for-like peer;
//! it shows what the kernel's other interface gets out of the same machine.

mod tcp;
mod udp;

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue, squeue};

/// Buffers lent to the kernel; a power of two.
const BUFFERS: u16 = 1024;

const GROUP: u16 = 0;

/// What a completion is about: the upper half of its user data. The lower half is a descriptor or,
/// for datagrams, a buffer.
const ACCEPT: u64 = 1 << 32;
const RECEIVE: u64 = 2 << 32;
const SEND: u64 = 3 << 32;
const CANCEL: u64 = 4 << 32;

fn main() -> io::Result<()> {
    let (mode, address, _) = peers::arguments(&["tcp", "udp"]);
    if mode == "tcp" {
        tcp::serve(peers::tcp_listener(address)?)
    } else {
        udp::serve(peers::udp_socket(address)?)
    }
}

/// A ring, and the buffers lent to the kernel through it.
struct Ring {
    ring: IoUring,
    buffers: Vec<u8>,
    stride: usize,
    size: usize,
    /// Page-aligned, shared with the kernel: which buffers it may fill.
    lent: *mut BufRingEntry,
    tail: u16,
    /// Buffers that are ours at the moment.
    held: u16,
}

impl Ring {
    fn new(size: usize, stride: usize) -> io::Result<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(16 * 1024)
            .build(4096)?;
        let length = usize::from(BUFFERS) * size_of::<BufRingEntry>();
        // SAFETY: fresh anonymous memory, which nobody unmaps; the ring registers just that.
        let lent = unsafe {
            let (access, flags) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANONYMOUS | libc::MAP_PRIVATE);
            let memory = libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0);
            if memory == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            ring.submitter().register_buf_ring_with_flags(memory as u64, BUFFERS, GROUP, 0)?;
            memory.cast()
        };
        let buffers = vec![0; usize::from(BUFFERS) * stride];
        let mut this = Ring { ring, buffers, stride, size, lent, tail: 0, held: BUFFERS };
        (0..BUFFERS).for_each(|buffer| this.lend(buffer));
        Ok(this)
    }

    fn address(&mut self, buffer: u16) -> *mut u8 {
        self.buffers[usize::from(buffer) * self.stride..].as_mut_ptr()
    }

    /// Gives a buffer (back) to the kernel.
    fn lend(&mut self, buffer: u16) {
        let address = self.address(buffer);
        // SAFETY: the slot is inside the mapping, and the kernel looks at it only once the tail,
        // which it reads atomically, has passed it.
        unsafe {
            let slot = &mut *self.lent.add(usize::from(self.tail % BUFFERS));
            slot.set_addr(address as u64);
            slot.set_len(self.size as u32);
            slot.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.lent).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
        self.held -= 1;
    }

    /// The buffer that came with a completion, ours until it is lent again.
    fn take(&mut self, completion: &cqueue::Entry) -> Option<u16> {
        let buffer = cqueue::buffer_select(completion.flags())?;
        self.held += 1;
        Some(buffer)
    }

    fn push(&mut self, entry: squeue::Entry, user_data: u64) {
        let entry = entry.user_data(user_data);
        // SAFETY: everything an entry points to (buffers, headers) lives as long as the server.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.ring.submit().expect("submitting to our own ring");
        }
    }

    /// Submits what is queued, sleeps for completions, and moves them to `done`.
    fn turn(&mut self, done: &mut Vec<cqueue::Entry>) -> io::Result<()> {
        match self.ring.submit_and_wait(1) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        done.clear();
        done.extend(self.ring.completion());
        Ok(())
    }
}
