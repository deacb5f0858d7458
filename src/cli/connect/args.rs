//! The command line of `connect`.

use std::io::{self, IsTerminal};
use std::time::Duration;

use echoloop::Endpoint;

use super::foreign::Netcats;
use crate::cli::family::{Family, Known};
use crate::cli::foreign::Foreign;
use crate::cli::units;

/// Send what is typed, print what comes, at any time.
///
/// End of input (Ctrl-D) says so to the peer, and what still comes from it is printed to its end. A peer that
/// ends first still gets all of the input, if that is a file or a pipe; on a terminal, its end is the end. A
/// line `quit`, typed on a terminal, or Ctrl-C leaves. Every byte is carried as it is, and whoever is slower
/// sets the pace.
///
/// On udp and unixgram a line is a datagram, sent without its line ending (see --lf and --crlf), and
/// each datagram that comes is printed as a line. There is no end of the peer, so it waits for --wait after
/// the end of input.
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// tcp://HOST:PORT, udp://HOST:PORT, unix://PATH or unixgram://PATH.
    #[arg(value_parser = crate::cli::endpoint::endpoint)]
    pub(super) endpoint: Endpoint,
    /// Listen there instead, and talk with the first client that comes. Nobody else may come then. The first
    /// sender of a datagram is the client, and what others send is ignored.
    #[arg(short, long)]
    pub(super) listen: bool,
    #[command(flatten)]
    pub(super) family: Family,
    /// Send \r\n where the input has \n; datagrams end in \r\n.
    #[arg(long)]
    pub(super) crlf: bool,
    /// Datagrams end in \n.
    #[arg(long, conflicts_with = "crlf", help_heading = "Datagrams")]
    pub(super) lf: bool,
    /// Print what goes (>) and what comes (<) as a hex dump.
    #[arg(long)]
    pub(super) hex: bool,
    /// Send the datagram ^hb^ at once and then this often, for servers that drop silent members, and
    /// send the line that leaves as well.
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = "Datagrams")]
    pub(super) heartbeat: Option<Duration>,
    /// Give up if there is no connection within this time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub(super) connect_timeout: Duration,
    /// Leave when nothing has come for this long after the end of input. [default: 1s for datagrams; for
    /// streams as long as it takes the peer to end]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(super) wait: Option<Duration>,
    /// The line that leaves; '' for none. On a terminal it is `quit`, elsewhere there is none.
    #[arg(long, value_name = "LINE")]
    quit: Option<String>,
    /// Where nc has the port.
    #[arg(hide = true, value_parser = no_port)]
    port: Option<String>,
    #[command(flatten)]
    foreign: Foreign<Netcats>,
}

const AFTER: &str = "\
Examples:
  echoloop connect tcp://127.0.0.1:8888
  echoloop connect tcp://127.0.0.1:8888 <big >copy
  echo hello | echoloop connect udp://127.0.0.1:8888
  echoloop connect --listen tcp://0.0.0.0:7000 >received

Exit status: 0 done; 1 it could not connect or listen, or something was lost; 130 Ctrl-C, unless \
typed on the terminal that is the input; 2 the command line makes no sense.";

fn no_port(_text: &str) -> Result<String, String> {
    Err("the port stands behind the host, as in tcp://127.0.0.1:8888".to_string())
}

impl Args {
    /// The endpoint with its host looked up.
    pub(super) fn target(&self) -> Result<Known, String> {
        let deed = if self.listen { "listen on" } else { "connect to" };
        let known = self.family.look_up(&self.endpoint);
        known.map_err(|why| format!("cannot {deed} {}: {why}", self.endpoint))
    }

    /// The line that leaves.
    pub(super) fn leave_line(&self) -> Option<Vec<u8>> {
        match &self.quit {
            Some(line) => (!line.is_empty()).then(|| line.as_bytes().to_vec()),
            None => io::stdin().is_terminal().then(|| b"quit".to_vec()),
        }
    }
}
