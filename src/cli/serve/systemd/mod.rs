//! Being started and watched by systemd: sockets that it has opened, and news of how we are.
//!
//! | | what | manual page |
//! |---|---|---|
//! | `passed` | socket activation: `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES` | sd_listen_fds(3) |
//! | `notify` | `NOTIFY_SOCKET`: ready, stopping, status; `WATCHDOG_USEC` | sd_notify(3), sd_watchdog_enabled(3) |

mod notify;
mod passed;

pub(crate) use notify::start;
pub(crate) use passed::{Kind, Passed, SCHEME, check_name};
