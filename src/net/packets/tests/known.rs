//! Senders that are known before they are asked for.

use std::os::fd::AsFd;

use super::udp::{peer, udp};
use super::*;

/// Where only one peer can be the sender it is not asked for, and the next socket's senders are known again, in the
/// same inbox; with control messages and without.
#[test]
fn a_sender_that_is_known_is_not_asked_for() {
    let (server, one, two) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    let (to, known) = (server.local_addr().unwrap(), peer(&one));
    let mut inbox = Inbox::new();
    for control in [false, true, false] {
        for names in [false, true, true, false] {
            for from in [&one, &two, &one] {
                from.send_to(b"text", to).unwrap();
            }
            let received = match names {
                true => inbox.receive(server.as_fd(), 32, control),
                false => inbox.receive_from(&known.address, server.as_fd(), 32, control),
            };
            assert_eq!(received.unwrap(), 3);
            let second = if names { peer(&two) } else { known };
            for (i, from) in [known, second, known].into_iter().enumerate() {
                let message = inbox.message(i);
                assert_eq!(
                    (message.from, message.bytes),
                    (&from, &b"text"[..]),
                    "{control} {names}"
                );
            }
        }
    }
}
