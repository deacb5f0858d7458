//! Loads of other shapes, and protocols other than echo.

use std::io::{BufRead, BufReader, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use echoloop::Pong;

use crate::support::{Server, bench, echo_changed, tcp_server};

/// Several sizes by weight, on streams and datagrams, with pipelines, workers and connections that come and
/// go: each byte comes back where it belongs.
#[test]
fn sizes_can_be_mixed() {
    let (tcp, udp) = (Server::start("tcp://127.0.0.1:0"), Server::start("udp://127.0.0.1:0"));
    for load in ["-c 2", "-c 4 -w 2 --depth 7", "--churn -c 3", "--rate 5k --depth 3", "--seed 9"] {
        let run = bench(&format!("{} -n 600 -s 8:5,100:3,64KiB:2 {load} --json -", tcp.endpoint));
        assert_eq!(run.code(), 0, "{load}: {}", run.out);
        assert!(run.only()["messages"].as_u64().unwrap() >= 600);
    }
    let run = bench(&format!("{} -n 600 -s 8:5,100:3,1400 --depth 4 --json -", udp.endpoint));
    let result = run.only();
    assert_eq!((run.code(), &result["messages"]), (0, &600.into()), "{result:#}");
    assert_eq!(result["settings"]["sizes"][1]["size"], 100);
    let run = bench(&format!("{} -n 600 -s 4,100", udp.endpoint));
    assert_eq!(run.code(), 2, "{}", run.err);
}

/// A message that is cut shorter than its size, by the size of another: found.
#[test]
fn mixed_sizes_are_checked_too() {
    let endpoint = tcp_server(|stream| {
        echo_changed(stream, |number, message| {
            message[5] ^= u8::from(number == 40);
            true
        });
    });
    let run = bench(&format!("{endpoint} -c 1 -s 64:1,128:1 -n 1000 --timeout 1s"));
    assert_eq!(run.code(), 1, "{}", run.out);
    assert!(run.out.contains("the server's answers are wrong"), "{}", run.out);
}

/// A rate that changes: as many messages as the mean, few at first and many at the end.
#[test]
fn a_rate_can_change() {
    let server = Server::start("tcp://127.0.0.1:0");
    let command = format!("{} -c 2 -w 2 -z 3s --warmup 50ms --rate 100..1100", server.endpoint);
    let result = bench(&format!("{command} --json -")).only();
    let seconds: Vec<u64> = result["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|second| second["messages"].as_u64().unwrap())
        .collect();
    // The mean is 600 a second; what is due while a machine stands still at the end comes on top.
    assert_eq!(seconds.len(), 3, "{result:#}");
    assert!(seconds[0] < seconds[2], "{seconds:?}");
    assert!(result["latency"]["count"].as_u64().unwrap() >= 1750, "{result:#}");
    let run = bench(&command);
    assert!(run.out.contains("open loop from 100 to 1,100 a second"), "{}", run.out);
    let run = bench(&format!("{} -n 100 --rate 1..2", server.endpoint));
    assert_eq!(run.code(), 2, "{}", run.err);
}

/// By chance, and the same chance again.
#[test]
fn messages_can_come_by_chance() {
    let server = Server::start("tcp://127.0.0.1:0");
    let command = format!("{} -c 2 -z 1s --warmup 0 --rate 1k --arrival poisson", server.endpoint);
    let messages = |more: &str| {
        let result = bench(&format!("{command} {more} --json -")).only();
        assert_eq!(result["settings"]["arrival"], "poisson");
        let count = &result["latency"]["count"];
        count.as_u64().unwrap()
    };
    let (one, two) = (messages(""), messages("--seed 2"));
    // 1000, and four times their root less; there are more if the run ends late.
    assert!(one >= 870 && two >= 870, "{one} {two}");
    let run = bench(&format!("{} --arrival poisson", server.endpoint));
    assert_eq!(run.code(), 2);
    assert!(run.err.contains("--rate"), "{}", run.err);
}

/// Who thinks for 50 ms after each reply sends no more than one message in that time.
#[test]
fn users_can_think() {
    let (tell, told) = mpsc::channel();
    let endpoint = tcp_server(move |stream| {
        let tell = tell.clone();
        let mut last = None::<Instant>;
        echo_changed(stream, move |_, _| {
            last.replace(Instant::now()).map(|last| tell.send(last.elapsed()));
            true
        });
    });
    let run = bench(&format!("{endpoint} -c 3 -n 15 --think 50ms --json -"));
    let result = run.only();
    assert_eq!((run.code(), &result["messages"]), (0, &15.into()), "{result:#}");
    let pauses: Vec<Duration> = told.try_iter().collect();
    assert_eq!(pauses.len(), 12);
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_millis(45)), "{pauses:?}");
    let run = bench(&format!("{endpoint} --think 50ms --rate 5"));
    assert_eq!(run.code(), 2);
}

