//! Serving behind proxies: who may speak for others.

use std::str::FromStr;
use std::time::Duration;

use echoloop::{Config, Prefix, describe};

use crate::cli::units::duration;

/// Which peers are proxies, that say first for whom they speak.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Behind proxies")]
pub(crate) struct Proxies {
    /// Serve only proxies within this prefix, which must begin each connection with a PROXY header (version
    /// 1 or 2) that names their client: the one whom --allow, --deny, --connections-per-source and the log
    /// mean. `unix:` stands for whoever connects to our Unix sockets. Nobody else is served on a stream, so
    /// with `unix:` alone TCP is closed to all, and without it Unix sockets are; datagrams and --metrics are
    /// not concerned. May be repeated
    #[arg(long, value_name = "PREFIX")]
    proxy_protocol: Vec<Proxy>,
    /// How long the PROXY header may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    proxy_timeout: Duration,
}

/// Where proxies come from.
#[derive(Clone, Copy, Debug)]
enum Proxy {
    Within(Prefix),
    Unix,
}

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Proxy, String> {
        match text {
            "unix:" => Ok(Proxy::Unix),
            _ => text.parse().map(Proxy::Within).map_err(|error| {
                let error = describe(&error);
                format!("{error}; or unix: for those who connect to our Unix sockets")
            }),
        }
    }
}

impl Proxies {
    /// A configuration that says nothing else.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config { proxy_timeout: self.proxy_timeout, ..Config::default() };
        for proxy in &self.proxy_protocol {
            match proxy {
                Proxy::Within(prefix) => config.proxies.push(*prefix),
                Proxy::Unix => config.unix_proxies = true,
            }
        }
        config
    }
}
