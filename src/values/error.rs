//! What went wrong, in words that name the deed and the object.

use std::error::Error as StdError;
use std::{fmt, io};

/// Something that the reactor was asked to do and could not.
///
/// It prints as `cannot listen on tcp://127.0.0.1:80`; the reason is its `source()`, an
/// [`io::Error`]. The alternate form, `{error:#}`, tells both, and is what [`describe`] says.
#[derive(Debug)]
pub struct Error {
    deed: &'static str,
    object: String,
    reason: io::Error,
}

impl Error {
    pub(crate) fn new(deed: &'static str, object: impl fmt::Display, reason: io::Error) -> Error {
        Error { deed, object: object.to_string(), reason }
    }

    /// The same reason, told by whoever had a part of a deed done.
    #[cfg(feature = "signals")]
    pub(crate) fn of(self, deed: &'static str, object: impl fmt::Display) -> Error {
        Error::new(deed, object, self.reason)
    }

    /// The kind of the reason.
    pub fn kind(&self) -> io::ErrorKind {
        self.reason.kind()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.deed)?;
        if !self.object.is_empty() {
            write!(f, " {}", self.object)?;
        }
        write_cause(f, self)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.reason)
    }
}

/// For hosts whose own functions return [`io::Error`]: the same text, the same kind.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

/// The error and its causes on one line, as a person wants to read it:
/// `cannot listen on tcp://127.0.0.1:80: permission denied`.
///
/// ```
/// let error = "tcp://127.0.0.1".parse::<echoloop::Endpoint>().unwrap_err();
/// println!("{}", echoloop::describe(&error));
/// ```
pub fn describe(error: &(dyn StdError + 'static)) -> String {
    let mut text = plain(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {}", plain(error));
        cause = error.source();
    }
    text
}

/// In the alternate form, `{:#}`: what stands behind an error's own words.
pub(crate) fn write_cause(
    f: &mut fmt::Formatter<'_>,
    error: &(dyn StdError + 'static),
) -> fmt::Result {
    match error.source().filter(|_| f.alternate()) {
        Some(cause) => write!(f, ": {}", describe(cause)),
        None => Ok(()),
    }
}

/// The error without the number that the standard library puts behind the system's own words, and
/// without their capital.
fn plain(error: &(dyn StdError + 'static)) -> String {
    let text = error.to_string();
    let from_system =
        error.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some());
    if !from_system {
        return text;
    }
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_deed_the_object_and_the_reason_once() {
        let reason = io::Error::from_raw_os_error(13);
        let error = Error::new("listen on", "tcp://127.0.0.1:80", reason);
        assert_eq!(error.to_string(), "cannot listen on tcp://127.0.0.1:80");
        let all = "cannot listen on tcp://127.0.0.1:80: permission denied";
        assert_eq!((describe(&error), format!("{error:#}")), (all.to_owned(), all.to_owned()));
        let wrapped = io::Error::from(error); // Printed by somebody else, and no cause twice.
        assert_eq!(describe(&wrapped), all);
    }
}
