//! A recording tells what each turn did, and nothing else.

use std::io::Write;

use echoloop::{Config, Echo, Reactor, Recording};
use serde_json::Value;

use crate::support::{
    datagram, expect, listen, reactor, stuff, tcp, turn_until, turn_until_quiet, udp,
};

/// The events, as a program that reads the file finds them.
fn events(reactor: &Reactor) -> Vec<Value> {
    let mut text = Vec::new();
    let recording = reactor.recording().expect("it records");
    Recording::write_trace(&[recording], &mut text).unwrap();
    let document: Value = serde_json::from_slice(&text).expect("it is JSON");
    document["traceEvents"].as_array().expect("a list of events").clone()
}

/// What the steps of a kind say, without their sources.
fn words(events: &[Value], name: &str) -> Vec<String> {
    let named = events.iter().filter(|event| event["name"] == name);
    let words = named.map(|event| event["args"]["words"].as_str().expect("in words"));
    words.map(|words| words.split_once(' ').expect("a source").1.to_string()).collect()
}

/// An echoed message is in it from the poll to the write, each step within the go of its source, and
/// that within its turn.
#[test]
fn an_echo_is_recorded_step_by_step() {
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    reactor.record(10_000);
    let mut client = tcp(address);
    client.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    expect(&mut client, b"hello");
    drop(client);
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);

    let events = events(&reactor);
    assert_eq!(words(&events, "read"), ["read 5, showed 5, the service took 5"]);
    assert_eq!(words(&events, "send"), ["sent 5 of 5 bytes, 0 are still here"]);
    assert_eq!(words(&events, "ended"), ["has ended, 0 bytes were not taken"]);
    assert_eq!(words(&events, "gone"), ["has gone: ended by the peer"]);
    assert_eq!(words(&events, "made"), ["is a listener", "is a stream"]);

    let span = |event: &Value| {
        let begin = event["ts"].as_f64().unwrap();
        (begin, begin + event["dur"].as_f64().unwrap())
    };
    let all = |name| events.iter().filter(move |event| event["name"] == name);
    let at = all("read").next().unwrap()["ts"].as_f64().unwrap();
    let within = |event: &&Value| (span(event).0..=span(event).1).contains(&at);
    let go = all("drive").find(within).expect("the read is in a go");
    assert_eq!(go["tid"], all("read").next().unwrap()["tid"]);
    let turn = all("turn").find(within).expect("and in a turn");
    assert!(span(turn).0 <= span(go).0 && span(go).1 <= span(turn).1, "{go} in {turn}");
    let name = events.iter().find(|it| it["name"] == "thread_name" && it["tid"] == go["tid"]);
    assert!(name.unwrap()["args"]["name"].as_str().unwrap().ends_with(" stream"));
}

/// What a slow reader makes the loop keep is in it, and so is each datagram.
#[test]
fn what_is_kept_and_datagrams_are_recorded() {
    let mut reactor = reactor(Config::default());
    let streams = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let datagrams = listen(&mut reactor, "udp://127.0.0.1:0", Echo);
    reactor.record(100_000);
    let mut deaf = tcp(streams);
    let bytes = vec![b'x'; 1_000_000];
    turn_until(&mut reactor, |reactor| {
        stuff(&mut deaf, &bytes);
        reactor.statistics().buffered > 0
    });
    let socket = udp("127.0.0.1:0", Some(datagrams));
    socket.send(b"four").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_out == 1);
    assert_eq!(datagram(&socket), b"four");

    let events = events(&reactor);
    let kept = |event: &Value| event["args"]["queued"].as_u64().is_some_and(|queued| queued > 0);
    assert!(events.iter().any(|event| event["name"] == "send" && kept(event)));
    assert_eq!(words(&events, "datagram"), ["received 4 bytes"]);
    assert_eq!(words(&events, "datagrams out"), ["sent 1 datagrams, 0 refused"]);
}

/// It holds the latest steps and no more, whatever comes; and nothing once it is over.
#[test]
fn a_recording_is_bounded_and_ends() {
    let mut reactor = reactor(Config::default());
    assert!(reactor.recording().is_none());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    reactor.record(7);
    for _ in 0..20 {
        drop(tcp(address));
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().accepted == 20);
    turn_until_quiet(&mut reactor);
    let recording = reactor.recording().unwrap();
    assert_eq!(recording.len(), 7);
    assert!(recording.left_out() > 100, "{} were left out", recording.left_out());

    reactor.record(7);
    assert!(reactor.recording().unwrap().len() <= 1, "it begins anew, with the listener");
    reactor.record(0);
    assert!(reactor.recording().is_none());
}