/// A server that answers every line in its own way.
fn line_server(answer: impl Fn(usize, &str) -> String + Send + Clone + 'static) -> String {
    tcp_server(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        for (number, line) in lines.map_while(Result::ok).enumerate() {
            if stream.write_all(answer(number, &line).as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// What isn't an echo server can be loaded too: pong, redis, and whatever answers in lines.
#[test]
fn other_protocols_can_be_loaded() {
    let pong = Server::serving("tcp://127.0.0.1:0", Pong::default());
    let redis = line_server(|_, line| match line {
        "PING" => "+PONG\r\n".to_owned(),
        other => format!("-ERR {other}\r\n"),
    });
    let clock = line_server(|number, _| format!("it is {number}\n"));
    for (endpoint, talk) in [
        (&pong.endpoint, r"--request ping --expect pong --frame line"),
        (&redis, r"--request PING\r\n --expect +PONG\r\n"),
        (&redis, r"--request hex:50494e470d0a --expect hex:2b504f4e470d0a"),
        (&redis, r"--request PING\r --frame line"),
        (&clock, r"--request time --frame line"),
    ] {
        for load in ["", "--depth 5", "--rate 5k", "--churn", "-w 2"] {
            let run = bench(&format!("{endpoint} -n 300 -c 3 {talk} {load} --json -"));
            let result = run.only();
            assert_eq!(run.code(), 0, "{talk} {load}: {result:#}");
            assert!(result["messages"].as_u64().unwrap() >= 300, "{talk} {load}");
        }
    }
}

/// They are checked as strictly as an echo: a wrong byte, an answer too many, one too few.
#[test]
fn wrong_answers_of_other_protocols_are_found() {
    let talk = r"-c 1 -n 100 --timeout 100ms --request PING\r\n --expect +PONG\r\n";
    let wrong = line_server(|number, _| match number {
        50 => "+PANG\r\n".to_owned(),
        _ => "+PONG\r\n".to_owned(),
    });
    let run = bench(&format!("{wrong} {talk} --json -"));
    assert_eq!((run.code(), &run.only()["errors"]["wrong"]), (1, &1.into()));
    let twice = line_server(|number, _| "+PONG\r\n".repeat(1 + usize::from(number == 50)));
    let run = bench(&format!("{twice} {talk} --json -"));
    assert_eq!((run.code(), &run.only()["errors"]["surplus"]), (1, &1.into()));
    let run = bench(&format!("{twice} -c 1 -n 100 --request PING --frame line --json -"));
    assert_eq!((run.code(), &run.only()["errors"]["surplus"]), (1, &1.into()));
    let silent = line_server(|number, _| "+PONG\r\n".repeat(usize::from(number != 50)));
    let run = bench(&format!("{silent} {talk} --json -"));
    assert_eq!((run.code(), &run.only()["errors"]["unanswered"]), (1, &1.into()));
}

/// A whole answer with something behind it in the same segment: the answer counts, and the rest is said to be what
/// it is, and where.
#[test]
fn bytes_behind_an_answer_are_named() {
    let more = line_server(|_, _| "pong\nextra".to_owned());
    let crowd = line_server(|_, _| "pong\nextra\n".to_owned());
    let other = line_server(|_, _| "punk rock\n".to_owned());
    let behind = "First: connection 0: more bytes behind reply 1, the last asked for.";
    let of_one = "First: more bytes behind the reply of a connection.";
    for (server, options, kind, words) in [
        (&more, r"--expect pong\n", "surplus", behind),
        (&more, "--frame line", "surplus", behind),
        (&crowd, "--frame line", "surplus", behind),
        (&crowd, "--expect pong --frame line --rate 100", "surplus", behind),
        (&more, r"--expect pong\n --churn", "surplus", of_one),
        (&more, "--frame line --churn", "surplus", of_one),
        (&other, r"--expect pong\n", "wrong", "First: connection 0: byte 2 of reply 1."),
        (&other, r"--expect pong\n --churn", "wrong", "First: byte 2 of the reply."),
    ] {
        let request = if options.contains("--frame") { "ping" } else { r"ping\n" };
        let run =
            bench(&format!("{server} -c 1 -n 1 --warmup 0 --request {request} {options} --json -"));
        let result = run.only();
        let errors = &result["errors"];
        let replies = u64::from(kind == "surplus");
        let seen = (&errors[kind], &errors["unanswered"], &result["messages"]);
        assert_eq!(seen, (&1.into(), &0.into(), &replies.into()), "{options}: {result:#}");
        let notes = result["notes"].to_string();
        assert!(run.code() == 1 && notes.contains(words), "{options}: {notes}");
    }
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    for (options, words) in [
        ("--request PING", "--frame, to know where one ends"),
        ("--expect PONG", "--request"),
        ("--request @/none/there --frame line", "no such file"),
        (r"--request a\q --frame line", "backslash"),
        (r"--request a\nb --frame line", "line feed"),
        ("--request hex:123 --frame line", "two hexadecimal digits"),
        ("--request x --frame u64", "u8, u16, u32"),
        ("--request x --frame line -s 10", "cannot be used with"),
        ("--request x --frame line --sweep size=1,2", "--sweep size is for echoes"),
    ] {
        let run = bench(&format!("tcp://127.0.0.1:1 {options}"));
        assert_eq!(run.code(), 2, "{options}: {}", run.err);
        assert!(run.err.contains(words), "{options}: {}", run.err);
    }
    let run = bench("udp://127.0.0.1:1 --request x --frame line");
    assert!(run.code() == 2 && run.err.contains("for streams"), "{}", run.err);
}
