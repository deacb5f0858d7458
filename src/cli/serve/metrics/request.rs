//! A request, out of what has arrived: RFC 9112.

use httparse::{EMPTY_HEADER, Header, Status};

use super::answer::{Code, Method};

/// Bytes of a request, at most.
const MOST: usize = 8 * 1024;

/// Bytes of its first line, at most: RFC 9112 section 3 recommends 8,000, and ours have a dozen.
const MOST_LINE: usize = 4 * 1024;

/// Header fields of a request, at most.
const MOST_FIELDS: usize = 64;

/// What stands at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// More must come.
    Unfinished,
    /// A request, of so many bytes.
    Request(Request<'a>, usize),
    /// Something else. What comes behind it can't be told.
    Bad(Code),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Without its query.
    pub(crate) path: &'a str,
    /// Whether the client wants no other one.
    pub(crate) is_last: bool,
}

/// Looks for a request.
pub(crate) fn next(input: &[u8]) -> Next<'_> {
    let mut fields = [EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(&input[..input.len().min(MOST)]) {
        Ok(Status::Complete(length)) => match understand(&request) {
            Ok(request) => Next::Request(request, length),
            Err(code) => Next::Bad(code),
        },
        Ok(Status::Partial) if !has_line(input) => Next::Bad(Code::UriTooLong),
        Ok(Status::Partial) if input.len() >= MOST => Next::Bad(Code::HeadTooLarge),
        Ok(Status::Partial) => Next::Unfinished,
        Err(httparse::Error::TooManyHeaders) => Next::Bad(Code::HeadTooLarge),
        Err(httparse::Error::Version) => Next::Bad(Code::Version),
        Err(_) => Next::Bad(Code::BadRequest),
    }
}

/// Whether the first line ends where it must, or may still do so.
fn has_line(input: &[u8]) -> bool {
    let line = &input[..input.len().min(MOST_LINE)];
    line.len() < MOST_LINE || line.trim_ascii_start().contains(&b'\n')
}

fn understand<'a>(request: &httparse::Request<'_, 'a>) -> Result<Request<'a>, Code> {
    let target = request.path.unwrap_or_default();
    if target.len() > MOST_LINE {
        return Err(Code::UriTooLong);
    }
    let method = match request.method.unwrap_or_default() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    let is_current = request.version == Some(1);
    let hosts = fields(request.headers, "host").count();
    if hosts > 1 || (is_current && hosts == 0) {
        return Err(Code::BadRequest); // RFC 9112 section 3.2.
    }
    // With a body nobody would know any more where the next request begins.
    let has_body = fields(request.headers, "transfer-encoding").next().is_some()
        || fields(request.headers, "content-length").any(|value| value != b"0");
    if has_body && method != Method::Other {
        return Err(Code::BadRequest);
    }
    let closes = fields(request.headers, "connection")
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
    Ok(Request { method, path: path(target), is_last: closes || !is_current || has_body })
}

fn fields<'a>(headers: &'a [Header<'_>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    let named = move |header: &&Header<'_>| header.name.eq_ignore_ascii_case(name);
    headers.iter().filter(named).map(|header| header.value)
}

/// `/metrics?x=y` and `http://localhost/metrics` are `/metrics`, RFC 9112 section 3.2.
fn path(target: &str) -> &str {
    let is_absolute = target.get(..7).is_some_and(|it| it.eq_ignore_ascii_case("http://"));
    let path = match is_absolute {
        true => target[7..].find('/').map_or("/", |slash| &target[7 + slash..]),
        false => target,
    };
    path.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMPLE: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

    fn bad(request: &str) -> Code {
        match next(request.as_bytes()) {
            Next::Bad(code) => code,
            other => panic!("{other:?}"),
        }
    }

    fn request(text: &str) -> Request<'_> {
        match next(text.as_bytes()) {
            Next::Request(request, length) if length == text.len() => request,
            other => panic!("{other:?}"),
        }
    }

    /// Wherever it is cut, it is found when it is whole, and not before.
    #[test]
    fn every_cut_gives_the_same_request() {
        for cut in 0..SIMPLE.len() {
            assert_eq!(next(&SIMPLE[..cut]), Next::Unfinished, "{cut}");
        }
        let two = [SIMPLE, b"HEAD"].concat();
        let found = Request { method: Method::Get, path: "/metrics", is_last: false };
        assert_eq!(next(&two), Next::Request(found, SIMPLE.len()));
    }

    #[test]
    fn a_target_may_have_a_query_and_a_host() {
        for target in ["/a", "/a?b=/c", "http://h/a", "HTTP://h:1/a?b"] {
            assert_eq!(request(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).path, "/a");
        }
        assert_eq!(request("GET http://h HTTP/1.1\r\nHost: x\r\n\r\n").path, "/");
    }

    #[test]
    fn who_wants_no_more_says_so() {
        let is_last = |text: &str| request(text).is_last;
        assert!(is_last("GET / HTTP/1.0\r\n\r\n"));
        assert!(is_last("GET / HTTP/1.1\r\nhost: x\r\nConnection: te, Close\r\n\r\n"));
        assert!(!is_last("GET / HTTP/1.1\r\nhost: x\r\nConnection: keep-alive\r\n\r\n"));
        assert!(is_last("POST / HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\n\r\n"));
    }

    #[test]
    fn what_is_wrong_has_a_code() {
        assert_eq!(bad("hello\r\n"), Code::BadRequest);
        assert_eq!(bad("GET / HTTP/1.1\r\n\r\n"), Code::BadRequest, "no host");
        assert_eq!(bad("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"), Code::BadRequest);
        let body = "GET / HTTP/1.1\r\nhost: a\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(bad(body), Code::BadRequest);
        let chunked = "GET / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(bad(chunked), Code::BadRequest);
        assert_eq!(bad("PRI * HTTP/2.0\r\n\r\n"), Code::Version);
        assert_eq!(bad(&format!("GET /{}", "x".repeat(5000))), Code::UriTooLong);
        let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(5000));
        assert_eq!(bad(&long), Code::UriTooLong);
        let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "x".repeat(9000));
        assert_eq!(bad(&large), Code::HeadTooLarge);
        let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(100));
        assert_eq!(bad(&many), Code::HeadTooLarge);
    }
}
