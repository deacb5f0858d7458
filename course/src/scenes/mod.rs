//! The clients that bring the steps down. Each shows what it does, and says whether the server held.
//!
//! Whether it did is decided by what clients got, or by what the kernel counted, and never by how fast it was.
//! Where a server has to be seen doing nothing at all, that is waited for shortly if it is what should
//! happen, and for long if it isn't: so a slow machine can't turn a server that holds into one that fails.

pub mod closing;
pub mod crowds;
pub mod floods;
pub mod idle;
pub mod silent;
pub mod streams;

use std::io;
use std::time::Duration;

use crate::server::{DEADLINE, Limit, Server};
use crate::stage::Stage;
use crate::steps::Step;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As the trap says.
    Fails,
    /// As the next step should.
    Holds,
}

/// A server, and where to show what becomes of it.
pub struct Play<'a> {
    /// Whose server it is.
    pub step: &'static Step,
    /// The server.
    pub server: Server,
    /// Where to show it.
    pub stage: &'a mut Stage,
    expected: Verdict,
}

impl Play<'_> {
    /// How long to wait for an answer that a server which holds gives.
    pub fn patience(&self) -> Duration {
        match self.expected {
            Verdict::Fails => Duration::from_millis(300),
            Verdict::Holds => DEADLINE,
        }
    }

    /// How long to wait for a sign that it fails.
    pub fn suspicion(&self) -> Duration {
        match self.expected {
            Verdict::Fails => DEADLINE,
            Verdict::Holds => Duration::from_millis(500),
        }
    }

    /// Shows it, with what the server is doing.
    pub fn show(&mut self, left: &str) -> io::Result<()> {
        let doing = self.server.doing();
        self.stage.show(left, &doing)
    }
}

/// Sets a client upon a server: the client of one step upon the server of this one or another.
///
/// # Errors
///
/// The machine doesn't allow the demonstration, or something else than the stated has happened.
pub fn play(
    trapped: &Step,
    step: &'static Step,
    expected: Verdict,
    stage: &mut Stage,
) -> io::Result<Verdict> {
    let Some(trap) = &trapped.trap else {
        return Err(io::Error::other(format!("step {} has no trap", trapped.number)));
    };
    let server = Server::start(step, trap.limit, &[])?;
    let about = match trap.limit {
        Limit::None => String::new(),
        Limit::AddressSpace(kib) => format!(", {} MiB of address space", kib / 1024),
        Limit::Descriptors(count) => format!(", {count} descriptors"),
    };
    stage.heading(
        &format!("Step {}, {}", step.number, step.idea),
        &format!("{}, process {}{about}", step.file, server.pid()),
    )?;
    let mut play = Play { step, server, stage, expected };
    (trap.scene)(&mut play)
}
