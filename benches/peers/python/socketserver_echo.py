"""socketserver: blocking calls, a thread a connection. `tcp ADDRESS:PORT` or `udp ADDRESS:PORT`."""

import socket
import socketserver
import threading

import common


class Stream(socketserver.BaseRequestHandler):
    def handle(self):
        connection = self.request
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = memoryview(bytearray(common.BUFFER))
        try:
            while count := connection.recv_into(buffer):
                connection.sendall(buffer[:count])
        except OSError:
            pass  # One peer's trouble.


class Datagrams(socketserver.BaseRequestHandler):
    def handle(self):
        data, server = self.request
        server.sendto(data, self.client_address)


class StreamServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = common.BACKLOG


class DatagramServer(socketserver.UDPServer):
    max_packet_size = common.BUFFER


mode, host, port = common.arguments()
threading.stack_size(256 * 1024)
server = (
    DatagramServer((host, port), Datagrams) if mode == "udp" else StreamServer((host, port), Stream)
)
common.announce(mode, server.server_address)
server.serve_forever()
