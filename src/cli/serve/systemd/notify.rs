//! Telling the service manager how we are: sd_notify(3).

use std::os::unix::net::UnixDatagram;
use std::rc::Rc;
use std::time::Duration;
use std::{env, io, mem};

use echoloop::{Context, Reactor, Service, ServiceId, TimerId, describe};

use crate::cli::bench::words::number_of;
use crate::cli::serve::crew::{Crew, News, look};
use crate::cli::serve::snapshot::Snapshot;

/// How often the status is told anew, at least.
const STATUS: Duration = Duration::from_secs(10);

/// How soon what its socket had no room for is offered once more.
const RETRY: Duration = Duration::from_millis(50);

/// The words of its timers.
const LOOK: u64 = 1;
const OFFER: u64 = 2;

/// Tells the service manager: that we are ready, that we are stopping, and, as long as the loops of all
/// workers turn, that it need not start us anew.
#[derive(Debug)]
struct Notify {
    socket: UnixDatagram,
    me: ServiceId<Notify>,
    crew: ServiceId<Crew>,
    /// Whether it wants to hear from us all the time.
    watchdog: bool,
    owed: Owed,
    /// What was told last.
    status: String,
    /// Offers what is owed once more.
    again: Option<TimerId>,
    has_failed: bool,
}

/// What has not been told yet.
#[derive(Debug, Default)]
struct Owed {
    ready: bool,
    stopping: bool,
    watchdog: bool,
    status: Option<String>,
}

/// Adds it, if there is somebody to tell. Without it we serve all the same, so that isn't an error.
pub(crate) fn start(reactor: &mut Reactor, crew: ServiceId<Crew>) {
    let path = env::var("NOTIFY_SOCKET").ok().filter(|path| !path.is_empty());
    let Some(path) = path else { return };
    let socket = match connect(&path) {
        Ok(socket) => socket,
        Err(error) => {
            let why = describe(&error);
            log::warn!("cannot notify the service manager at {path} (NOTIFY_SOCKET): {why}");
            return;
        }
    };
    let watchdog = watchdog();
    let notify = reactor.add_with(|me| Notify {
        socket,
        me,
        crew,
        watchdog: watchdog.is_some(),
        owed: Owed::default(),
        status: String::new(),
        again: None,
        has_failed: false,
    });
    let half = watchdog.map_or(STATUS, |period| period / 2);
    reactor.context(notify).every_with(half.min(STATUS), LOOK);
    reactor.with(crew, |crew, _| {
        crew.tell(move |cx, news| {
            cx.tell(notify, move |notify, cx| notify.hear(cx, news));
        });
    });
}

/// A socket that never waits. An abstract name begins with `@`.
fn connect(path: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match path.strip_prefix('@') {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            use std::os::unix::net::SocketAddr;

            socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        }
        _ if path.starts_with('/') => socket.connect(path)?,
        _ => {
            let why = "it is neither a path nor an abstract name, such as /run/x or @x";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    }
    Ok(socket)
}

/// How often the manager wants to hear from us, sd_watchdog_enabled(3).
fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|&micros| is_ours && micros > 0).map(Duration::from_micros)
}

impl Notify {
    fn hear(&mut self, cx: &mut Context<'_>, news: News) {
        let status = match news {
            News::Ready => "Serving",
            News::Stopping => "Stopping: serving what has arrived",
        };
        self.owed.ready |= news == News::Ready;
        self.owed.stopping |= news == News::Stopping;
        self.owed.status = Some(status.to_owned());
        self.offer(cx);
    }

    fn seen(&mut self, cx: &mut Context<'_>, snapshot: &Rc<Snapshot>) {
        // A watchdog that is fed while one of the workers hangs watches over nothing.
        self.owed.watchdog = self.watchdog && snapshot.late().next().is_none();
        self.owed.status = Some(status(snapshot)).filter(|status| *status != self.status);
        self.offer(cx);
    }

    /// Tells what is owed, as one message. What there is no room for stays owed.
    fn offer(&mut self, cx: &mut Context<'_>) {
        let message = self.owed.message();
        if message.is_empty() {
            return;
        }
        match self.socket.send(message.as_bytes()) {
            Ok(_) => {
                self.status =
                    mem::take(&mut self.owed).status.unwrap_or(mem::take(&mut self.status));
                self.has_failed = false;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.again.is_none() {
                    self.again = Some(cx.as_service(self.me).after_with(RETRY, OFFER));
                }
            }
            Err(error) => {
                if !mem::replace(&mut self.has_failed, true) {
                    log::warn!("cannot notify the service manager: {}", describe(&error));
                }
            }
        }
    }
}

impl Owed {
    fn message(&self) -> String {
        let mut lines = Vec::new();
        lines.extend(self.ready.then_some("READY=1"));
        lines.extend(self.stopping.then_some("STOPPING=1"));
        lines.extend(self.watchdog.then_some("WATCHDOG=1"));
        let status = self.status.as_ref().map(|status| format!("STATUS={status}"));
        lines.extend(status.as_deref());
        lines.join("\n")
    }
}

fn status(snapshot: &Snapshot) -> String {
    let open = number_of(snapshot.sum(|it| it.open), "connection");
    let accepted = number_of(snapshot.sum(|it| it.accepted), "connection");
    let doing = if snapshot.is_stopping { "Stopping" } else { "Serving" };
    let mut status = format!("{doing} {open}, {accepted} accepted so far");
    for number in snapshot.late() {
        status += &format!("; worker {number} has not turned for a second");
    }
    status
}

impl Service for Notify {
    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        match cx.word() {
            LOOK => look(cx, self.crew, self.me, Notify::seen),
            _ => {
                self.again = None;
                self.offer(cx);
            }
        }
    }
}
