//! TLS in front of services that know nothing of it: a front listens on TCP, and dials `mem://` for each
//! client, where `Echo` and `Pong` listen as they would anywhere.
//!
//! `cargo run -- [--cert FILE --key FILE] [--handshake-timeout SECONDS] [echo=ENDPOINT] [pong=ENDPOINT]`,
//! then `openssl s_client -quiet -connect 127.0.0.1:8893`. Without a certificate it makes one for localhost,
//! which nobody has a reason to trust.

mod front;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use echoloop::{Config, Echo, Endpoint, Pong, Reactor, Sessions, describe};
use front::{Front, Leg};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

const USAGE: &str = "usage: tls [--cert FILE --key FILE] [--handshake-timeout SECONDS] \
                     [echo=ENDPOINT] [pong=ENDPOINT]";

type Failure = Box<dyn Error>;

struct Arguments {
    cert: Option<(String, String)>,
    handshake_timeout: Duration,
    echo: Endpoint,
    pong: Endpoint,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("tls: {}", describe(&*error));
        std::process::exit(1);
    }
}

fn run() -> Result<(), Failure> {
    let arguments = arguments()?;
    let tls = Arc::new(configuration(arguments.cert)?);
    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    reactor.listen(&Endpoint::mem("echo")?, Echo)?;
    reactor.listen(&Endpoint::mem("pong")?, Pong::default())?;
    for (name, endpoint) in [("echo", arguments.echo), ("pong", arguments.pong)] {
        let (tls, inner) = (Arc::clone(&tls), Endpoint::mem(name)?);
        let front = Front { tls, inner, handshake_timeout: arguments.handshake_timeout };
        let id = reactor.listen(&endpoint, Sessions::<Leg>::new(front))?;
        match reactor.local(id) {
            Some(echoloop::Address::Ip(bound)) => println!("listening on {name}=tcp://{bound}"),
            _ => println!("listening on {name}={endpoint}"),
        }
    }
    reactor.run()?;
    Ok(())
}

fn arguments() -> Result<Arguments, Failure> {
    let mut arguments = Arguments {
        cert: None,
        handshake_timeout: Duration::from_secs(10),
        echo: "tcp://127.0.0.1:8893".parse()?,
        pong: "tcp://127.0.0.1:8894".parse()?,
    };
    let (mut cert, mut key, mut words) = (None, None, env::args().skip(1));
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.split_once('=') {
            Some(("echo", endpoint)) => arguments.echo = endpoint.parse()?,
            Some(("pong", endpoint)) => arguments.pong = endpoint.parse()?,
            _ => match &*word {
                "--cert" => cert = Some(value()?),
                "--key" => key = Some(value()?),
                "--handshake-timeout" => {
                    arguments.handshake_timeout = Duration::from_secs(value()?.parse()?);
                }
                "--help" | "-h" => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                _ => return Err(format!("unknown argument \"{word}\"; {USAGE}").into()),
            },
        }
    }
    arguments.cert = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => return Err("--cert and --key belong together".into()),
    };
    Ok(arguments)
}

/// With the certificate that was given, or one made just now.
fn configuration(cert: Option<(String, String)>) -> Result<ServerConfig, Failure> {
    let (chain, key) = match cert {
        Some((cert, key)) => {
            let read =
                |path: &str| fs::read(path).map_err(|error| format!("cannot read {path}: {error}"));
            let chain = CertificateDer::pem_slice_iter(&read(&cert)?).collect::<Result<_, _>>();
            let key = PrivateKeyDer::from_pem_slice(&read(&key)?);
            let chain = chain.map_err(|error| format!("no certificate in {cert}: {error}"))?;
            (chain, key.map_err(|error| format!("no private key there: {error}"))?)
        }
        None => {
            let made = rcgen::generate_simple_self_signed(["localhost".to_string()])?;
            let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
            (vec![made.cert.der().clone()], key.into())
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_no_client_auth().with_single_cert(chain, key)?)
}
