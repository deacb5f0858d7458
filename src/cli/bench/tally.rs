//! What is counted, and how long it took.

use std::io;
use std::ops::AddAssign;

use echoloop::Cause;
use hdrhistogram::Histogram;

/// The longest time that is told from longer ones: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// Times in nanoseconds with three significant digits, from one nanosecond to an hour: 270 KiB,
/// however many there are.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("these bounds make sense")
}

/// The histograms of a run.
#[derive(Clone)]
pub(super) struct Times {
    /// From when a message was to be sent, to its reply. In a closed loop that is when it was sent.
    pub(super) answered: Histogram<u64>,
    /// The same for those that never had a reply, to when nobody waited any longer: at least the timeout.
    pub(super) unanswered: Histogram<u64>,
    /// From when it was sent in fact. Only in an open loop is there a difference.
    pub(super) uncorrected: Histogram<u64>,
    /// From the order to connect to the connection.
    pub(super) connect: Histogram<u64>,
    /// How late the schedule of an open loop ran, by our own fault.
    pub(super) late: Histogram<u64>,
}

impl Times {
    pub(super) fn new() -> Times {
        Times {
            answered: histogram(),
            unanswered: histogram(),
            uncorrected: histogram(),
            connect: histogram(),
            late: histogram(),
        }
    }

    pub(super) fn clear(&mut self) {
        for (_, histogram) in self.named_mut() {
            if !histogram.is_empty() {
                histogram.reset();
            }
        }
    }

    /// Empties all but that of the connections: what they hold wasn't measured.
    pub(super) fn forget_messages(&mut self) {
        let all = [&mut self.answered, &mut self.unanswered, &mut self.uncorrected, &mut self.late];
        all.into_iter().for_each(Histogram::reset);
    }

    /// Each of them with its name for machines.
    pub(super) fn named(&self) -> [(&'static str, &Histogram<u64>); 5] {
        [
            ("answered", &self.answered),
            ("unanswered", &self.unanswered),
            ("uncorrected", &self.uncorrected),
            ("connect", &self.connect),
            ("late", &self.late),
        ]
    }

    pub(super) fn named_mut(&mut self) -> [(&'static str, &mut Histogram<u64>); 5] {
        let Times { answered, unanswered, uncorrected, connect, late } = self;
        [
            ("answered", answered),
            ("unanswered", unanswered),
            ("uncorrected", uncorrected),
            ("connect", connect),
            ("late", late),
        ]
    }

    /// What whoever sent a message has met, with a reply or without.
    pub(super) fn latency(&self) -> Histogram<u64> {
        let mut latency = self.answered.clone();
        latency.add(&self.unanswered).expect("all histograms have the same bounds");
        latency
    }

    pub(super) fn add(&mut self, other: &Times) {
        for ((_, ours), (_, theirs)) in self.named_mut().into_iter().zip(other.named()) {
            if !theirs.is_empty() {
                ours.add(theirs).expect("all histograms have the same bounds");
            }
        }
    }
}

macro_rules! counts {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $words:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $($(#[$field_doc])* pub(super) $field: u64,)*
        }

        impl $name {
            /// The name for machines, the words for people, the count.
            pub(super) fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($field), $words, self.$field),)*]
            }

            /// The same to be written to.
            pub(super) fn by_name(&mut self) -> Vec<(&'static str, &mut u64)> {
                vec![$((stringify!($field), &mut self.$field),)*]
            }
        }

        impl AddAssign<&$name> for $name {
            fn add_assign(&mut self, other: &$name) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counts! {
    /// Everything that went wrong, by kind.
    Errors {
        /// Replies that differ from what was sent.
        wrong: "wrong replies",
        /// Bytes or datagrams that nobody had asked for.
        surplus: "replies to nothing",
        /// Datagrams of one socket that were sent to another.
        misdelivered: "replies that belong to another socket",
        refused: "connections refused",
        timed_out: "connections that took too long",
        no_ports: "connections without a free local port",
        reset: "connections reset",
        ended: "connections ended by the server",
        failed: "other failures",
        /// Sent, and the connection went, or the run did.
        unanswered: "messages without a reply",
        /// Due in an open loop, and never sent.
        unsent: "messages that could not be sent",
        /// Datagrams without a reply in time.
        lost: "datagrams lost",
        /// The same, and the reply came later. They are counted as lost too.
        late: "datagrams that came too late",
        duplicates: "datagrams received twice",
        reordered: "datagrams out of order",
        /// What an earlier run was answered too late.
        stale: "datagrams of an earlier run",
        unreachable: "datagrams that could not be delivered",
    }
}

impl Errors {
    pub(super) fn total(&self) -> u64 {
        self.rows().iter().map(|(.., count)| count).sum()
    }

    /// Those that say that the server is wrong, not merely slow, full or far away.
    pub(super) fn faults(&self) -> u64 {
        self.wrong + self.surplus + self.misdelivered
    }

    /// A connection that is not there any more, or never was.
    pub(super) fn gone(&mut self, cause: &Cause) {
        *match cause {
            Cause::Ended | Cause::Closed => &mut self.ended,
            Cause::ConnectFailed(error) | Cause::Failed(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => &mut self.refused,
                io::ErrorKind::TimedOut => &mut self.timed_out,
                io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => &mut self.no_ports,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionAborted => &mut self.reset,
                _ => &mut self.failed,
            },
            _ => &mut self.failed,
        } += 1;
    }
}

/// What became of connections, beyond the kinds of errors.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// Those that never were there, and why the first wasn't.
    pub(super) not_made: u64,
    pub(super) why_not_made: Option<String>,
    /// Those that were, and went without our doing; why the first did, and how many before the measured
    /// time.
    pub(super) gone: u64,
    pub(super) why_gone: Option<String>,
    pub(super) gone_before: u64,
    /// When the first of the others went, in nanoseconds of the measured time.
    pub(super) first_gone: Option<u64>,
    /// Those that still owed replies when nobody waited any longer, and how many replies.
    pub(super) silent: u64,
    pub(super) owed: u64,
    /// Whether a number of replies wasn't waited for any longer, as none came on any of them.
    pub(super) fell_silent: bool,
}

