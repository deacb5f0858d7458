"""What the Python peers do before their loops start."""

import resource
import sys

BUFFER = 64 * 1024
BACKLOG = 4096


def arguments():
    """Mode, host and port; raises the descriptor limit on the way."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if len(sys.argv) != 3 or sys.argv[1] not in ("tcp", "udp"):
        sys.exit(f"usage: {sys.argv[0]} tcp|udp ADDRESS:PORT")
    host, _, port = sys.argv[2].rpartition(":")
    return sys.argv[1], host, int(port)


def announce(scheme, address):
    """Says on standard output where the server can be reached."""
    print(f"listening on {scheme}://{address[0]}:{address[1]}", flush=True)
