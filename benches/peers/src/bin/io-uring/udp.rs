use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use io_uring::types::{Fd, RecvMsgOut};
use io_uring::{cqueue, opcode};

use crate::{BUFFERS, GROUP, RECEIVE, Ring, SEND};

/// Largest datagram, after what the kernel puts before it: its own header and the sender's address.
const SIZE: usize = 66 * 1024;

/// One multishot `recvmsg`; every answer is a `sendmsg` from the buffer of its question.
pub fn serve(socket: UdpSocket) -> io::Result<()> {
    let fd = Fd(socket.as_raw_fd());
    let mut ring = Ring::new(SIZE, SIZE + 192)?;
    // SAFETY: all zeroes is a valid value of these C structs.
    let (mut shape, iovec): (libc::msghdr, libc::iovec) = unsafe { std::mem::zeroed() };
    shape.msg_namelen = size_of::<libc::sockaddr_in6>() as u32;
    let mut headers = vec![(shape, iovec); usize::from(BUFFERS)];
    let receive = opcode::RecvMsgMulti::new(fd, &shape, GROUP).build();
    ring.push(receive.clone(), RECEIVE);
    let mut done = Vec::new();
    loop {
        ring.turn(&mut done)?;
        let mut again = false;
        for completion in &done {
            if completion.user_data() & SEND == SEND {
                ring.lend(completion.user_data() as u16);
                continue;
            }
            again |= !cqueue::more(completion.flags());
            let Some(buffer) = ring.take(completion) else { continue };
            let start = usize::from(buffer) * ring.stride;
            let Ok(message) = RecvMsgOut::parse(&ring.buffers[start..][..ring.size], &shape) else {
                ring.lend(buffer);
                continue;
            };
            let (header, iovec) = &mut headers[usize::from(buffer)];
            let (name, payload) = (message.name_data(), message.payload_data());
            iovec.iov_base = payload.as_ptr().cast_mut().cast();
            iovec.iov_len = payload.len();
            header.msg_iov = iovec;
            header.msg_iovlen = 1;
            header.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_namelen = name.len() as u32;
            ring.push(opcode::SendMsg::new(fd, header).build(), SEND | u64::from(buffer));
        }
        if again {
            ring.push(receive.clone(), RECEIVE);
        }
    }
}
