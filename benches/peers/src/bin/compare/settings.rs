//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::disciplines::{DISCIPLINES, Discipline, Load};
use crate::servers::{self, PEERS, Peer};
use crate::{Failure, root};

pub const USAGE: &str = "\
Builds echoloop and its peers, loads them in turn, and prints tables in Markdown.

usage: compare [DISCIPLINE...] [OPTIONS]

  --only PEER,PEER   these, and bare epoll [default: all that were built]
  --quick            3 rounds of half a second, to see that it works
  --rounds N         rounds [default: 6]
  --seconds N        length of a run [default: 2]
  --tries N          runs that others disturb are made again, until there are so many [default: 3]
  --cpus N,N         the processor of the servers, and that of the generator [default: 0,1]
  --echoloop PATH    this echoloop, instead of building one; it makes the load too
  --no-build         what was built before
";

/// What the command line asks for.
pub struct Settings {
    pub disciplines: Vec<&'static Discipline>,
    only: Vec<String>,
    pub rounds: usize,
    /// How often a run that was disturbed is made, at most.
    pub tries: usize,
    /// Of one run, without its warm-up.
    pub length: Duration,
    pub server_cpu: usize,
    pub generator_cpu: usize,
    pub build_echoloop: bool,
    pub build_peers: bool,
    /// The program that serves, and makes the load.
    pub echoloop: PathBuf,
    /// The directory that the peers are in.
    pub peers: PathBuf,
}

impl Settings {
    /// Reads the command line.
    pub fn from_arguments() -> Result<Settings, Failure> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = target.unwrap_or_else(|| root().join("target"));
        let mut settings = Settings {
            disciplines: Vec::new(),
            only: Vec::new(),
            rounds: 6,
            tries: 3,
            length: Duration::from_secs(2),
            server_cpu: 0,
            generator_cpu: 1,
            build_echoloop: true,
            build_peers: true,
            echoloop: target.join("release").join("echoloop"),
            peers: servers::directory()?,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--only" => settings.only = value()?.split(',').map(str::to_owned).collect(),
                "--quick" => (settings.rounds, settings.length) = (3, Duration::from_millis(500)),
                "--rounds" => settings.rounds = value()?.parse()?,
                "--tries" => settings.tries = value()?.parse()?,
                "--seconds" => settings.length = Duration::try_from_secs_f64(value()?.parse()?)?,
                "--cpus" => {
                    let value = value()?;
                    let (server, generator) = value.split_once(',').ok_or("--cpus takes two")?;
                    (settings.server_cpu, settings.generator_cpu) =
                        (server.parse()?, generator.parse()?);
                }
                "--echoloop" => {
                    (settings.build_echoloop, settings.echoloop) = (false, value()?.into());
                }
                "--no-build" => (settings.build_echoloop, settings.build_peers) = (false, false),
                name => {
                    let found = DISCIPLINES.iter().find(|it| it.name == name);
                    settings.disciplines.push(found.ok_or_else(|| format!("what is {name:?}?"))?);
                }
            }
        }
        settings.complete()
    }

    /// Fills in what was not said, and looks whether all of it makes sense.
    fn complete(mut self) -> Result<Settings, Failure> {
        if self.disciplines.is_empty() {
            self.disciplines = DISCIPLINES.iter().collect();
        }
        if self.rounds == 0 || self.length.is_zero() {
            return Err("nothing would be measured".into());
        }
        if let Some(name) = self.only.iter().find(|name| PEERS.iter().all(|it| it.name != **name)) {
            return Err(format!("who is {name:?}?").into());
        }
        if !self.build_echoloop && !self.echoloop.exists() {
            return Err(format!("there is no {}", self.echoloop.display()).into());
        }
        Ok(self)
    }

    /// Who takes part; the reference is the first.
    pub fn peers_for(&self, what: &Discipline) -> Vec<&'static Peer> {
        let reference = match what.load {
            Load::Datagrams(mode) => mode,
            _ => "tcp",
        };
        let chosen =
            |peer: &Peer| self.only.is_empty() || self.only.iter().any(|it| it == peer.name);
        let others = PEERS
            .iter()
            .filter(|peer| peer.serves(what.mode()) && !peer.is(reference) && chosen(peer));
        PEERS.iter().filter(|peer| peer.is(reference)).chain(others).collect()
    }
}
