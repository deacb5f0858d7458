//! A snapshot as families of values. The names follow the conventions of Prometheus and OpenMetrics: base
//! units, the unit at the end of the name, and behind it `_total` for what only grows.

use std::collections::BTreeMap;

use echoloop::{Histogram, Statistics};

use super::process;
use super::room::Room;
use super::text::{Family, Kind, Label, Text};
use crate::cli::serve::snapshot::{
    CLOSED, DROPPED, Door, Part, REFUSED, Snapshot, State, TURNS, WAITED, WAITS, WorkerView,
};

/// One value of each worker.
struct Plain {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    part: Part,
}

const PLAIN: &[Plain] = &[
    counter("echoloop_connections_accepted_total", "Connections accepted and served.", |it| {
        it.accepted
    }),
    counter("echoloop_connections_connected_total", "Outgoing connections made.", |it| {
        it.connected
    }),
    gauge("echoloop_connections_open", "Connections that are open, in whatever state.", |it| {
        it.open
    }),
    counter("echoloop_stream_received_bytes_total", "Bytes read from streams.", |it| it.bytes_in),
    counter(
        "echoloop_stream_sent_bytes_total",
        "Bytes that streams were given to send: written, or kept for writing.",
        |it| it.bytes_out,
    ),
    counter(
        "echoloop_stream_received_messages_total",
        "Times that a service was shown bytes of a stream.",
        |it| it.messages_in,
    ),
    counter(
        "echoloop_stream_sent_messages_total",
        "Times that a service sent something to a stream.",
        |it| it.messages_out,
    ),
    counter(
        "echoloop_datagrams_received_total",
        "Datagrams received, the dropped ones included.",
        |it| it.datagrams_in,
    ),
    counter("echoloop_datagrams_sent_total", "Datagrams handed to the kernel.", |it| {
        it.datagrams_out
    }),
    gauge("echoloop_buffered_bytes", "Bytes kept by all connections together.", |it| it.buffered),
    gauge("echoloop_buffered_peak_bytes", "The most bytes that were ever kept.", |it| {
        it.buffered_peak
    }),
    counter("echoloop_turns_total", "Turns of the loop.", |it| it.turns),
    counter("echoloop_events_total", "Events that the poll has returned.", |it| it.events),
];

/// Values of each worker that a reason tells apart.
struct Reasons {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    rows: &'static [(&'static str, Part)],
}

const REASONS: &[Reasons] = &[
    Reasons {
        name: "echoloop_connections_closed_total",
        help: "Connections that have gone, by cause.",
        label: "cause",
        rows: &CLOSED,
    },
    Reasons {
        name: "echoloop_connections_refused_total",
        help: "Connections that were accepted and closed at once, by reason.",
        label: "reason",
        rows: &REFUSED,
    },
    Reasons {
        name: "echoloop_accept_waits_total",
        help: "Times that accepting had to wait, by what it waited for.",
        label: "reason",
        rows: &WAITED,
    },
    Reasons {
        name: "echoloop_datagrams_dropped_total",
        help: "Datagrams not served or not sent, by reason.",
        label: "reason",
        rows: &DROPPED,
    },
];

const fn counter(name: &'static str, help: &'static str, part: Part) -> Plain {
    Plain { name, kind: Kind::Counter, help, part }
}

const fn gauge(name: &'static str, help: &'static str, part: Part) -> Plain {
    Plain { name, kind: Kind::Gauge, help, part }
}

/// All that is known, in the text format.
pub(super) fn render(snapshot: &Snapshot, room: &Room) -> String {
    let mut text = Text::default();
    whole(&mut text, snapshot);
    scrapers(&mut text, room);
    let numbers: Vec<_> = (0..snapshot.workers.len()).map(|number| number.to_string()).collect();
    let workers: Vec<_> = numbers.iter().map(String::as_str).zip(&snapshot.workers).collect();
    loops(&mut text, &workers);
    for Plain { name, kind, help, part } in PLAIN {
        let mut family = text.family(name, *kind, help);
        for (number, worker) in &workers {
            family.value(&[("worker", number)], part(&worker.sample.statistics));
        }
    }
    for Reasons { name, help, label, rows } in REASONS {
        let mut family = text.family(name, Kind::Counter, help);
        for (number, worker) in &workers {
            for (reason, part) in *rows {
                let labels = [("worker", *number), (*label, *reason)];
                family.value(&labels, part(&worker.sample.statistics));
            }
        }
    }
    histograms(&mut text, &workers);
    endpoints(&mut text, &workers);
    process::render(&mut text);
    text.into_string()
}

