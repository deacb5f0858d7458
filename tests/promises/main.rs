//! The promises of the library, over real sockets: each test drives a reactor in this process, on a
//! port that the kernel chose, and talks to it in bytes.

mod descriptors;
mod pressure;
mod support;
