"""asyncio: protocols, not streams, which is its fast way. `tcp ADDRESS:PORT` or `udp ADDRESS:PORT`."""

import asyncio

import common


class Stream(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    # What the peer does not take waits in the transport; while that is much, nothing is read.
    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    # Before Python 3.13 `sendto` drops empty datagrams without a word.
    def datagram_received(self, data, sender):
        self.transport.sendto(data, sender)


async def serve(mode, host, port):
    loop = asyncio.get_running_loop()
    if mode == "udp":
        transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=(host, port))
        common.announce(mode, transport.get_extra_info("sockname"))
        await loop.create_future()
    else:
        # asyncio sets TCP_NODELAY by itself.
        server = await loop.create_server(Stream, host, port, backlog=common.BACKLOG)
        common.announce(mode, server.sockets[0].getsockname())
        await server.serve_forever()


asyncio.run(serve(*common.arguments()))
