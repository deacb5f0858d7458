//! What the manual pages say beside the options.

/// A part of a page, under its title.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) blocks: &'static [Block],
}

/// What a section is made of.
pub(super) enum Block {
    /// A paragraph.
    Text(&'static str),
    /// What something means.
    Item(&'static str, &'static str),
    /// What is shown, and the lines of a shell.
    Example(&'static str, &'static [&'static str]),
}

use Block::{Example, Item, Text};

/// What a page says behind its options, in order.
pub(super) fn of(page: &str) -> &'static [Section] {
    match page {
        "echoloop" => ECHOLOOP,
        "echoloop-serve" => SERVE,
        "echoloop-connect" => CONNECT,
        "echoloop-ping" => PING,
        "echoloop-bench" => BENCH,
        "echoloop-bench-merge" => MERGE,
        "echoloop-trace" => TRACE,
        "echoloop-completions" => COMPLETIONS,
        _ => &[],
    }
}

const USAGE: Block = Item("2", "The command line makes no sense; standard error says what would.");

const ECHOLOOP: &[Section] = &[
    Section {
        title: "ENVIRONMENT",
        blocks: &[
            Item(
                "RUST_LOG",
                "What is logged, by module and level, instead of what -v and -q say: debug, \
                 echoloop::net=trace.",
            ),
            Item("RUST_LOG_STYLE", "Whether the log has colours: auto, always or never."),
            Item("NO_COLOR", "If set to anything, nothing has colours: https://no-color.org."),
            Item(
                "CLICOLOR, CLICOLOR_FORCE",
                "Colours are for terminals. CLICOLOR=0: not there either; CLICOLOR_FORCE=1: everywhere. \
                 NO_COLOR counts more than both.",
            ),
        ],
    },
    Section {
        title: "EXIT STATUS",
        blocks: &[
            Item("0", "Done."),
            Item("1", "It could not be done; standard error says why."),
            USAGE,
        ],
    },
    Section {
        title: "EXAMPLES",
        blocks: &[
            Example(
                "Serve echo and pong on this machine, and try them:",
                &[
                    "$ echoloop &",
                    "$ printf 'hello' | nc -N 127.0.0.1 8888",
                    "hello",
                    "$ echo ping | nc -u -W 1 127.0.0.1 8889",
                    "pong",
                ],
            ),
            Example(
                "How long does a message take there and back?",
                &["$ echoloop ping -c 5 tcp://127.0.0.1:8888"],
            ),
        ],
    },
    Section {
        title: "SEE ALSO",
        blocks: &[Text(
            "echoloop-serve(1), echoloop-connect(1), echoloop-ping(1), echoloop-bench(1), \
             echoloop-trace(1), echoloop-completions(1), nc(1), socat(1)",
        )],
    },
];

const SERVE: &[Section] = &[
    Section {
        title: "ENDPOINTS",
        blocks: &[
            Item(
                "tcp://HOST:PORT, udp://HOST:PORT",
                "Port 0 takes any free one. IPv6 addresses stand in brackets.",
            ),
            Item(
                "unix://PATH, unixgram://PATH",
                "Stream and datagram sockets of unix(7). The file is made, with a lock beside it \
                 (PATH.lock), and removed at the end; one that a dead server has left is taken over.",
            ),
            Item(
                "systemd://NAME",
                "All sockets that systemd passes under that name, sd_listen_fds(3).",
            ),
            Text(
                "Without any, echo=tcp://127.0.0.1:8888, echo=udp://127.0.0.1:8888, \
                 pong=tcp://127.0.0.1:8889 and pong=udp://127.0.0.1:8889 are served. What is really bound \
                 is printed, a line each: listening on SERVICE=ENDPOINT.",
            ),
            Text(
                "By default only this machine is served. A UDP socket that everybody can reach bounces \
                 datagrams with forged senders off onto others: never with more bytes than came, but as \
                 many. Limit who may ask (--allow) and how often (--datagram-rate).",
            ),
        ],
    },
    Section {
        title: "SIGNALS",
        blocks: &[
            Item(
                "SIGINT, SIGTERM",
                "Stop gracefully: listeners close, everything that has arrived is answered, connections \
                 end in order, within --stop-timeout. The second one stops at once.",
            ),
            Item(
                "SIGUSR1",
                "Log the statistics. --metrics serves them to Prometheus, --live shows them.",
            ),
        ],
    },
    Section {
        title: "PROXY PROTOCOL",
        blocks: &[Text(
            "With --proxy-protocol, connections are taken from these proxies alone, over TCP (a prefix) and over \
             Unix sockets (unix:): where none is named, no client gets in. Each must begin \
             with a header of the PROXY protocol, version 1 or 2 (HAProxy: send-proxy, send-proxy-v2; nginx: \
             proxy_protocol on). The client that it names is the peer for --allow, --deny, \
             --connections-per-source and the log. Where it names none (UNKNOWN, UNSPEC) the proxy's own \
             address counts; the proxy's checks (LOCAL) pass --allow and --deny. A header that is missing, \
             wrong, longer than 4 KiB or slower than --proxy-timeout closes the connection, and is counted.",
        )],
    },
    Section {
        title: "EXAMPLES",
        blocks: &[
            Example(
                "Echo for everybody on TCP, pong on a Unix socket that a group may use:",
                &["$ echoloop serve --unix-mode 660 echo=tcp://[::]:7 pong=unix:///run/pong.sock"],
            ),
            Example(
                "A loop on each of four cores, within limits:",
                &[
                    "$ echoloop serve --workers 4 --pin --connections 100k --idle-timeout 5m \\",
                    "    --connections-per-source 200 echo=tcp://0.0.0.0:7777",
                ],
            ),
            Example(
                "Behind two proxies:",
                &[
                    "$ echoloop serve --proxy-protocol 10.0.0.1 --proxy-protocol 10.0.0.2 \\",
                    "    echo=tcp://0.0.0.0:7777",
                ],
            ),
        ],
    },
    Section {
        title: "SEE ALSO",
        blocks: &[Text(
            "echoloop(1), echoloop-bench(1), haproxy(1), socket(7), tcp(7), udp(7), unix(7)",
        )],
    },
];

const CONNECT: &[Section] = &[
    Section {
        title: "EXAMPLES",
        blocks: &[
            Example("Talk to a server:", &["$ echoloop connect tcp://127.0.0.1:8888"]),
            Example(
                "Send a file and compare what comes back:",
                &["$ echoloop connect tcp://127.0.0.1:8888 < file | cmp - file"],
            ),
            Example(
                "See the bytes of a datagram and of its answer:",
                &["$ echo ping | echoloop connect --hex udp://127.0.0.1:8889"],
            ),
        ],
    },
    Section {
        title: "SEE ALSO",
        blocks: &[Text("echoloop(1), echoloop-serve(1), echoloop-ping(1), nc(1), socat(1)")],
    },
];

const PING: &[Section] = &[
    Section {
        title: "EXAMPLES",
        blocks: &[
            Example(
                "Five messages, one every fifth of a second:",
                &["$ echoloop ping -c 5 -i 200ms tcp://127.0.0.1:8888"],
            ),
            Example(
                "Datagrams, until Ctrl-C; lost ones, duplicates and disorder are told apart:",
                &["$ echoloop ping udp://127.0.0.1:8888"],
            ),
        ],
    },
    Section {
        title: "SEE ALSO",
        blocks: &[Text("echoloop(1), echoloop-serve(1), echoloop-bench(1), ping(8)")],
    },
];

const BENCH: &[Section] = &[
    Section {
        title: "EXAMPLES",
        blocks: &[
            Example(
                "What can it do? A closed loop on 100 connections:",
                &["$ echoloop bench tcp://127.0.0.1:8888 -c 100"],
            ),
            Example(
                "How long would users wait? An open loop, and a picture of the latencies:",
                &["$ echoloop bench tcp://127.0.0.1:8888 -c 100 --rate 50k --plot latency.svg"],
            ),
            Example(
                "Which rate is too much?",
                &["$ echoloop bench tcp://127.0.0.1:8888 -c 100 --find-rate p99=1ms"],
            ),
            Example(
                "Two servers side by side, and what each pays in processor time:",
                &[
                    "$ echoloop bench tcp://127.0.0.1:7001 tcp://127.0.0.1:7002 \\",
                    "    --server-pid 11 --server-pid 12",
                ],
            ),
            Example(
                "In a pipeline, where a slow server fails the job:",
                &["$ echoloop bench tcp://127.0.0.1:8888 --rate 5k --fail-if 'p99>1ms'"],
            ),
            Example(
                "Datagrams, eight on their way on each of 64 sockets:",
                &["$ echoloop bench udp://127.0.0.1:8888 -c 64 --depth 8"],
            ),
        ],
    },
    Section {
        title: "SEE ALSO",
        blocks: &[Text(
            "echoloop(1), echoloop-bench-merge(1), echoloop-serve(1), echoloop-ping(1)",
        )],
    },
];

const MERGE: &[Section] = &[
    Section {
        title: "EXIT STATUS",
        blocks: &[
            Item("0", "Put together."),
            Item(
                "1",
                "One of the results is none, or was measured differently; or what they hold fails the run.",
            ),
            USAGE,
            Item("3", "A condition of --fail-if holds."),
        ],
    },
    Section {
        title: "EXAMPLES",
        blocks: &[Example(
            "On each of several machines, begun at the same second; then, with all results in one place:",
            &[
                "$ echoloop bench tcp://server:7 --rate 10k --start-at \"$start\" --json \"$HOSTNAME.json\"",
                "$ echoloop bench merge *.json --fail-if 'p99>5ms'",
            ],
        )],
    },
    Section { title: "SEE ALSO", blocks: &[Text("echoloop-bench(1), date(1)")] },
];

const TRACE: &[Section] = &[
    Section {
        title: "EXIT STATUS",
        blocks: &[
            Item("0", "The page is written."),
            Item("1", "The recording can't be read, is none, or the page can't be written."),
            USAGE,
        ],
    },
    Section {
        title: "EXAMPLES",
        blocks: &[Example(
            "Look at what a loop has done:",
            &["$ echoloop trace recording.json --html recording.html"],
        )],
    },
    Section { title: "SEE ALSO", blocks: &[Text("echoloop(1), echoloop-serve(1), strace(1)")] },
];

const COMPLETIONS: &[Section] = &[
    Section {
        title: "EXAMPLES",
        blocks: &[
            Example("For this shell alone:", &["$ source <(echoloop completions bash)"]),
            Example(
                "For all fish shells from now on:",
                &["$ echoloop completions fish > ~/.config/fish/completions/echoloop.fish"],
            ),
        ],
    },
    Section { title: "SEE ALSO", blocks: &[Text("echoloop(1), bash(1), fish(1), zshcompsys(1)")] },
];
