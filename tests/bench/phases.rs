//! What belongs to the measured time, and what to the warm-up.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{bench, echo_changed, tcp_server, udp_server};

/// Takes 20 ms for each message of 64 bytes, so that a schedule of 1,000 a second is far too much for it.
fn slow_server() -> String {
    tcp_server(|stream| {
        echo_changed(stream, |_, _| {
            thread::sleep(Duration::from_millis(20));
            true
        });
    })
}

/// Messages of an open loop whose fate is in the result, and the most that can have been due.
#[track_caller]
fn assert_no_more_than_were_due(result: &Value, rate: f64) {
    let due = rate * result["seconds"].as_f64().unwrap() + 1.0;
    let counted = result["latency"]["count"].as_f64().unwrap();
    assert!(counted <= due, "{counted} of {due}: {result:#}");
    let errors = ["unsent", "unanswered", "lost"].map(|it| result["errors"][it].as_f64().unwrap());
    assert!(errors.iter().sum::<f64>() <= counted, "{result:#}");
    let (messages, never) = (&result["latency_answered"]["count"], result["loss"].as_f64());
    let answered = messages.as_f64().unwrap_or(0.0);
    assert!((never.unwrap() * counted - (counted - answered)).abs() < 0.5, "{result:#}");
}

/// A server that answers steadily, and far fewer than are due, also of those that are due in the warm-up: its
/// figures are shown, and no more messages are missing than were due in the measured time.
#[test]
fn the_backlog_of_the_warm_up_is_not_measured() {
    let server = slow_server();
    for more in ["", "--churn"] {
        let run = bench(&format!(
            "{server} -c 1 --rate 1000 -z 500ms --warmup 500ms --timeout 500ms --allow-losses {more} \
             --fail-if rate<900 --json -"
        ));
        let result = run.only();
        assert_eq!(run.code(), 3, "{result:#}");
        assert!(result["messages"].as_u64() > Some(0), "{result:#}");
        assert!(result["latency_answered"]["count"].as_u64() > Some(0), "{result:#}");
        assert_no_more_than_were_due(&result, 1000.0);
    }
}

/// Where every second datagram is lost, so are those of the measured time, however many were in the warm-up, and
/// however many of that wait for a place at its end.
#[test]
fn losses_of_the_warm_up_are_not_measured() {
    for (rate, warmup) in [(400, "300ms"), (50, "900ms")] {
        let server = udp_server(|number, datagram| match number % 2 {
            0 => vec![datagram.to_vec()],
            _ => vec![],
        });
        let run = bench(&format!(
            "{server} -c 4 -P 4 --rate {rate} -z 1200ms --warmup {warmup} --timeout 400ms --json -"
        ));
        let result = run.only();
        assert_eq!(run.code(), 0, "{result:#}");
        assert_no_more_than_were_due(&result, rate.into());
        let of = |it: &str| result["errors"][it].as_f64().unwrap();
        let sent = result["latency"]["count"].as_f64().unwrap() - of("unsent");
        assert!((0.4..=0.6).contains(&(of("lost") / sent)), "{result:#}");
        let notes = result["notes"].to_string();
        assert!(notes.contains("(4") || notes.contains("(5"), "{notes}");
    }
}
