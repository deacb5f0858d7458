//! What is made to fail, and what may come of it.
//!
//! An error stands here if the manual page of the call has it, or that of the protocol behind it (tcp(7), udp(7),
//! ip(7), unix(7)), and if it can come to a program that passes valid descriptors, pointers and lengths: those
//! that blame the caller (`EBADF`, `EFAULT`, `EINVAL`, `ENOTSOCK`, ...) don't. A call that is made to fail isn't made
//! at all, so what the kernel would have done besides has not happened; where that makes the error a lie, it
//! isn't here either, but in [`LIES`].

/// Whom an error may harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nobody: the call is made again, or wasn't needed, or waits for better times.
    None,
    /// Whoever is at the other end of the descriptor may lose its connection.
    Peer,
    /// Datagrams may be lost.
    Datagrams,
}

/// Who talks to the server meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Load {
    Streams,
    Datagrams,
}

/// A call that the server makes for its clients, and how it can fail.
pub(crate) struct Row {
    pub(crate) call: &'static str,
    pub(crate) load: Load,
    /// The first two are those that the gate looks at.
    pub(crate) errors: &'static [(&'static str, Harm)],
}

use Harm::{Datagrams as Lost, None as Nobody, Peer};

const fn row(call: &'static str, load: Load, errors: &'static [(&'static str, Harm)]) -> Row {
    Row { call, load, errors }
}

/// While it serves.
pub(crate) const SERVING: &[Row] = &[
    // "Linux accept() passes already-pending network errors on the new socket": they concern one client, and the
    // next one may be waiting behind it.
    row(
        "accept4",
        Load::Streams,
        &[
            ("EMFILE", Nobody),
            ("ECONNABORTED", Nobody),
            ("ENFILE", Nobody),
            ("ENOBUFS", Nobody),
            ("ENOMEM", Nobody),
            ("EINTR", Nobody),
            ("EPERM", Nobody),
            ("EPROTO", Nobody),
            ("ENETDOWN", Nobody),
            ("ENOPROTOOPT", Nobody),
            ("EHOSTDOWN", Nobody),
            ("ENONET", Nobody),
            ("EHOSTUNREACH", Nobody),
            ("EOPNOTSUPP", Nobody),
            ("ENETUNREACH", Nobody),
            ("ENOSR", Nobody),
            ("ESOCKTNOSUPPORT", Nobody),
            ("EPROTONOSUPPORT", Nobody),
            ("ETIMEDOUT", Nobody),
        ],
    ),
    row("epoll_ctl", Load::Streams, &[("ENOMEM", Peer), ("ENOSPC", Peer)]),
    row("epoll_wait", Load::Streams, &[("EINTR", Nobody)]),
    row("epoll_wait", Load::Datagrams, &[("EINTR", Nobody)]),
    row(
        "recvfrom",
        Load::Streams,
        &[
            ("ECONNRESET", Peer),
            ("EINTR", Nobody),
            ("ETIMEDOUT", Peer),
            ("EHOSTUNREACH", Peer),
            ("ENETUNREACH", Peer),
            ("ECONNREFUSED", Peer),
            ("EPIPE", Peer),
            ("ENOMEM", Peer),
            ("ENOBUFS", Peer),
            ("ENOTCONN", Peer),
        ],
    ),
    row(
        "recvmsg",
        Load::Streams,
        &[("ECONNRESET", Peer), ("EINTR", Nobody), ("ENOMEM", Peer), ("ENOBUFS", Peer)],
    ),
    row(
        "sendto",
        Load::Streams,
        &[
            ("EPIPE", Peer),
            ("EINTR", Nobody),
            ("ECONNRESET", Peer),
            ("ETIMEDOUT", Peer),
            ("EHOSTUNREACH", Peer),
            ("ENETUNREACH", Peer),
            ("ENETDOWN", Peer),
            ("ENOBUFS", Peer),
            ("ENOMEM", Peer),
            ("EPERM", Peer),
            ("EACCES", Peer),
            ("ENOTCONN", Peer),
        ],
    ),
    // The news that a datagram didn't arrive comes by the next call, whichever it is, and says nothing about
    // that one.
    row(
        "recvmmsg",
        Load::Datagrams,
        &[
            ("ECONNREFUSED", Nobody),
            ("ENOMEM", Nobody),
            ("EAGAIN", Lost),
            ("EINTR", Nobody),
            ("ENOBUFS", Nobody),
            ("EHOSTUNREACH", Nobody),
            ("ENETUNREACH", Nobody),
            ("ENETDOWN", Nobody),
            ("EMSGSIZE", Nobody),
            ("EPROTO", Nobody),
        ],
    ),
    row("sendto", Load::Datagrams, SENDING),
    row("sendmsg", Load::Datagrams, SENDING),
    row("sendmmsg", Load::Datagrams, SENDING),
    row("poll", Load::Streams, &[("EINTR", Nobody), ("ENOMEM", Nobody)]),
    row("getsockopt", Load::Streams, &[("ENOBUFS", Nobody), ("EPERM", Nobody)]),
    row("setsockopt", Load::Streams, &[("ENOMEM", Nobody), ("EPERM", Nobody), ("ENOBUFS", Nobody)]),
    row("shutdown", Load::Streams, &[("ENOTCONN", Peer), ("ENOBUFS", Peer)]),
    row("close", Load::Datagrams, &[("EIO", Nobody), ("EINTR", Nobody)]),
    row("munmap", Load::Datagrams, &[("ENOMEM", Nobody)]),
    row(
        "unlink",
        Load::Streams,
        &[
            ("EACCES", Nobody),
            ("ENOENT", Nobody),
            ("EROFS", Nobody),
            ("EPERM", Nobody),
            ("EBUSY", Nobody),
            ("EIO", Nobody),
            ("ENOMEM", Nobody),
        ],
    ),
    row("statx", Load::Streams, &[("EACCES", Nobody), ("ENOENT", Nobody), ("ENOMEM", Nobody)]),
    row("flock", Load::Streams, &[("EINTR", Nobody), ("ENOLCK", Nobody)]),
];

/// No room is no room: the datagram is dropped, as the network would. Any other error may be late news of an
/// earlier datagram, and this one is sent once more.
const SENDING: &[(&str, Harm)] = &[
    ("ENOBUFS", Lost),
    ("ECONNREFUSED", Nobody),
    ("EAGAIN", Lost),
    ("EINTR", Nobody),
    ("ENOMEM", Nobody),
    ("EPERM", Nobody),
    ("EACCES", Nobody),
    ("EHOSTUNREACH", Nobody),
    ("ENETUNREACH", Nobody),
    ("ENETDOWN", Nobody),
    ("EMSGSIZE", Nobody),
    ("ECONNRESET", Nobody),
    ("EPIPE", Nobody),
];

/// Made before it serves. It may not come to that, but then it says why, and leaves nothing behind.
pub(crate) const STARTING: &[(&str, &[&str])] = &[
    ("epoll_create1", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("eventfd2", &["EMFILE", "ENFILE", "ENOMEM", "ENODEV"]),
    ("epoll_ctl", &["ENOSPC", "ENOMEM"]),
    ("socketpair", &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]),
    ("rt_sigaction", &["EPERM"]),
    ("socket", &["EMFILE", "EACCES", "ENFILE", "ENOBUFS", "ENOMEM", "EAFNOSUPPORT"]),
    ("bind", &["EADDRINUSE", "EACCES", "EADDRNOTAVAIL", "EROFS", "ENOMEM", "ENOTDIR", "ENOBUFS"]),
    ("listen", &["EADDRINUSE", "ENOBUFS"]),
    ("connect", &["EACCES", "ENETUNREACH", "EAGAIN", "EINTR", "EPERM", "ECONNREFUSED"]),
    ("setsockopt", &["ENOPROTOOPT", "ENOMEM", "ENOBUFS", "EPERM", "EACCES"]),
    ("getsockopt", &["ENOBUFS", "EPERM"]),
    ("getsockname", &["ENOBUFS", "EPERM"]),
    ("openat", &["EMFILE", "EACCES", "ENFILE", "ENOSPC", "EROFS", "EDQUOT", "EINTR", "ENOMEM"]),
    ("statx", &["EACCES", "ENOENT", "ENOMEM"]),
    ("flock", &["EAGAIN", "ENOLCK", "EINTR"]),
    ("fcntl", &["EMFILE", "EINTR"]),
    ("getrandom", &["EINTR"]),
    ("munmap", &["ENOMEM"]),
];

/// Made by the programs that connect.
pub(crate) const CONNECTING: &[(&str, &[&str])] = &[
    (
        "connect",
        &["ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "EADDRNOTAVAIL", "EAGAIN", "EACCES"],
    ),
    ("socket", &["EMFILE", "ENOBUFS", "EAFNOSUPPORT", "EACCES"]),
    ("recvfrom", &["ECONNRESET", "ETIMEDOUT", "EINTR", "ENOMEM"]),
    ("recvmsg", &["ECONNRESET", "ENOMEM", "EINTR"]),
    ("recvmmsg", &["ECONNREFUSED", "ENOMEM", "EINTR", "EHOSTUNREACH"]),
    ("sendto", &["EPIPE", "ENOBUFS", "ECONNRESET", "EINTR", "EPERM", "ENETUNREACH"]),
    ("sendmsg", &["ENOBUFS", "ECONNREFUSED", "EAGAIN", "EPERM"]),
    ("sendmmsg", &["ENOBUFS", "ECONNREFUSED", "EAGAIN", "EPERM"]),
    ("epoll_create1", &["EMFILE", "ENOMEM"]),
    ("epoll_ctl", &["ENOSPC", "ENOMEM"]),
    ("epoll_wait", &["EINTR"]),
    ("eventfd2", &["EMFILE"]),
    ("socketpair", &["EMFILE", "ENOBUFS"]),
    ("bind", &["EADDRINUSE", "EADDRNOTAVAIL", "EACCES"]),
    ("setsockopt", &["ENOPROTOOPT", "ENOMEM", "EPERM"]),
    ("getsockopt", &["ENOBUFS", "EPERM"]),
    ("getsockname", &["ENOBUFS"]),
    ("getpeername", &["ENOTCONN", "ENOBUFS"]),
    ("shutdown", &["ENOTCONN"]),
    ("close", &["EIO", "EINTR"]),
    ("clone3", &["EAGAIN", "ENOMEM"]),
    ("poll", &["EINTR", "ENOMEM"]),
    ("write", &["ENOSPC", "EINTR", "EIO"]),
];

/// Calls that aren't made to fail, and why.
///
/// Of the others, `EAGAIN` by what reads or writes a stream, or accepts, isn't made up either. On an edge-triggered
/// poller it promises an event as soon as it isn't true any more; made up, nothing has become false that could
/// become true, and one would wait for ever. Of a datagram it can be true: one with a wrong checksum is
/// announced, and then isn't there (select(2), BUGS).
pub(crate) const LIES: &[(&str, &str)] = &[
    (
        "mmap",
        "memory that can't be had ends any Rust program; the kernel rather promises too much of it",
    ),
    ("mremap", "as mmap"),
    (
        "brk",
        "has no errors: it says where the memory ends now, and the C library takes some elsewhere",
    ),
    (
        "close",
        "of a connection: it is released whatever is said, close(2), but not if nothing is called",
    ),
    (
        "write",
        "while it serves the wake-up counter's, which is never full; of standard output see tests/standard_streams.rs; and \
         EPIPE there means that nobody wants to know any more",
    ),
    ("madvise", "advice, and never that of ours"),
    ("mprotect", "the stacks of threads and the C library; none of ours"),
    (
        "read",
        "of descriptors that are always ready: files while the program starts, and the wake-up counter",
    ),
    (
        "fcntl",
        "while it serves only F_GETFD, by which debug builds of std check a descriptor they close: never fails",
    ),
    ("exit_group", "never returns"),
    ("rt_sigreturn", "never returns"),
    ("rt_sigprocmask", "fails only for a wrong argument"),
    ("sigaltstack", "fails only for a wrong argument, or for too small a stack"),
    ("futex", "the C library's own; what it may say means to look again"),
    ("getpid", "never fails"),
    ("gettid", "never fails"),
    ("sched_yield", "never fails"),
];
