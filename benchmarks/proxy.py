"""
Internal: a TCP proxy that makes the loopback interface as slow as a distant mail server.

``python proxy.py PORT ROUND_TRIP_SECONDS`` prints the port that it listens on. Every byte takes half a round trip each
way, and a new connection the one and a half that the TCP handshake takes before the server can speak.
"""

from __future__ import annotations

import asyncio
import sys


class _Side(asyncio.Protocol):
    """One side of a connection; what it receives is written to the *other* side half a round trip later."""

    def __init__(self, one_way: float, other: asyncio.WriteTransport | None = None) -> None:
        self.one_way = one_way
        self.other = other

    def data_received(self, data: bytes) -> None:
        assert self.other is not None, "In SMTP the server speaks first."
        # Timers that were set in order fire in order.
        asyncio.get_running_loop().call_later(self.one_way, self.other.write, data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None:
            asyncio.get_running_loop().call_later(self.one_way, self.other.close)


class _Client(_Side):
    """The side of the client; reaches the server on *port* when a TCP handshake would have ended."""

    def __init__(self, one_way: float, port: int) -> None:
        super().__init__(one_way)
        self.port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connecting = asyncio.get_running_loop().create_task(self.connect(transport))

    async def connect(self, transport: asyncio.BaseTransport) -> None:
        await asyncio.sleep(3 * self.one_way)
        self.other, _ = await asyncio.get_running_loop().create_connection(
            lambda: _Side(self.one_way, transport), "127.0.0.1", self.port
        )


async def main(port: int, round_trip: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(round_trip / 2, port), "127.0.0.1", backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
