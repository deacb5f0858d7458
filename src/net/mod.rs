//! Floor 3: sockets.

mod packets;
