//! An answer: RFC 9110 and 9112.

use std::fmt::Write;
use std::time::SystemTime;

/// What a request wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Other,
}

/// What an answer says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Ok,
    BadRequest,
    NotFound,
    NotAllowed,
    Timeout,
    UriTooLong,
    HeadTooLarge,
    Unavailable,
    Version,
}

impl Code {
    fn line(self) -> &'static str {
        match self {
            Code::Ok => "200 OK",
            Code::BadRequest => "400 Bad Request",
            Code::NotFound => "404 Not Found",
            Code::NotAllowed => "405 Method Not Allowed",
            Code::Timeout => "408 Request Timeout",
            Code::UriTooLong => "414 URI Too Long",
            Code::HeadTooLarge => "431 Request Header Fields Too Large",
            Code::Unavailable => "503 Service Unavailable",
            Code::Version => "505 HTTP Version Not Supported",
        }
    }
}

/// What is told, and in which language.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) language: &'static str,
    pub(super) text: String,
}

/// The page's own scripts and styles, and nothing from elsewhere.
const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data:; \
    script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'";

impl Body {
    pub(super) fn plain(text: impl Into<String>) -> Body {
        Body { language: "text/plain; charset=utf-8", text: text.into() }
    }

    pub(super) fn metrics(text: String) -> Body {
        Body { language: "text/plain; version=0.0.4; charset=utf-8", text }
    }

    pub(super) fn page() -> Body {
        let text = include_str!("page.html").to_owned();
        Body { language: "text/html; charset=utf-8", text }
    }

    /// What an error says for those who see only the body.
    pub(super) fn error(code: Code) -> Body {
        let hint = match code {
            Code::NotFound => "\nthere are / and /metrics and /healthz",
            Code::NotAllowed => "\nonly GET and HEAD are allowed",
            _ => "",
        };
        Body::plain(format!("{}{hint}\n", code.line()))
    }
}

/// All of it, as it is sent. A HEAD is answered like a GET, without the body.
pub(super) fn answer(code: Code, body: &Body, method: Method, is_last: bool) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {}\r\n", code.line());
    let mut field = |name: &str, value: &str| {
        write!(text, "{name}: {value}\r\n").expect("a string takes everything");
    };
    field("Date", &httpdate::fmt_http_date(SystemTime::now()));
    field("Content-Type", body.language);
    field("Content-Length", &body.text.len().to_string());
    field("Cache-Control", "no-store");
    field("X-Content-Type-Options", "nosniff");
    if body.language.starts_with("text/html") {
        field("Content-Security-Policy", POLICY);
    }
    if code == Code::NotAllowed {
        field("Allow", "GET, HEAD");
    }
    if is_last {
        field("Connection", "close");
    }
    text += "\r\n";
    if method != Method::Head {
        text += &body.text;
    }
    text.into_bytes()
}
