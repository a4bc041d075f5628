"""Every answer that is no success: the refusals of Dify's Service API, as seen on 1.12.1, and faults on demand.

Faults are what `--fail-rate`, `--cut-after` and the request header `X-Mock-Fault` ask for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

INTERNAL_ERROR = (
    "The server encountered an internal error and was unable to complete your request. "
    "Either the server is overloaded or there is an error in the application."
)
NOT_UNDERSTOOD = "The browser (or proxy) sent a request that this server could not understand."
WRONG_MODE = "Please check if your app mode matches the right API route."
NOT_FOUND_PAGE = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    "<p>The requested URL was not found on the server. "
    "If you entered the URL manually please check your spelling and try again.</p>\n"
)


class ApiError(Exception):
    """An answer that is not a success: becomes Dify's JSON envelope."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, object]:
        """Return the envelope. An unhandled exception of the real server has another order of keys (seen on 1.12.1)."""
        if self.code == "unknown":
            return {"message": self.message, "code": self.code, "status": self.status}
        return {"code": self.code, "message": self.message, "status": self.status}


def invalid_param(message: str) -> ApiError:
    """Return the error for a field, an input or a file that the server does not take."""
    return ApiError(400, "invalid_param", message)


def bad_request(message: str = NOT_UNDERSTOOD) -> ApiError:
    """Return the error for a body that is not JSON, or a path that cannot be meant."""
    return ApiError(400, "bad_request", message)


def unauthorized(message: str) -> ApiError:
    """Return the error for a missing, malformed or unknown key."""
    return ApiError(401, "unauthorized", message)


def not_found(message: str) -> ApiError:
    """Return the error for a run, a workflow version or a form that does not exist, or not for this caller."""
    return ApiError(404, "not_found", message)


def unhandled() -> ApiError:
    """Return what the real server answers where its own code breaks before the endpoint's."""
    return ApiError(500, "unknown", "Internal Server Error")


def internal() -> ApiError:
    """Return what the real server answers where its own code breaks inside the endpoint."""
    return ApiError(500, "internal_server_error", INTERNAL_ERROR)


# Faults on demand


HEADER = "X-Mock-Fault"

FAULTS: Mapping[str, str] = {
    "failed": "the run fails; failed=NODE_ID says in which node",
    "stopped": "the run ends as if somebody had stopped it",
    "stop-fails": "a stop ends the run as failed once its node has ended, as it may up to Dify 1.15",
    "partial": "a node fails, the workflow copes: partial-succeeded; partial=NODE_ID says in which node",
    "paused": "the run pauses for a human and goes on when the form is submitted",
    "expired": "the form of a human-input node expires at once, and the run goes on; expired=SECONDS after some time",
    "slow": "the first node takes 30 seconds; slow=SECONDS for another time, slow=SECONDS@NODE_ID for another node",
    "cut": "the connection is cut after the third event; cut=N after N events, cut=Nb after N bytes of the body",
    "lost": "the stream's first event is lost, as it may be on Dify 1.13 to 1.16; lost=N loses N events",
    "drop": "the connection is closed without an answer",
    "error-event": "the stream ends with an `error` event (blocking: 400 completion_request_error)",
    "ping-forever": "the stream only pings after its first events, a blocking call is not answered",
    "silent": "as ping-forever, without the pings",
    "too-many-requests": "400 invalid_param, the concurrency limit as Dify 1.12.1 words it",
    "429": "429 too_many_requests, the concurrency limit as the documentation has it",
    "401": "401 unauthorized",
    "403": "403 forbidden, the app's API is switched off",
    "404": "404, an HTML page",
    "500": "500 internal_server_error",
    "html-413": "a web server's 413, HTML without Dify's headers",
    "html-429": "a web server's 429, HTML without Dify's headers",
    "html-502": "a web server's 502, HTML without Dify's headers",
    "html-503": "a web server's 503, HTML without Dify's headers",
    "html-504": "a web server's 504, HTML without Dify's headers",
    "html-524": "a web server's 524, HTML without Dify's headers",
}
"""Every word that `X-Mock-Fault` knows, and what it does. Several words are separated by commas."""

