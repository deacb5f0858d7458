//! Endpoints on the command line.

use echoloop::{Endpoint, describe};

/// An endpoint that others can reach.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    endpoint_or(text, "tcp, udp, unix or unixgram")
}

/// The same where other schemes are known too. An unknown one is answered with those that are of use here.
pub(crate) fn endpoint_or(text: &str, schemes: &str) -> Result<Endpoint, String> {
    const KNOWN: [&str; 6] = ["tcp", "udp", "unix", "unixgram", "mem", "memgram"];

    if let Some((scheme, _)) = text.split_once("://")
        && !KNOWN.contains(&scheme)
    {
        return Err(format!("unknown scheme {scheme:?}, expected {schemes}"));
    }
    let endpoint = text.parse::<Endpoint>().map_err(|error| describe(&error))?;
    match endpoint {
        Endpoint::Mem(_) | Endpoint::MemDatagram(_) => {
            Err("what is in memory is of one reactor alone, and nobody else can reach it"
                .to_owned())
        }
        endpoint => Ok(endpoint),
    }
}
