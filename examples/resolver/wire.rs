//! The wire format of DNS, as much of it as asks for addresses: RFC 1035 section 4.

use std::net::Ipv4Addr;

/// Identifier, flags, and how many questions, answers, authorities and others follow.
const HEADER: usize = 12;
const TYPE_AND_CLASS: usize = 4;
/// IPv4 addresses, of the internet.
const A_IN: [u8; TYPE_AND_CLASS] = [0, 1, 0, 1];

/// What a server says to a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Perhaps none.
    Addresses(Vec<Ipv4Addr>),
    NoSuchName,
    /// It didn't fit into a datagram: to be asked for over TCP.
    Truncated,
    /// The server can't, or doesn't want to. Its code, section 4.1.1.
    Refused(u8),
}

/// The question for the addresses of a name.
///
/// # Errors
///
/// Why there can't be such a name.
pub(crate) fn question(id: u16, name: &str) -> Result<Vec<u8>, &'static str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut wire = Vec::from(id.to_be_bytes());
    wire.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]); // Recursion desired; one question.
    for label in name.split('.') {
        if !label.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("not a name of the DNS: write it in ASCII, xn-- if need be");
        }
        if !(1..=63).contains(&label.len()) {
            return Err("not a name of the DNS: a part of it has not 1 to 63 bytes");
        }
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    if wire.len() - HEADER > 255 {
        return Err("not a name of the DNS: longer than 255 bytes");
    }
    wire.extend(A_IN);
    Ok(wire)
}

/// What the message says to this question. `None`: it is no answer to it at all, or makes no sense.
pub(crate) fn answer(question: &[u8], message: &[u8]) -> Option<Answer> {
    let (header, asked) = question.split_at(HEADER);
    let (head, mut rest) = message.split_at_checked(HEADER)?;
    let (flags, code) = (head[2], head[3] & 0x0f);
    let is_response = flags & 0x80 != 0 && flags & 0x78 == 0;
    if head[..2] != header[..2] || !is_response || head[4..6] != [0, 1] {
        return None;
    }
    // Upper and lower case mean the same, and servers give back what they were asked.
    if !rest.split_off(..asked.len())?.eq_ignore_ascii_case(asked) {
        return None;
    }
    match code {
        _ if flags & 0x02 != 0 => return Some(Answer::Truncated),
        0 => {}
        3 => return Some(Answer::NoSuchName),
        code => return Some(Answer::Refused(code)),
    }
    let mut addresses = Vec::new();
    for _ in 0..u16::from_be_bytes([head[6], head[7]]) {
        skip_name(&mut rest)?;
        let kind = rest.split_off(..TYPE_AND_CLASS)?;
        let _time_to_live = rest.split_off(..4)?;
        let length = rest.split_off(..2)?;
        let data = rest.split_off(..usize::from(u16::from_be_bytes([length[0], length[1]])))?;
        // Other kinds tell how the server has got here.
        if let (true, Ok(address)) = (kind == A_IN, <[u8; 4]>::try_from(data)) {
            addresses.push(Ipv4Addr::from(address));
        }
    }
    Some(Answer::Addresses(addresses))
}

/// A name ends with an empty label, or with two bytes that say where in the message it goes on, section 4.1.4.
fn skip_name(rest: &mut &[u8]) -> Option<()> {
    loop {
        match *rest.split_off_first()? {
            0 => return Some(()),
            0xc0.. => return rest.split_off(..1).map(|_| ()),
            length @ 1..64 => _ = rest.split_off(..usize::from(length))?,
            _ => return None,
        }
    }
}
