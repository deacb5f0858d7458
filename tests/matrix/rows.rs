//! The rows of each dimension. A new one is a line here, and what the compiler then asks for.

/// An enumeration that can be walked, each of whose values has a name on the page and on the command line.
macro_rules! rows {
    ($(#[$doc:meta])* $rows:ident { $($(#[$note:meta])* $row:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $rows { $($(#[$note])* $row,)* }

        impl $rows {
            pub(crate) const ALL: &[$rows] = &[$($rows::$row,)*];

            pub(crate) fn name(self) -> &'static str {
                match self { $($rows::$row => $name,)* }
            }
        }
    };
}

rows! {
    /// What the source is.
    Kind {
        Tcp = "tcp",
        Unix = "unix",
        Pair = "pair",
        PipeIn = "pipe-in",
        PipeOut = "pipe-out",
        Terminal = "terminal",
        FileIn = "file-in",
        FileOut = "file-out",
        Mem = "mem",
        Udp = "udp",
        UdpConnected = "udp-connected",
        UnixGram = "unixgram",
        UnixGramConnected = "unixgram-connected",
        MemGram = "memgram",
        MemGramConnected = "memgram-connected",
        TcpListener = "tcp-listener",
        UnixListener = "unix-listener",
        MemListener = "mem-listener",
    }
}

rows! {
    /// How it comes into the reactor.
    Way {
        Accepted = "accepted",
        Dialled = "dialled",
        Adopted = "adopted",
        /// Detached as soon as it is there, and adopted again.
        HandedOver = "handed-over",
        Listened = "listened",
        ListenedOn = "listened-on",
        /// In its first way, and then put into the background.
        Background = "background",
    }
}

rows! {
    /// When it comes.
    Moment {
        BeforeRun = "before-run",
        BetweenTurns = "between-turns",
        ByHandle = "by-handle",
        Told = "told",
        Opened = "in-opened",
        Received = "in-received",
        Ended = "in-ended",
        Writable = "in-writable",
        Closed = "in-closed",
        Datagram = "in-datagram",
        Unreachable = "in-unreachable",
        Timer = "in-timer",
        FullTable = "full-table",
        NoDescriptors = "no-descriptors",
        /// In the turn in which the reactor is asked to stop.
        Asked = "asked-to-stop",
        /// When all that had arrived has been served, and everybody has been told.
        Stopping = "stopping",
        InStopping = "in-stopping",
        AfterStop = "after-stop",
    }
}

rows! {
    /// Who turns the reactor.
    Driver {
        Run = "run",
        Turns = "turns",
        Level = "level-triggered",
        Edge = "edge-triggered",
    }
}

/// How bytes go through a source of a kind. In each case something is put in at one side, and is to come out at
/// the other, the same and in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The peer sends, the service gives back, the peer has it.
    Echo,
    /// The peer sends, the service has it.
    In,
    /// The service sends, the peer has it.
    Out,
    /// The peer sends datagrams, and the service replies.
    Asked,
    /// The service sends datagrams, the peer replies, and the service has them.
    Asks,
}

impl Kind {
    pub(crate) fn flow(self) -> Flow {
        use Kind::*;

        match self {
            PipeIn | FileIn => Flow::In,
            PipeOut | FileOut => Flow::Out,
            Udp | UnixGram | MemGram => Flow::Asked,
            UdpConnected | UnixGramConnected | MemGramConnected => Flow::Asks,
            Tcp | Unix | Pair | Terminal | Mem => Flow::Echo,
            TcpListener | UnixListener | MemListener => Flow::Echo, // Of what it accepts.
        }
    }

    pub(crate) fn is_datagrams(self) -> bool {
        matches!(self.flow(), Flow::Asked | Flow::Asks)
    }

    pub(crate) fn is_listener(self) -> bool {
        matches!(self, Kind::TcpListener | Kind::UnixListener | Kind::MemListener)
    }

    pub(crate) fn is_in_memory(self) -> bool {
        use Kind::*;

        matches!(self, Mem | MemListener | MemGram | MemGramConnected)
    }

    pub(crate) fn is_file(self) -> bool {
        matches!(self, Kind::FileIn | Kind::FileOut)
    }

    /// Whether the peer finds an end behind the last byte.
    pub(crate) fn tells_the_end(self) -> bool {
        !self.is_datagrams() && !matches!(self, Kind::FileOut | Kind::FileIn | Kind::PipeIn)
    }

    /// How many bytes find room between the two sides, whoever reads.
    pub(crate) fn room(self) -> usize {
        if self == Kind::Terminal { 3_000 } else { 30_000 } // A terminal has a page.
    }

    /// The ways in that there are for it; the first one is also that into the background.
    fn ways(self) -> &'static [Way] {
        use Kind::*;
        use Way::*;

        match self {
            Tcp | Unix => &[Accepted, Dialled, Adopted, HandedOver],
            Mem => &[Accepted, Dialled],
            Pair | PipeIn | PipeOut | Terminal | FileIn | FileOut => &[Adopted, HandedOver],
            Udp | UnixGram | TcpListener | UnixListener => &[Listened, ListenedOn],
            UdpConnected | UnixGramConnected => &[Dialled, ListenedOn],
            MemGram | MemListener => &[Listened],
            MemGramConnected => &[Dialled],
        }
    }

    /// The way in, where there is one.
    pub(crate) fn by(self, way: Way) -> Result<Way, &'static str> {
        match way {
            Way::Background => Ok(self.ways()[0]),
            way if self.ways().contains(&way) => Ok(way),
            Way::Adopted | Way::HandedOver | Way::ListenedOn if self.is_in_memory() => {
                Err("what is in memory has no descriptor")
            }
            Way::Accepted | Way::Dialled => Err("no listener has such sources for its clients"),
            Way::Listened => Err("it doesn't listen, and isn't bound"),
            Way::Adopted | Way::HandedOver => Err("only streams are adopted"),
            Way::ListenedOn => Err("only listeners and datagram sockets are listened on"),
        }
    }
}

impl Moment {
    /// Whether the reactor has been asked to stop by then.
    pub(crate) fn is_in_a_stop(self) -> bool {
        matches!(self, Moment::Asked | Moment::Stopping | Moment::InStopping)
    }
}
