"""A server on standard input and output, until the client closes them or a signal ends it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from difygen.mcp.calls import Calls

MAX_LINE = 64 * 1024 * 1024
"""Bytes that a message may have: more is no call of a tool."""

GRACE = 0.2
"""Seconds between the end of the input and that of the server: what came last is still answered."""

LAST_RESORT = 4.0
"""Seconds after a signal when the process ends, whatever it waits for: a client may no longer read what is written."""

_PIECE = 1 << 16
_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


async def serve_stdio(server: Server[Any], calls: Calls) -> None:
    """Serve until the input ends, or a signal comes. Runs that are waited for are stopped then.

    Standard output is the protocol's alone as long as this goes on: what else is printed goes to standard error.
    """
    lines = InputLines()
    timer = threading.Timer(LAST_RESORT, os._exit, [1])
    timer.daemon = True
    try:
        with anyio.CancelScope() as scope:

            def end() -> None:
                with suppress(RuntimeError):  # the second signal
                    timer.start()
                scope.cancel()

            _on_signals(end)
            # The SDK asks for an `AsyncFile` and iterates it. Its own reader waits in a thread that nothing can end.
            async with stdio_server(stdin=cast("anyio.AsyncFile[str]", lines)) as (read, write):
                try:
                    await server.run(read, write, server.create_initialization_options())
                finally:
                    with anyio.CancelScope(shield=True):
                        await calls.close()
    except* BrokenPipeError:
        pass  # the client reads no more, which is its way of leaving


class InputLines:
    """The lines of standard input, read by a thread that does not keep the process from ending.

    Whoever else reads standard input from now on finds nothing there.
    """

    def __init__(self) -> None:
        self._handle = os.dup(0)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(256)  # lines that wait; a client that sends more waits itself
        threading.Thread(target=self._read, name="difygen-mcp-input", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            self._room.release()
            if line.strip():
                yield _whole(line.decode("utf-8", "replace"))
        await asyncio.sleep(GRACE)

    def _read(self) -> None:
        line = bytearray()
        with suppress(OSError):
            while len(line) <= MAX_LINE and (piece := os.read(self._handle, _PIECE)):
                first, *others = piece.split(b"\n")
                line += first
                for other in others:
                    self._room.acquire()
                    self._put(bytes(line))
                    line = bytearray(other)
        if len(line) <= MAX_LINE:
            self._put(bytes(line))
        self._put(None)

    def _put(self, line: bytes | None) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)


def _whole(message: str) -> str:
    """Return a message without halves of characters, as in `"\\ud83d"`, which the SDK would leave unanswered.

    JavaScript cuts texts like that.
    """
    if _HALF.search(message) is None:
        return message
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return message
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")


def _on_signals(end: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(end))
        else:
            loop.add_signal_handler(number, end)
