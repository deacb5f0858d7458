//! Why another thread could not reach a reactor.

use std::{error, fmt, io};

use super::write_cause;

/// Why a [`Handle`](crate::Handle) could not pass something on.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandleError {
    /// The reactor has stopped, or was dropped.
    Stopped,
    /// As many as [`Config::commands`](crate::Config::commands) wait to be run already. Later there may
    /// be room.
    Full,
    /// The system's means of waking failed, eventfd(2) on Linux.
    Wake(io::Error),
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandleError::Stopped => "the reactor has stopped",
            HandleError::Full => "too much waits to be run by the reactor",
            HandleError::Wake(_) => "cannot wake the reactor",
        })?;
        write_cause(f, self)
    }
}

impl error::Error for HandleError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            HandleError::Wake(error) => Some(error),
            HandleError::Stopped | HandleError::Full => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alternate_form_tells_the_cause() {
        let error = HandleError::Wake(io::Error::from_raw_os_error(24));
        assert_eq!(error.to_string(), "cannot wake the reactor");
        assert_eq!(format!("{error:#}"), "cannot wake the reactor: too many open files");
        assert_eq!(format!("{:#}", HandleError::Full), HandleError::Full.to_string());
    }
}
