//! What is read from others, under bytes that nobody would send: a function for each kind, which panics if what
//! must hold doesn't. cargo-fuzz makes up the bytes, `fuzz_targets`; and `cargo test` replays what it has found,
//! `corpus`.
//!
//! | target | what it is given, and what must hold |
//! |---|---|
//! | `lines`, `frames` | a stream: however it is cut, the messages are those that a naive reader finds |
//! | `endpoints`, `prefixes` | a text: what is shown of it parses again; a prefix holds what its bits say |
//! | `proxy` | the beginning of a connection: no beginning of a header passes, and a naive reader finds the same |
//! | `control` | control messages and a name, as the kernel writes them: found as cmsg(3) says |
//! | `machine` | what the kernel answers and the service does: nothing is lost, the limits hold, it comes to an end |
//! | `worlds` | chance for a whole simulated run: the same |
//! | `units` | a number with a unit: what exact arithmetic says |
//! | `request` | an HTTP request: however it is cut, it is the same |
//! | `trace` | a recording: its page holds what it held |
//! | `results` | saved results of the load generator: read, merged, written and read again |

#[expect(dead_code, unused_imports, reason = "of the program only its parsers are used")]
#[path = "../../src/cli/mod.rs"]
mod cli;
mod control;
mod dice;
mod endpoints;
mod frames;
mod lines;
mod machine;
mod prefixes;
mod program;
mod proxy;
mod worlds;

pub use control::control;
pub use endpoints::endpoints;
pub use frames::frames;
pub use lines::lines;
pub use machine::machine;
pub use prefixes::prefixes;
pub use program::{request, results, trace, units};
pub use proxy::proxy;
pub use worlds::worlds;

/// What is done with some bytes.
pub type Target = fn(&[u8]);

/// Each target by its name.
pub const TARGETS: [(&str, Target); 12] = [
    ("control", control),
    ("endpoints", endpoints),
    ("frames", frames),
    ("lines", lines),
    ("machine", machine),
    ("prefixes", prefixes),
    ("proxy", proxy),
    ("request", request),
    ("results", results),
    ("trace", trace),
    ("units", units),
    ("worlds", worlds),
];

/// The program around a target: libFuzzer's, or else one that replays the files that it is given.
#[macro_export]
macro_rules! fuzz {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|input: &[u8]| echoloop_fuzz::$target(input));

        #[cfg(not(fuzzing))]
        fn main() {
            for path in std::env::args_os().skip(1) {
                let input = std::fs::read(&path).expect("a file to replay");
                echoloop_fuzz::$target(&input);
                println!("{}: nothing found", path.display());
            }
        }
    };
}
