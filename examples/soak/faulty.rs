//! A server with a fault, to see that the verdict finds it. It takes the arguments of `echoloop serve` that
//! are needed here, and prints what that prints.

use std::fs::File;
use std::process::exit;
use std::str::FromStr;
use std::time::Duration;

use echoloop::{Config, Context, Endpoint, Peer, Pong, Reactor, Service, Statistics, TimerId};

use super::support::{Arguments, Failure, say};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Changes a byte now and then.
    WrongByte,
    /// Takes a byte now and then and doesn't answer it.
    LostByte,
    /// The same with datagrams: each answer has a byte that it must not have.
    WrongDatagram,
    /// Resets a connection now and then.
    Reset,
    /// Opens a file for each connection, and never closes it.
    Descriptors,
    /// Keeps what comes.
    Memory,
    /// Ends by itself.
    End,
    /// Makes nothing of SIGTERM but an error.
    Stop,
}

impl FromStr for Fault {
    type Err = ();

    fn from_str(text: &str) -> Result<Fault, ()> {
        Ok(match text {
            "wrong-byte" => Fault::WrongByte,
            "lost-byte" => Fault::LostByte,
            "wrong-datagram" => Fault::WrongDatagram,
            "reset" => Fault::Reset,
            "descriptors" => Fault::Descriptors,
            "memory" => Fault::Memory,
            "end" => Fault::End,
            "stop" => Fault::Stop,
            _ => return Err(()),
        })
    }
}

/// Echo with a fault.
struct Faulty {
    fault: Fault,
    /// Times that it was shown something.
    calls: u64,
    files: Vec<File>,
    hoard: Vec<Vec<u8>>,
}

/// Each so many calls it does what is wrong.
const NOW_AND_THEN: u64 = 100;

impl Service for Faulty {
    fn opened(&mut self, _cx: &mut Context<'_>) {
        if self.fault == Fault::Descriptors {
            self.files.extend(File::open("/dev/null"));
        }
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.calls += 1;
        let is_time = self.calls.is_multiple_of(NOW_AND_THEN);
        match self.fault {
            Fault::WrongByte if is_time && cx.send_all(&[!input[0]]) => 1,
            Fault::LostByte if is_time => 1,
            Fault::Reset if is_time => {
                cx.reset();
                input.len()
            }
            Fault::Memory => {
                self.hoard.push(vec![1; 16 * 1024]);
                cx.send(input)
            }
            _ => cx.send(input),
        }
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        let mut answer = payload.to_vec();
        if self.fault == Fault::WrongDatagram {
            answer.last_mut().into_iter().for_each(|byte| *byte = !*byte);
        }
        cx.reply(&answer);
    }

    fn timer(&mut self, _cx: &mut Context<'_>, _timer: TimerId) {
        exit(0);
    }
}

/// Its metrics: what the soak looks at.
struct Metrics;

impl Service for Metrics {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        if !input.ends_with(b"\r\n\r\n") {
            return 0;
        }
        let memory = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = memory.split(' ').nth(1).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let memory = pages * rustix::param::page_size() as u64;
        let Statistics { open, datagrams_in, dropped, .. } = cx.statistics();
        let forbidden = dropped.forbidden;
        let text = format!(
            "process_resident_memory_bytes {memory}\n\
             process_open_fds {descriptors}\n\
             echoloop_connections_open {open}\n\
             echoloop_datagrams_received_total {datagrams_in}\n\
             echoloop_datagrams_dropped_total{{reason=\"forbidden\"}} {forbidden}\n"
        );
        cx.send_all(text.as_bytes());
        cx.close();
        input.len()
    }
}

/// `soak faulty FAULT serve SERVICE=ENDPOINT... --metrics ENDPOINT`.
pub(crate) fn run(mut arguments: Arguments) -> Result<(), Failure> {
    let fault = arguments.next().unwrap_or_default();
    let fault: Fault = fault
        .parse()
        .map_err(|()| Failure::new(format!("--fault {fault}: there is no such fault")))?;
    arguments.is("serve");
    let metrics = arguments.text("--metrics")?.unwrap_or_default();
    let mut reactor = Reactor::new(Config::default())?;
    let (files, hoard) = (Vec::new(), Vec::new());
    let echo = reactor.add(Faulty { fault, calls: 0, files, hoard });
    let pong = reactor.add(Pong::default());
    let mut offers: Vec<String> = std::iter::from_fn(|| arguments.next()).collect();
    offers.push(format!("metrics={metrics}"));
    for offer in offers {
        let (service, endpoint) = offer.split_once('=').unwrap_or_default();
        let endpoint: Endpoint = endpoint.parse()?;
        let id = match service {
            "echo" => reactor.context(echo).listen(&endpoint)?,
            "pong" => reactor.context(pong).listen(&endpoint)?,
            _ => reactor.listen(&endpoint, Metrics)?,
        };
        let text = endpoint.to_string();
        match (text.split_once("://"), reactor.local(id)) {
            (Some((scheme @ ("tcp" | "udp"), _)), Some(address)) => {
                say(format_args!("listening on {service}={scheme}://{address}"));
            }
            _ => say(format_args!("listening on {service}={text}")),
        }
    }
    if fault == Fault::End {
        reactor.context(echo).after(Duration::from_secs(1));
    }
    reactor.stop_on_signals()?;
    reactor.run()?;
    if fault == Fault::Stop { Err(Failure::new("that was wrong")) } else { Ok(()) }
}