type Workers<'a> = [(&'a str, &'a WorkerView)];

/// What the process is.
fn whole(text: &mut Text, snapshot: &Snapshot) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.family("echoloop_build_info", Kind::Gauge, "Which echoloop this is.").value(&version, 1);
    let help = "Whether it is stopping gracefully.";
    let stopping = u8::from(snapshot.is_stopping);
    text.family("echoloop_stopping", Kind::Gauge, help).value(&[], stopping);
}

/// What has become of scrapers that were too many.
fn scrapers(text: &mut Text, room: &Room) {
    let name = "echoloop_metrics_connections_refused_total";
    let help = "Connections for metrics that were too many: the quietest, displaced by others, or refused.";
    let mut family = text.family(name, Kind::Counter, help);
    for (reason, number) in [("displaced", &room.displaced), ("full", &room.refused)] {
        family.value(&[("reason", reason)], number.get());
    }
}

/// How each worker is.
fn loops(text: &mut Text, workers: &Workers<'_>) {
    let help = "Whether the loop has turned within the last second.";
    let mut family = text.family("echoloop_worker_up", Kind::Gauge, help);
    for (number, worker) in workers {
        family.value(&[("worker", number)], u8::from(worker.state == State::Turns));
    }
}

/// How long turns took, and how long sources waited for theirs: since the poller told of them, those that use
/// little (`sparse`) and those that used much lately (`busy`).
fn histograms(text: &mut Text, workers: &Workers<'_>) {
    let help = "The longest that a turn of the loop took, its waiting not counted.";
    let mut family = text.family("echoloop_longest_turn_seconds", Kind::Gauge, help);
    let longest = |statistics: &Statistics| statistics.longest_turn.as_secs_f64();
    for (number, worker) in workers {
        family.value(&[("worker", number)], longest(&worker.sample.statistics));
    }
    let help = "How long turns of the loop took, their waiting not counted.";
    let mut family = text.family("echoloop_turn_seconds", Kind::Histogram, help);
    for (number, worker) in workers {
        histogram(&mut family, &[("worker", number)], TURNS(&worker.sample.statistics));
    }
    let help = "How long sources waited in the loop for their go.";
    let mut family = text.family("echoloop_wait_seconds", Kind::Histogram, help);
    for (number, worker) in workers {
        for (source, waits) in WAITS {
            let waits = waits(&worker.sample.statistics);
            histogram(&mut family, &[("worker", number), ("source", source)], waits);
        }
    }
}

/// Buckets with their upper ends, each with all before it, then the sum and the count.
fn histogram(family: &mut Family<'_>, labels: &[Label<'_>], histogram: &Histogram) {
    for (end, count) in histogram.doublings() {
        let end = end.as_secs_f64().to_string();
        family.part("_bucket", &[labels, &[("le", &end)]].concat(), count);
    }
    let count = histogram.count();
    family.part("_bucket", &[labels, &[("le", "+Inf")]].concat(), count);
    family.part("_sum", labels, histogram.sum().as_secs_f64());
    family.part("_count", labels, count);
}

/// Who came where.
fn endpoints(text: &mut Text, workers: &Workers<'_>) {
    let accepted = "Connections accepted, by endpoint.";
    let open = "Connections that are open, by endpoint.";
    let name = "echoloop_endpoint_connections_accepted_total";
    let mut family = text.family(name, Kind::Counter, accepted);
    each_endpoint(workers, |labels, door| family.value(labels, door.accepted));
    let mut family = text.family("echoloop_endpoint_connections_open", Kind::Gauge, open);
    each_endpoint(workers, |labels, door| family.value(labels, door.open));
}

