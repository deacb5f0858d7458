//! The systems of the project, each started as a program of its own, and talked to over real sockets
//! by clients that know nothing of this crate.

#[path = "../again/mod.rs"]
mod again;
mod broadcast;
mod chat;
mod dealer;
mod echo;
mod framed;
mod greeting;
mod group_chat;
#[cfg(feature = "signals")]
mod lounge;
mod program;
mod proxy;
mod remote_command;
mod resolver;
mod resp;
mod upload;
mod uppercase;
