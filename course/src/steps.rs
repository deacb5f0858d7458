//! The steps of the course.

use std::io;

use crate::scenes::{self, Play, Verdict};
use crate::server::Limit;

/// A program of the course.
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// Its program, and its file in `src/bin`.
    pub file: &'static str,
    /// What it is, in a few words.
    pub idea: &'static str,
    /// All of its file.
    pub source: &'static str,
    /// What brings it down. The next step holds.
    pub trap: Option<Trap>,
}

/// What brings a step down.
pub struct Trap {
    /// The client that does it.
    pub client: &'static str,
    /// What is seen then.
    pub fails: &'static str,
    /// What is seen of the next step.
    pub holds: &'static str,
    /// What the server is started under.
    pub limit: Limit,
    /// The client itself.
    pub scene: fn(&mut Play<'_>) -> io::Result<Verdict>,
}

impl Step {
    /// The step with this number.
    pub fn numbered(number: usize) -> Option<&'static Step> {
        STEPS.get(number.checked_sub(1)?)
    }

    /// The step that a reader means: by its number, or by its program.
    pub fn called(name: &str) -> Option<&'static Step> {
        match name.parse() {
            Ok(number) => Step::numbered(number),
            Err(_) => STEPS.iter().find(|step| step.file == name.trim_end_matches(".rs")),
        }
    }
}

macro_rules! step {
    ($number:literal, $file:literal, $idea:literal, $trap:expr) => {
        Step {
            number: $number,
            file: $file,
            idea: $idea,
            source: include_str!(concat!("bin/", $file, ".rs")),
            trap: $trap,
        }
    };
}

/// All of them, in order.
pub const STEPS: &[Step] = &[
    step!(
        1,
        "01-one-at-a-time",
        "one client at a time",
        Some(Trap {
            client: "says nothing",
            fails: "It hangs: whoever comes second waits until the first one goes.",
            holds: "It holds: the second one is answered, while the first one says nothing.",
            limit: Limit::None,
            scene: scenes::silent::one,
        })
    ),
    step!(
        2,
        "02-thread-each",
        "a thread for each client",
        Some(Trap {
            client: "comes 400 times",
            fails: "It dies: there is no room for one more stack, and with the process all clients go.",
            holds: "It holds: 400 clients on one thread, under the same limit.",
            limit: Limit::AddressSpace(256 * 1024),
            scene: scenes::crowds::many,
        })
    ),
    step!(
        3,
        "03-spinning",
        "non-blocking, asking everybody",
        Some(Trap {
            client: "does not come",
            fails: "It is busy: nobody is there, and it uses all the processor time there is.",
            holds: "It holds: nobody is there, and it sleeps.",
            limit: Limit::None,
            scene: scenes::idle::nobody,
        })
    ),
    step!(
        4,
        "04-poll",
        "poll(2)",
        Some(Trap {
            client: "says nothing, 1,000 times",
            fails: "It is slow: each message of one client costs a look at a thousand others.",
            holds: "It holds: a message costs what it cost, whoever else is connected.",
            limit: Limit::None,
            scene: scenes::crowds::dear,
        })
    ),
    step!(
        5,
        "05-level",
        "epoll, level-triggered",
        Some(Trap {
            client: "is one too many, and waits",
            fails: "It is busy: it is told again and again of a client that it cannot let in.",
            holds: "It holds: it was told once that a client is there. Nothing has changed, so it sleeps.",
            limit: Limit::Descriptors(scenes::crowds::FEW),
            scene: scenes::idle::one_too_many,
        })
    ),
    step!(
        6,
        "06-edge",
        "epoll, edge-triggered",
        Some(Trap {
            client: "sends 10 KiB at once",
            fails: "It hangs: the bytes are there, and nobody will tell it again.",
            holds: "It holds: what has come is read to its end.",
            limit: Limit::None,
            scene: scenes::streams::burst,
        })
    ),
    step!(
        7,
        "07-until-refused",
        "until refused, and a buffer",
        Some(Trap {
            client: "sends and does not read",
            fails: "It grows: whatever a client sends and does not read is in the server's memory.",
            holds: "It holds: the client has to wait, and no byte is lost.",
            limit: Limit::None,
            scene: scenes::streams::no_reader,
        })
    ),
    step!(
        8,
        "08-back-pressure",
        "back-pressure",
        Some(Trap {
            client: "ends before it has read",
            fails: "The answer is wrong: its last bytes are missing, and nothing says so.",
            holds: "It holds: what was owed at the end has been sent.",
            limit: Limit::None,
            scene: scenes::closing::half,
        })
    ),
    step!(
        9,
        "09-half-close",
        "two ends",
        Some(Trap {
            client: "sends a line without an end",
            fails: "The answer is destroyed: also all that was written and on its way.",
            holds: "It holds: all of the answer has arrived, and why it is the last one.",
            limit: Limit::None,
            scene: scenes::closing::reset,
        })
    ),
    step!(
        10,
        "10-lingering",
        "a lingering close, a timer",
        Some(Trap {
            client: "leaves, and another one comes",
            fails: "The wrong one is hit: a client was ended by the timer of one before it.",
            holds: "It holds: the timer found nobody that it was meant for.",
            limit: Limit::None,
            scene: scenes::closing::stale,
        })
    ),
    step!(
        11,
        "11-generations",
        "generations",
        Some(Trap {
            client: "is one too many, when another goes",
            fails: "It is deaf: a client waits, there is room for it, and nothing will tell.",
            holds: "It holds: as soon as there is room, the one that waited is let in.",
            limit: Limit::Descriptors(scenes::crowds::FEW),
            scene: scenes::crowds::too_many,
        })
    ),
    step!(
        12,
        "12-descriptors",
        "out of descriptors",
        Some(Trap {
            client: "floods",
            fails: "It is unfair: one line waits for the end of all the floods before it.",
            holds: "It holds: one line waits for a share of each flood, not for its end.",
            limit: Limit::None,
            scene: scenes::floods::whisper,
        })
    ),
    step!(13, "13-fairness", "fairness", None),
    step!(
        14,
        "14-datagrams",
        "datagrams",
        Some(Trap {
            client: "gives another's address as its own",
            fails: "It never ends: two servers answer each other for ever, and nobody has to do a thing.",
            holds: "It holds: some datagrams to and fro, then one without an answer, and both sleep.",
            limit: Limit::None,
            scene: scenes::floods::for_ever,
        })
    ),
    step!(15, "15-budget", "a budget of answers", None),
];
