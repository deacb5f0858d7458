//! Endpoints, as texts and as the names in them.

use std::net::SocketAddr;
use std::path::Path;

use echoloop::{Endpoint, MemName, UnixName};

/// A text; and, as they come, the bytes of a name.
pub fn endpoints(input: &[u8]) {
    names(input);
    let Ok(text) = str::from_utf8(input) else { return };
    let endpoint = match text.parse::<Endpoint>() {
        Ok(endpoint) => endpoint,
        Err(error) => {
            // It says which, on one line.
            let words = error.to_string();
            assert!(words.starts_with(&format!("{text:?}: ")) && !words.contains('\n'), "{words}");
            return;
        }
    };
    let shown = shown(&endpoint);
    assert!(
        endpoint.is_datagram()
            == ["udp", "unixgram", "memgram"]
                .iter()
                .any(|scheme| { shown.split(':').next() == Some(scheme) })
    );
    if let Endpoint::Tcp { host, port } | Endpoint::Udp { host, port } = &endpoint {
        let typed =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        // The zone of an address may be written in more than one way.
        if !host.contains('%')
            && let Ok(address) = typed.parse::<SocketAddr>()
        {
            let same = if endpoint.is_datagram() { Endpoint::udp(address) } else { address.into() };
            assert_eq!(same, endpoint);
        }
        assert!(text.ends_with(&port.to_string()));
    }
}

/// What is shown of an endpoint parses again, is on one line, and stays as it is.
fn shown(endpoint: &Endpoint) -> String {
    let shown = endpoint.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    let again: Endpoint = shown.parse().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, *endpoint, "{shown:?}");
    assert_eq!(again.to_string(), shown);
    shown
}

/// Any bytes are the name of something, or are refused for what they are.
fn names(bytes: &[u8]) {
    use std::os::unix::ffi::OsStrExt;

    assert_eq!(MemName::new(bytes).is_some(), (1..=MemName::MAX).contains(&bytes.len()));
    for endpoint in [Endpoint::mem(bytes), Endpoint::memgram(bytes)] {
        let is_name = (1..=MemName::MAX).contains(&bytes.len());
        assert_eq!(endpoint.is_ok(), is_name);
        endpoint.iter().for_each(|endpoint| drop(shown(endpoint)));
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(bytes));
    let is_path = (1..UnixName::MAX).contains(&bytes.len()) && !bytes.contains(&0);
    for endpoint in [Endpoint::unix(path), Endpoint::unix_datagram(path)] {
        assert_eq!(endpoint.is_ok(), is_path);
        endpoint.iter().for_each(|endpoint| drop(shown(endpoint)));
    }
    if let Some(name) = UnixName::new(bytes) {
        assert_eq!(name.as_bytes(), bytes);
        // What a peer calls itself must not write our log.
        assert!(!name.to_string().chars().any(char::is_control));
    }
}
