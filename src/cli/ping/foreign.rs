//! Options of ping(8) that have no meaning here, or another name.

use crate::cli::foreign::Known;

/// Programs that ping.
#[derive(Debug)]
pub(super) struct Pings;

impl Known for Pings {
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("-3", "-3 is not needed: times always have three digits"),
        ("-A", "-A sends when a reply has come; say -f or --flood"),
        ("-C", "-C is not needed: the socket is always connected"),
        ("-I", "-I is not there: the system chooses the address to send from"),
        ("-M", "-M is for single packets; a message may be cut into any here"),
        ("-Q", "-Q is not there: packets have the type of service that the system gives them"),
        ("-R", "-R is for single packets; say traceroute for the way that they take"),
        ("-S", "-S is not there: the send buffer is the system's"),
        ("-T", "-T is for single packets; for the time before each line say -D or --timestamps"),
        ("-U", "-U is not needed: times are those of a program, from sending to having read"),
        ("-a", "-a rings a bell, which is not there"),
        ("-b", "-b is not there: nobody answers broadcasts here"),
        ("-l", "-l sends several at once: say a short -i, or bench with --depth"),
        ("-m", "-m is not there: packets are not marked"),
        (
            "-p",
            "-p is not there: messages are random bytes, and each reply is compared with its own",
        ),
        ("-r", "-r is not there: the system's routes are used"),
        (
            "-t",
            "-t is the hops that a packet may take, and on some systems a time: for that say -w or \
             --deadline",
        ),
        ("--ttl", "--ttl is not there: packets may take the hops that the system allows"),
    ];
}
