"""Sockets that commands listen on, and what stands in the way of one."""

from __future__ import annotations

import errno
import socket
import sys

from difygen.console import UsageProblem


def listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens there, for a command; port 0 takes a free one. Raises `UsageProblem`."""
    try:
        return listening_socket(host, port)
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        hint = " With --port 0 a free one is taken." if getattr(error, "errno", None) == errno.EADDRINUSE else ""
        raise UsageProblem(f"Cannot listen on {host}:{port}: {reason}.{hint}") from None


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one. Raises OSError or OverflowError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off where the protocol is named, which else holds answers back for 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError):  # the latter is what Python says of port 70000
        listener.close()
        raise
    return listener


def origin_of(listening: socket.socket) -> str:
    """Return the origin by which this machine reaches what listens there."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
