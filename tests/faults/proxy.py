"""
Internal: a TCP proxy that plays a network which fails.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType


class Proxy:
    """
    Forwards connections on the loopback interface, in a thread of its own.

    Args:
        target: The port to which it forwards.

    Attributes:
        port: Where it listens.

        connections: How many were made so far.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._refuses = False

    def cut(self) -> None:
        """Break all connections, and each new one, until `restore`."""
        self._call(self._cut)

    def swallow(self) -> None:
        """Let nothing through, without breaking anything, until `restore`: a cable that was pulled."""
        self._call(self._flows.clear)

    def restore(self) -> None:
        """Let everything through again; what was swallowed arrives late, as TCP sends it again."""
        self._call(self._restore)

    def __enter__(self) -> Proxy:
        listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listening.set)))
        self._thread.start()
        listening.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._stopping.set)
        self._thread.join()

    def _call(self, function: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(function)

    def _cut(self) -> None:
        self._refuses = True
        for writer in list(self._open):
            writer.transport.abort()

    def _restore(self) -> None:
        self._refuses = False
        self._flows.set()

    async def _serve(self, when_listening: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._flows = asyncio.Event()
        self._flows.set()
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0, backlog=1000)
        self.port = server.sockets[0].getsockname()[1]
        when_listening()
        await self._stopping.wait()
        server.close()
        self._cut()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        self.connections += 1
        with suppress(OSError):
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._open |= (both := {writer, other_writer})
            await asyncio.gather(self._pump(reader, other_writer), self._pump(other_reader, writer))
            self._open -= both
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
