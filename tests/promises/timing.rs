//! Timers of services.

use std::sync::mpsc;
use std::time::Duration;

use echoloop::{Config, Echo, Stop, TimerId};

use crate::support::*;

const MS: Duration = Duration::from_millis(1);

/// Each timer gives back its own word, a repeating one each time, and one without says 0; and so does
/// everybody who is told something meanwhile.
#[test]
fn a_timer_gives_its_word_back() {
    let mut reactor = reactor(Config::default());
    let other = reactor.add(Echo);
    let (sender, words) = mpsc::channel();
    let service = reactor.add(Does::new().timer(move |cx, timer: TimerId| {
        let sender_too = sender.clone();
        cx.tell(other, move |_, cx| sender_too.send((None, cx.word())).unwrap());
        sender.send((Some(timer), cx.word())).unwrap();
        assert_eq!(cx.source(cx.id()).word(), cx.word());
    }));
    let mut cx = reactor.context(service);
    let first = cx.after_with(MS, u64::MAX);
    let plain = cx.after(2 * MS);
    let cancelled = cx.after_with(2 * MS, 5);
    assert!(cx.cancel(cancelled));
    assert_eq!(cx.word(), 0);
    let mut seen = Vec::new();
    turn_until(&mut reactor, |_| {
        seen.extend(words.try_iter());
        seen.len() == 4
    });
    assert_eq!(seen, [(Some(first), u64::MAX), (None, 0), (Some(plain), 0), (None, 0)]);

    let every = reactor.context(service).every_with(MS, 7);
    let mut seen = Vec::new();
    turn_until(&mut reactor, |_| {
        seen.extend(words.try_iter());
        seen.len() >= 6
    });
    assert_eq!(seen[..4], [(Some(every), 7), (None, 0), (Some(every), 7), (None, 0)]);
    reactor.handle().stop(Stop::AtOnce).unwrap();
    run(&mut reactor);
    let mut cx = reactor.context(service);
    let late = cx.after_with(MS, 7); // There are no timers any more.
    assert!(!cx.cancel(late));
}
