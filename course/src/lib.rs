//! What runs the programs of the course before your eyes: starts a step's server as a child, and the client
//! that breaks it, and shows what both see. The programs themselves are in `src/bin`.

pub mod book;
pub mod client;
pub mod cost;
pub mod kernel;
pub mod run;
pub mod scenes;
pub mod server;
pub mod source;
pub mod stage;
pub mod steps;
