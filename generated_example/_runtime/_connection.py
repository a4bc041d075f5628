"""What it means when there is no answer: what the exceptions of the HTTP library stand for."""

from time import monotonic

from ._errors import (
    ClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    ConnectTimeoutError,
    DeadlineExceededError,
    DifyError,
    IdleTimeoutError,
)
from ._http import Call


def translate(error: Exception, call: Call, deadline: float) -> DifyError | None:
    """Return what an exception of the HTTP library means; None for one that is not its own.

    Goes by the names of the classes, so that a client of either library can be given.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, TimeoutError):
        return timeout_error(call, deadline)
    if not kinds & {"HTTPError", "InvalidURL", "StreamError"}:
        return None
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    target = f"{call.method} {call.shown}"
    if kinds & {"ConnectTimeout", "PoolTimeout"}:
        return ConnectTimeoutError(
            f"No connection to {place(call)} in time ({reason}). Nothing was sent"
        )
    if kinds & {"ConnectError", "ProxyError"}:
        return ConnectionFailedError(
            f"Cannot connect to {place(call)} ({reason}). Nothing was sent"
        )
    if "TimeoutException" in kinds:
        return timeout_error(call, deadline)
    if kinds & {"InvalidURL", "UnsupportedProtocol", "LocalProtocolError"}:
        return ConfigurationError(f"Cannot send {target}: {reason}")
    return ConnectionLostError(f"The connection broke during {target} ({reason})")


def timeout_error(call: Call, deadline: float) -> DifyError:
    """Return the error for a wait that was too long: for the call, or for one step of it."""
    if monotonic() >= deadline - 0.01:
        return DeadlineExceededError(
            f"{call.method} {call.shown} was not finished within its timeout"
        )
    return IdleTimeoutError(
        f"Nothing arrived from the server in time during {call.method} {call.shown}"
    )


def closed_error(call: Call) -> ClosedError:
    """Return the error for a wait that a `close()` elsewhere has ended."""
    return ClosedError(
        f"close() was called during {call.method} {call.shown}. A run that was started "
        "goes on at the server"
    )


def place(call: Call) -> str:
    """Return a call's URL, as far as everybody may see it."""
    url = call.url.partition("?")[0]
    return f"{url.rpartition('/')[0]}/..." if call.shown.endswith("/...") else url
