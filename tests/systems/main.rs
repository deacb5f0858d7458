//! The systems of the project, each started as a program of its own, and talked to over real sockets
//! by clients that know nothing of this crate.

#[path = "../again/mod.rs"]
mod again;
mod chat;
mod echo;
mod framed;
mod greeting;
mod group_chat;
mod program;
mod remote_command;
mod upload;
mod uppercase;
