//! Options of other load generators, which mean something else here or nothing: each is answered with the
//! name of ours.

use crate::cli::foreign::Known;

/// The option, and what to say.
const OPTIONS: [(&str, &str); 21] = [
    (
        "-d",
        "-d is a time in wrk and bombardier, and a size in redis-benchmark: say -z or --duration, -s \
           or --size, or -P or --depth",
    ),
    (
        "-t",
        "-t is threads in wrk, a time in ab and iperf: say -w or --workers, -z or --duration, or \
           --timeout",
    ),
    ("-D", "-D is a time in h2load: say -z or --duration"),
    ("-R", "-R is a rate in wrk2: say -r or --rate"),
    (
        "-m",
        "-m is streams in h2load and a method in hey: how many messages are on their way is -P or \
           --depth",
    ),
    ("-L", "-L shows latencies in wrk; they are always shown here"),
    ("-k", "-k keeps connections open; they always stay open here, unless there is --churn"),
    (
        "-T",
        "-T is threads in h2load and a timeout in bombardier: say -w or --workers, or --timeout",
    ),
    (
        "-b",
        "-b is a buffer in ab and a base in h2load: to connect from other addresses say --bind, and \
           bytes of a message are -s or --size",
    ),
    ("-o", "-o is an output in hey: say --json, --hdr or --plot"),
    ("--threads", "--threads is -w or --workers here"),
    ("--clients", "--clients is -c or --connections here"),
    ("--concurrency", "--concurrency is -c or --connections here"),
    ("--requests", "--requests is -n or --count here"),
    ("--pipeline", "--pipeline is -P or --depth here"),
    ("--qps", "--qps is -r or --rate here"),
    ("--time", "--time is -z or --duration here"),
    ("--latency", "--latency is not needed: latencies are always shown"),
    ("--latencies", "--latencies is not needed: latencies are always shown"),
    ("--data-size", "--data-size is -s or --size here"),
    ("--output", "--output is --json, --hdr or --plot here"),
];

/// Load generators.
#[derive(Debug)]
pub(super) struct Generators;

impl Known for Generators {
    const OPTIONS: &'static [(&'static str, &'static str)] = &OPTIONS;
}
