//! What is compared: one entry a table.

/// One kind of load.
pub struct Discipline {
    pub name: &'static str,
    pub title: &'static str,
    pub load: Load,
    /// What `echoloop bench` is told.
    pub options: &'static [&'static str],
    /// Connections at a time need source addresses of their own: a port range each.
    pub many_ports: bool,
    /// Peers that can't do this, as their row says. They are left out.
    pub without: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// As much as the server can do, over streams.
    Streams,
    /// The same over datagrams. The reference is the bare epoll server in this mode.
    Datagrams(&'static str),
    /// At a rate that all can do: so many a second.
    Rate(u32),
    /// At half of what the slowest good peer can do in a closed loop.
    HalfRate,
    /// Connections that are only there.
    Idle,
    /// A little, now and then, beside floods.
    Whisper,
}

impl Discipline {
    /// The mode that the peers are started in.
    pub fn mode(&self) -> &'static str {
        if matches!(self.load, Load::Datagrams(_)) { "udp" } else { "tcp" }
    }
}

const THREADS: (&str, &str) = ("socketserver", "a thread for each connection");

pub const DISCIPLINES: [Discipline; 16] = [
    Discipline {
        options: &["-c", "1"],
        ..streams("tcp-1", "TCP, 64 bytes, closed loop, 1 connection")
    },
    Discipline {
        options: &["-c", "100"],
        ..streams("tcp-100", "TCP, 64 bytes, closed loop, 100 connections")
    },
    Discipline {
        options: &["-c", "1000"],
        ..streams("tcp-1k", "TCP, 64 bytes, closed loop, 1,000 connections")
    },
    Discipline {
        // One round of all connections takes a tenth of a second.
        options: &["-c", "10000", "--warmup", "1s"],
        many_ports: true,
        without: &[THREADS],
        ..streams("tcp-10k", "TCP, 64 bytes, closed loop, 10,000 connections")
    },
    Discipline {
        options: &["-c", "100", "--depth", "16"],
        ..streams("pipeline", "TCP, 64 bytes, 16 on their way on each of 100 connections")
    },
    Discipline {
        options: &["-c", "10", "-s", "64KiB"],
        ..streams("large", "TCP, 64 KiB, closed loop, 10 connections")
    },
    Discipline {
        options: &["-c", "10", "--churn"],
        many_ports: true,
        // Its processor time can't be told from outside once its threads have ended.
        without: &[THREADS],
        ..streams("churn", "TCP: connect, one echo of 64 bytes, close; 10 at a time")
    },
    Discipline {
        options: &["-c", "100"],
        load: Load::HalfRate,
        ..streams("half", "TCP, 64 bytes, 100 connections, half the rate of the slowest good peer")
    },
    Discipline {
        options: &["-c", "100"],
        load: Load::Rate(60_000),
        ..streams("open", "TCP, 64 bytes, 100 connections, 60,000 messages a second")
    },
    Discipline {
        load: Load::Idle,
        without: &[THREADS],
        ..streams("idle", "TCP, 15,000 idle connections, and one active among them")
    },
    Discipline {
        options: &["-c", "50", "--rate", "333"],
        load: Load::Whisper,
        ..streams("whisper", "TCP, 64 bytes every 3 ms, beside connections with 4 x 64 KiB on their way")
    },
    Discipline {
        options: &["-c", "64", "--depth", "8", "--no-offload"],
        ..datagrams("udp-64", "UDP, 64 bytes, 8 on their way on each of 64 sockets", "udp")
    },
    Discipline {
        options: &["-c", "64", "--depth", "8"],
        ..datagrams("udp-64-gso", "The same from a client with GSO and GRO", "udp")
    },
    Discipline {
        options: &["-c", "16", "--depth", "32", "-s", "1200"],
        ..datagrams(
            "udp-1200-gso",
            "UDP, 1,200 bytes, 32 on their way on each of 16 sockets, client with GSO and GRO",
            "udp",
        )
    },
    Discipline {
        options: &["-c", "500", "--no-offload"],
        ..datagrams("udp-many", "UDP, 64 bytes, one on its way on each of 500 sockets", "udp-plain")
    },
    Discipline {
        options: &["-c", "1", "--no-offload"],
        ..datagrams("udp-1", "UDP, 64 bytes, one on its way, one socket", "udp-plain")
    },
];

const fn streams(name: &'static str, title: &'static str) -> Discipline {
    let load = Load::Streams;
    Discipline { name, title, load, options: &[], many_ports: false, without: &[] }
}

const fn datagrams(name: &'static str, title: &'static str, reference: &'static str) -> Discipline {
    Discipline { load: Load::Datagrams(reference), ..streams(name, title) }
}
