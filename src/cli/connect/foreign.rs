//! Options of nc and its like that have another name here.

use crate::cli::foreign::Known;

/// Programs that connect standard input and output.
#[derive(Debug)]
pub(super) struct Netcats;

impl Known for Netcats {
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("-C", "-C is --crlf here"),
        ("-N", "-N is not needed: the end of input is always told to the peer"),
        ("-U", "-U is for Unix sockets: say unix://PATH or unixgram://PATH"),
        ("-c", "-c runs a command, or sends CRLF; for that say --crlf"),
        ("-e", "-e runs a command: say socat, or example remote_command"),
        ("-i", "-i waits between lines, which is not there"),
        ("-k", "-k listens for one client after the other: say echoloop serve"),
        ("-n", "-n is not needed: addresses are not looked up"),
        ("-p", "-p is a port: it stands in the endpoint, tcp://HOST:PORT"),
        ("-s", "-s is not there: the system chooses the address to send from"),
        ("-u", "-u is for UDP: say udp://HOST:PORT"),
        (
            "-w",
            "-w is a timeout: say --connect-timeout, or --wait for the time after the end of input",
        ),
        ("-x", "-x is a hex dump in some, a proxy in others; for the dump say --hex"),
        ("-z", "-z looks whether something listens: say echoloop ping --tcp-connect -c 1"),
    ];
}