/// Connections only come to streams. Several sockets can share one port: they are one endpoint.
fn each_endpoint(workers: &Workers<'_>, mut tell: impl FnMut(&[Label<'_>], Door)) {
    for (number, worker) in workers {
        let mut doors: BTreeMap<(&str, String), Door> = BTreeMap::new();
        for (bound, door) in worker.bound.iter().zip(&worker.sample.doors) {
            if !bound.endpoint.is_datagram() {
                let endpoint = (bound.service.as_str(), bound.endpoint.to_string());
                let sum = doors.entry(endpoint).or_default();
                sum.accepted += door.accepted;
                sum.open += door.open;
            }
        }
        for ((service, endpoint), door) in doors {
            tell(&[("worker", number), ("service", service), ("endpoint", &endpoint)], door);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::cli::serve::snapshot::Sample;

    /// A snapshot of one worker with these statistics.
    fn snapshot(statistics: Statistics) -> Snapshot {
        let sample = Sample { statistics, doors: Vec::new() };
        let bound = Vec::new().into();
        let workers = vec![WorkerView { state: State::Turns, sample, bound }];
        Snapshot { at: Instant::now(), is_stopping: false, workers }
    }

    /// Whoever counts something more must show it: there are as many different values as statistics.
    #[test]
    fn everything_that_is_counted_is_shown() {
        let shown = format!("{:?}", Statistics::default());
        let fields: usize = shown.matches(": 0").count(); // `longest_turn` is "0ns".
        let values = PLAIN.len() + REASONS.iter().map(|it| it.rows.len()).sum::<usize>() + 1;
        let histograms = shown.matches("Histogram {").count();
        assert_eq!(histograms, 3, "{shown}");
        let fields = fields - 2 * histograms; // Their count and their longest.
        assert_eq!(values, fields, "{shown}");
        let reasons = REASONS.iter().flat_map(|it| it.rows.iter().map(|row| row.1));
        let parts: Vec<Part> = PLAIN.iter().map(|it| it.part).chain(reasons).collect();
        let different: BTreeSet<_> = parts.iter().map(|part| part(&numbered())).collect();
        assert_eq!(different.len(), parts.len(), "one of them is shown twice");
    }

    /// Statistics of which no two are the same.
    fn numbered() -> Statistics {
        let mut it = Statistics::default();
        let (closed, refused, dropped) = (&mut it.closed, &mut it.refused, &mut it.dropped);
        let fields = [
            &mut it.accepted,
            &mut it.connected,
            &mut it.open,
            &mut it.bytes_in,
            &mut it.bytes_out,
            &mut it.messages_in,
            &mut it.messages_out,
            &mut it.datagrams_in,
            &mut it.datagrams_out,
            &mut it.buffered,
            &mut it.buffered_peak,
            &mut it.turns,
            &mut it.events,
            &mut closed.ended,
            &mut closed.by_service,
            &mut closed.because,
            &mut closed.idle,
            &mut closed.lingered,
            &mut closed.limits,
            &mut closed.connect_failed,
            &mut closed.failed,
            &mut closed.detached,
            &mut closed.panicked,
            &mut closed.stopped,
            &mut refused.denied,
            &mut refused.per_source,
            &mut refused.connections,
            &mut refused.accept_rate,
            &mut refused.descriptors,
            &mut refused.failed,
            &mut dropped.denied,
            &mut dropped.forbidden,
            &mut dropped.rate,
            &mut dropped.cut,
            &mut dropped.amplified,
            &mut dropped.no_room,
            &mut dropped.failed,
            &mut refused.proxy_header,
        ];
        for (number, field) in fields.into_iter().enumerate() {
            *field = number as u64 + 1;
        }
        it.longest_turn = Duration::from_micros(1500);
        it
    }

    #[test]
    fn each_value_has_its_worker_and_its_unit() {
        let text = render(&snapshot(numbered()), &Room::default());
        for line in [
            "echoloop_connections_accepted_total{worker=\"0\"} 1",
            "echoloop_datagrams_dropped_total{worker=\"0\",reason=\"denied\"} 31",
            "echoloop_longest_turn_seconds{worker=\"0\"} 0.0015",
            "echoloop_worker_up{worker=\"0\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