_WITH_VALUE = ("failed", "partial", "expired", "slow", "cut", "lost")


class UnknownFaultError(ValueError):
    """A word or a value that `X-Mock-Fault` does not know."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a connection is cut: after so many events, or so many bytes of the body."""

    events: int | None = None
    bytes: int | None = None

    @classmethod
    def parse(cls, text: str) -> Cut:
        """Read `3` for events, `120b` for bytes."""
        number, unit = (text[:-1], "bytes") if text[-1:] in ("b", "B") else (text, "events")
        if not number.isdecimal():
            raise UnknownFaultError(f"{text!r} is neither a number of events (3) nor of bytes (120b)")
        return cls(**{unit: int(number)})


def seconds_of(text: str) -> float:
    """Read a number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UnknownFaultError(f"{text!r} is no number of seconds")
    return seconds


@dataclass(frozen=True, slots=True)
class Slow:
    """A node that takes its time: the first that works, unless it is named."""

    seconds: float
    node: str = ""

    @classmethod
    def parse(cls, text: str) -> Slow:
        """Read `5` for the first node, `5@code1` for another one."""
        number, _, node = text.partition("@")
        return cls(seconds_of(number), node)


@dataclass(frozen=True, slots=True)
class Faults:
    """What one request is to suffer, by word; the value is what stands behind `=`, or empty."""

    words: Mapping[str, str]

    @classmethod
    def parse(cls, header: str) -> Faults:
        """Read the faults of a header's value. Raises UnknownFaultError, so that a typo does not pass for a success."""
        pairs = [word.strip().partition("=") for word in header.split(",") if word.strip()]
        words = {word.strip().lower(): value.strip() for word, _, value in pairs}
        for word, value in words.items():
            if word not in FAULTS or (value and word not in _WITH_VALUE):
                raise UnknownFaultError(f"unknown fault {word!r}; known are {', '.join(FAULTS)}")
        faults = cls(words)
        _ = faults.cut, faults.lost, faults.slow, faults.expires  # refuses wrong numbers here, not amid a stream
        return faults

    def check_nodes(self, node_ids: Collection[str]) -> None:
        """Refuse the name of a node that the workflow does not have."""
        for node in (self.words.get("failed"), self.words.get("partial"), self.slow.node):
            if node and node not in node_ids:
                raise UnknownFaultError(f"unknown node {node!r}; known are {', '.join(node_ids)}")

    def __contains__(self, word: str) -> bool:
        return word in self.words

    @property
    def node(self) -> str:
        """The node that `failed=` or `partial=` names, or empty."""
        return self.words.get("failed", "") or self.words.get("partial", "")

    @property
    def cut(self) -> Cut | None:
        """Where to cut the connection, or None."""
        return Cut.parse(self.words["cut"] or "3") if "cut" in self.words else None

    @property
    def lost(self) -> int:
        """How many events of a stream are lost."""
        number = self.words.get("lost", "0") or "1"
        if not number.isdecimal():
            raise UnknownFaultError(f"{number!r} is no number of events")
        return int(number)

    @property
    def expires(self) -> float | None:
        """After how many seconds a form expires, or None for when its node says."""
        return seconds_of(self.words["expired"] or "0") if "expired" in self.words else None

    @property
    def slow(self) -> Slow:
        """How long a node takes beyond the server's latency, and which one."""
        return Slow.parse(self.words["slow"] or "30") if "slow" in self.words else Slow(0.0)


@dataclass(slots=True)
class FailRate:
    """Spreads failures evenly: of N runs, N x rate fail, always the same ones. No dice, so that a test repeats."""

    rate: float
    _sum: float = 0.0

    def next_fails(self) -> bool:
        """Return whether the next run fails."""
        self._sum += self.rate
        if self._sum < 1 - 1e-9:
            return False
        self._sum -= 1
        return True