impl Trouble {
    fn add(&mut self, other: &Trouble) {
        let first = |ours: &mut Option<String>, theirs: &Option<String>| {
            *ours = ours.take().or(theirs.clone());
        };
        self.not_made += other.not_made;
        first(&mut self.why_not_made, &other.why_not_made);
        self.gone += other.gone;
        first(&mut self.why_gone, &other.why_gone);
        self.gone_before += other.gone_before;
        self.first_gone = self.first_gone.into_iter().chain(other.first_gone).min();
        self.silent += other.silent;
        self.owed += other.owed;
        self.fell_silent |= other.fell_silent;
    }
}

/// What one worker, or all of them, have done in the measured time.
#[derive(Clone)]
pub(super) struct Tally {
    /// Replies that were right.
    pub(super) messages: u64,
    /// Connections that were made.
    pub(super) connects: u64,
    pub(super) trouble: Trouble,
    pub(super) errors: Errors,
    pub(super) times: Times,
    /// In words, what was wrong with the first wrong reply.
    pub(super) first_fault: Option<String>,
    /// The first error of the system that was none of the usual ones, or the usual one.
    pub(super) first_error: Option<String>,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            messages: 0,
            connects: 0,
            trouble: Trouble::default(),
            errors: Errors::default(),
            times: Times::new(),
            first_fault: None,
            first_error: None,
        }
    }

    pub(super) fn add(&mut self, other: Tally) {
        self.messages += other.messages;
        self.connects += other.connects;
        self.trouble.add(&other.trouble);
        self.errors += &other.errors;
        self.times.add(&other.times);
        self.first_fault = self.first_fault.take().or(other.first_fault);
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// Forgets what became of messages so far: it wasn't measured. What was wrong remains wrong.
    pub(super) fn forget_messages(&mut self) {
        self.messages = 0;
        self.times.forget_messages();
        let errors = &mut self.errors;
        (errors.unanswered, errors.unsent) = (0, 0);
        (errors.lost, errors.late, errors.unreachable) = (0, 0, 0);
        (errors.duplicates, errors.reordered) = (0, 0);
        (self.trouble.silent, self.trouble.owed) = (0, 0);
    }

    /// A connection that could not be made.
    pub(super) fn not_made(&mut self, cause: &Cause) {
        self.trouble.not_made += 1;
        self.trouble.why_not_made.get_or_insert_with(|| cause.to_string());
        self.errors.gone(cause);
        self.first_error.get_or_insert_with(|| cause.to_string());
    }

    /// A connection that is not there any more, lost so long after the measured time began, if it had.
    pub(super) fn gone(&mut self, cause: &Cause, after: Option<u64>) {
        self.trouble.gone += 1;
        self.trouble.why_gone.get_or_insert_with(|| cause.to_string());
        match (after, &mut self.trouble.first_gone) {
            (None, _) => self.trouble.gone_before += 1,
            (Some(after), first) => drop(first.get_or_insert(after)),
        }
        self.errors.gone(cause);
        self.first_error.get_or_insert_with(|| cause.to_string());
    }

    /// Bytes that nobody had asked for.
    pub(super) fn surplus(&mut self, what: impl FnOnce() -> String) {
        self.errors.surplus += 1;
        self.first_fault.get_or_insert_with(what);
    }

    /// A reply that can't be right.
    pub(super) fn wrong(&mut self, what: impl FnOnce() -> String) {
        self.errors.wrong += 1;
        self.first_fault.get_or_insert_with(what);
    }
}
