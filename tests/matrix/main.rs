//! The matrix: every promise of the crate's page, times every kind of source, times every way in, times every moment,
//! times everybody who turns the reactor. What it says is in `CONTRIBUTING.md`.
//!
//! ```sh
//! cargo test --test matrix                          # all of it, and its counts
//! cargo test --test matrix -- 5/mem/ edge-triggered # the cells whose names have all of these in them
//! cargo test --test matrix -- --list tcp/accepted   # no more than their names, and why there are no others
//! ```

#[path = "../again/mod.rs"]
mod again;
mod checks;
#[allow(dead_code, reason = "it is that of other tests, and only some of it is needed here")]
#[path = "../promises/does.rs"]
mod does;
mod fates;
mod faulty;
mod flows;
mod hosts;
mod memory;
mod moments;
mod peers;
mod promises;
mod report;
mod rough;
mod rows;
mod runner;
mod sources;
mod stage;
#[allow(dead_code, reason = "it is that of other tests, and only some of it is needed here")]
#[path = "../promises/support.rs"]
mod support;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    runner::main()
}
