//! Many cores behind one door: one thread accepts, and deals the connections round to reactors on threads of their
//! own, which echo.
//!
//! `cargo run --example dealer -- [ENDPOINT] [--workers COUNT]`, then `nc 127.0.0.1 8896` in several terminals.
//!
//! Where the system can spread connections by itself, over listeners that share a port, `ReusePort`, nobody has to
//! deal. But it does so by a hash, and one listener may get all the long-lived ones. Here each worker gets as
//! many as the next. [`Context::detach`] takes a connection out of one reactor, [`Context::adopt`] puts it into
//! another; nothing else is shared, and nothing is locked.
//!
//! Ctrl-C stops the dealer first: who waits in the backlog is still dealt out. Then it stops the workers.

mod support;

use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use echoloop::{Config, Context, Error, Half, Handle, Reactor, Service, ServiceId, Stop};
use support::{Arguments, Failure, listening, say};

/// An adopted connection has no idle timeout unless it is given one.
const IDLE: Duration = Duration::from_secs(300);

/// Serves nobody, and deals all who come.
struct Dealer {
    workers: Vec<Worker>,
    next: usize,
}

/// What the dealer knows of a worker.
struct Worker {
    handle: Handle,
    service: ServiceId<Echoes>,
    thread: JoinHandle<Result<(), Error>>,
}

/// What a worker does.
struct Echoes {
    number: usize,
    clients: usize,
}

impl Service for Dealer {
    fn opened(&mut self, cx: &mut Context<'_>) {
        let Ok(socket) = cx.detach() else { return cx.reset() };
        let worker = &self.workers[self.next];
        self.next = (self.next + 1) % self.workers.len();
        let dealt = worker.handle.tell(worker.service, move |echoes, cx| {
            match cx.adopt(socket, Half::Both) {
                Ok(id) => echoes.opened(&mut cx.source(id)), // Nobody else says so.
                Err(error) => say(echoloop::describe(&error)),
            }
        });
        if let Err(error) = dealt {
            say(format_args!("a client is turned away: {error}")); // Its socket has gone with the closure.
        }
    }
}

impl Service for Echoes {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.clients += 1;
        cx.set_idle_timeout(Some(IDLE));
        say(format_args!("worker {} has its client {}", self.number, self.clients));
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        cx.send(input)
    }
}

/// Starts a reactor on a thread of its own. It never leaves that thread; its handle does.
fn start(number: usize) -> Result<Worker, Failure> {
    let (sender, receiver) = channel();
    let thread = thread::spawn(move || {
        let mut reactor = Reactor::new(Config::default())?;
        let service = reactor.add(Echoes { number, clients: 0 });
        let _ = sender.send((reactor.handle(), service));
        reactor.run()
    });
    match receiver.recv() {
        Ok((handle, service)) => Ok(Worker { handle, service, thread }),
        Err(_) => Err(Failure::new(format!("worker {number} has not started"))),
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::new("dealer [ENDPOINT] [--workers COUNT]")?;
    let count = arguments.option("--workers", 2)?;
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8896")?;
    arguments.end()?;
    if !(1..=1024).contains(&count) {
        return Err(Failure::new(format!("--workers {count}: must be 1 to 1024")));
    }
    let workers = (1..=count).map(start).collect::<Result<Vec<_>, _>>()?;
    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    let dealer = reactor.start(|cx| {
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        Ok(Dealer { workers, next: 0 })
    })?;
    reactor.run()?;
    let workers = reactor.with(dealer, |dealer, _| std::mem::take(&mut dealer.workers));
    for worker in workers.unwrap_or_default() {
        let _ = worker.handle.stop(Stop::Gracefully); // It may have failed by itself, which it tells here:
        worker.thread.join().map_err(|_| Failure::new("a worker has panicked"))??;
    }
    Ok(())
}
