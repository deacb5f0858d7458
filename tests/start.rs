//! A service that is made together with its sources.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use echoloop::{Config, Context, Endpoint, Half, Id, Reactor, Service};

struct Relay {
    to: Id,
}

impl Service for Relay {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        cx.source(self.to).send(input)
    }
}

#[test]
fn a_service_knows_its_first_sources() {
    let mut reactor = Reactor::new(Config::default()).unwrap();
    let (from, mut keyboard) = UnixStream::pair().unwrap();
    let (to, mut screen) = UnixStream::pair().unwrap();
    let started = reactor.start(|cx| {
        cx.adopt(from, Half::Read)?;
        Ok(Relay { to: cx.adopt(to, Half::Write)? })
    });
    assert!(reactor.with(started.unwrap(), |_, _| ()).is_some());
    keyboard.write_all(b"key").unwrap();
    screen.set_nonblocking(true).unwrap();
    let mut seen = [0; 3];
    while screen.read(&mut seen).is_err() {
        reactor.turn(Some(Duration::from_millis(1))).unwrap();
    }
    assert_eq!(&seen, b"key");
}

/// Never half started: the first listener goes when the second can't be made.
#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let good: Endpoint = format!("unix://{}/s", directory.path().display()).parse().unwrap();
    let bad: Endpoint = format!("unix://{}/no/s", directory.path().display()).parse().unwrap();
    let mut reactor = Reactor::new(Config::default()).unwrap();
    let started = reactor.start(|cx| {
        cx.listen(&good)?;
        assert!(directory.path().join("s").exists());
        Ok(Relay { to: cx.listen(&bad)? })
    });
    assert!(started.unwrap_err().to_string().starts_with("cannot listen on unix://"));
    assert!(!directory.path().join("s").exists());
}
