//! Endpoints on the command line.

use echoloop::{Endpoint, describe};

/// An endpoint that others can reach.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let endpoint = text.parse::<Endpoint>().map_err(|error| describe(&error))?;
    match endpoint {
        Endpoint::Mem(_) | Endpoint::MemDatagram(_) => {
            Err("what is in memory is of one reactor alone, and nobody else can reach it"
                .to_owned())
        }
        endpoint => Ok(endpoint),
    }
}
