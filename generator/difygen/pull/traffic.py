"""Requests to one server: paced, bounded in size and time, repeated where that does no harm, and told who answered.

Redirects are not followed and cookies are not kept, so that a key, a token or a session reaches that one server alone.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from difygen import __version__
from difygen.console import UsageProblem, one_line
from difygen.files import MAX_BYTES
from difygen.servers import Address, NoAnswerError, ask, candidates, first_dify, runtime_module
from difygen.servers.releases import Version, parse_version
from difygen.wording import shorten

STEP_TIMEOUT = 30.0
"""Seconds for one step of a request: connecting, or waiting for the next bytes."""

WHOLE_TIMEOUT = 120.0
"""Seconds for a whole answer, however slowly it trickles."""

LONGEST_WAIT = 300.0
"""Seconds that a server may ask to wait until the next request. More is not waited for."""

_WIRE_LOG = logging.getLogger("httpcore.http11")
"""Where the HTTP library writes down headers of answers, whose cookies are a session. Silent while there is traffic."""

REPEATS = 3
PAUSE = 1.0
"""Seconds until the first repetition; the second comes after twice as many."""

_PASSING = (502, 503, 504)
_SIGN_IN = re.compile(r"login|signin|sign-in|oauth|sso|auth", re.IGNORECASE)


_OTHERWISE = "Dify answers otherwise than the releases that difygen knows: update difygen, or export the app in Dify."
_HINTS = {
    401: "Dify no longer takes the sign-in: run it again, and see that nothing in between removes headers.",
    404: "It may have been removed meanwhile: run it again.",
    500: "See the log of Dify's API.",
}
"""What to do about what Dify says, where no more is known of it."""


class ServerProblem(Exception):
    """A server did not do what was asked: whole sentences that say what came back, and what to do about it.

    `status`, `code` and `said` are those of an answer in Dify's words; `status` is 0 where there was no answer.
    """

    def __init__(self, message: str, hint: str = "", *, status: int = 0, code: str = "", said: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status
        self.code = code
        self.said = said

    def but(self, message: str, hint: str) -> ServerProblem:
        """Return the same problem in other words."""
        return ServerProblem(message, hint, status=self.status, code=self.code, said=self.said)


@dataclass(frozen=True, slots=True)
class ServerReply:
    """An answer that was read to its end. Its repr shows nothing of it, as cookies may be in there."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def version(self) -> str:
        """The release of the Dify that answered; empty for something else, or where a proxy removes the header."""
        return one_line(str(self.headers.get("x-version", "")))[:60]

    @property
    def payload(self) -> Any:
        """What its JSON holds; None if it is none."""
        try:
            return json.loads(self.body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return None

    @property
    def members(self) -> Mapping[str, Any]:
        """The members of its JSON object; none if it holds something else."""
        payload = self.payload
        return payload if isinstance(payload, dict) else {}


class Pace:
    """Keeps requests below so many in a time: a server that counts refuses those beyond."""

    def __init__(
        self,
        limit: int | None,
        window: float = 60.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit, self._window = limit, window
        self._clock, self.sleep = clock, sleep
        self._sent: deque[float] = deque()

    def wait(self) -> None:
        """Wait until one more request is allowed, and count it."""
        if self._limit is None:
            return
        while self._sent and self._clock() - self._sent[0] >= self._window:
            self._sent.popleft()
        if len(self._sent) >= self._limit:
            self.sleep(max(self._window - (self._clock() - self._sent[0]), 0.0))
            self._sent.popleft()
        self._sent.append(self._clock())


class Traffic:
    """Requests to one server. `origin` is where its console is, without a slash at the end.

    `secrets` are hidden in all that is quoted of answers: gateways repeat requests in theirs. `notice` is told of
    waits. `version` is what the last answer of Dify's said of its release.
    """

    def __init__(self, address: Address, pace: Pace, notice: Callable[[str], None]) -> None:
        http = runtime_module("_http")
        self.address = address
        self.origin = address.url
        self.secrets: list[Any] = []
        self.version = ""
        self._pace, self._notice = pace, notice
        try:
            self._client: httpx.Client = http.new_client(httpx.Client, http.NOTHING_SAID.route_to(self.origin))
        except ValueError as error:  # the runtime's ConfigurationError, which shows no password
            raise UsageProblem(f"{str(error).rstrip('.')}.") from error
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._was_silent, _WIRE_LOG.disabled = _WIRE_LOG.disabled, True

    @property
    def release(self) -> Version | None:
        """The release of the server, once it has answered; None where it does not tell."""
        return parse_version(self.version)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
        _WIRE_LOG.disabled = self._was_silent

    def get(
        self, path: str, query: Mapping[str, str | int] | None = None, headers: Mapping[str, str] | None = None
    ) -> ServerReply:
        """Ask for something: again where the server could not be reached, or asks to be asked later.

        Raises `ServerProblem` where no answer came.
        """
        for attempt in range(1, REPEATS + 1):
            try:
                reply = self._send("GET", f"{path}?{urlencode(query)}" if query else path, headers or {}, None)
            except ServerProblem as problem:
                if problem.code != "lost" or attempt == REPEATS:
                    raise
                self._pace.sleep(PAUSE * attempt)
                continue
            wait = self._wait_asked_for(reply, attempt)
            if wait is None or attempt == REPEATS:
                return reply
            self._pace.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def post(self, path: str, body: Callable[[], bytes], headers: Mapping[str, str] | None = None) -> ServerReply:
        """Send something, once. `body` makes it at the last moment, since it may hold a password."""
        return self._send("POST", path, {"Content-Type": "application/json", **(headers or {})}, body)

    def delete(self, path: str, headers: Mapping[str, str]) -> ServerReply:
        """Remove something, once."""
        return self._send("DELETE", path, headers, None)

    def members(self, reply: ServerReply) -> Mapping[str, Any]:
        """Return the JSON object of a good answer. Raises `ServerProblem` for any other."""
        payload = reply.payload
        if reply.status == 200 and isinstance(payload, dict):
            return payload
        raise self.problem(reply)

    def problem(self, reply: ServerReply) -> ServerProblem:
        """Return what an answer means that is not the one that was asked for."""
        said = reply.members
        code, text = said.get("code"), said.get("message")
        if isinstance(reply.payload, str) and reply.version:  # seen of an unknown version of an app
            text = reply.payload
        if isinstance(text, str) and text and (reply.version or isinstance(code, str)):
            shown = shorten(self.hidden(one_line(text)), 200)
            code = one_line(code)[:60] if isinstance(code, str) else ""
            message = f"Dify answered {reply.status}{f' {code}' if code else ''}: {shown.rstrip('.')}."
            return ServerProblem(
                message, _HINTS.get(reply.status, _OTHERWISE), status=reply.status, code=code, said=shown
            )
        return self._foreign(reply)

    def hidden(self, text: str) -> str:
        """Return a text of somebody else's without any secret of ours."""
        for secret in self.secrets:
            text = secret.hidden_in(text, "[hidden]")
        return text

    def elsewhere(self) -> str:
        """Say where on the host Dify does answer, or nothing."""
        here = self.address
        api = Address(here.scheme, here.host, here.port, f"{here.path.removesuffix('/v1')}/v1")
        found = first_dify(self._client, [api, *candidates(api)])
        if found is None or found == api:
            return ""
        return f"Dify's API answers at {found.url}: use {found.url.removesuffix('/v1')} as the server."

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: Callable[[], bytes] | None
    ) -> ServerReply:
        self._pace.wait()
        url = f"{self.origin}{path}"
        own = {"User-Agent": f"difygen/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        call = runtime_module("_http").Call(method, url, shown=urlsplit(url).path, headers={**own, **headers})
        call.content = body() if body else None
        try:
            answer = ask(self._client, call, STEP_TIMEOUT, whole=WHOLE_TIMEOUT, limit=MAX_BYTES)
        except NoAnswerError as error:
            why = self.hidden(str(error))
            raise ServerProblem(
                f"{method} {call.shown} brought no answer: {why}.",
                _advice_without_answer(why, self.address),
                code="lost" if error.is_lost else "",
            ) from None
        reply = ServerReply(answer.status, answer.headers, answer.body)
        self.version = reply.version or self.version
        return reply

    def _wait_asked_for(self, reply: ServerReply, attempt: int) -> float | None:
        """Return the seconds after which it makes sense to ask again; None where it makes none."""
        if reply.status in _PASSING:
            return PAUSE * attempt
        if reply.status != 429:
            return None
        asked = runtime_module("_answers").seconds_of(reply.headers.get("retry-after"), reply.headers.get("date"))
        wait = 5.0 * attempt if asked is None else float(asked)
        if wait > LONGEST_WAIT:
            return None
        self._notice(f"the server asks to wait {wait:.0f} s, as it takes no more requests until then")
        return wait + 0.1

    def _foreign(self, reply: ServerReply) -> ServerProblem:
        """Return what an answer means that is not in Dify's words: from a gateway, a proxy, the web front end."""
        answers = runtime_module("_answers")
        call = runtime_module("_http").Call("GET", self.origin, shown="/")
        call.sender = self._client
        answer = answers.Answer(
            reply.status, reply.headers, self.hidden(reply.body.decode("latin-1")).encode("latin-1")
        )
        message = f"{self.hidden(answers.foreign_message(answer, call)).rstrip('.')} (HTTP {reply.status})."
        return ServerProblem(message, self._advice(reply, answers.foreign_hint(answer, call)), status=reply.status)

    def _advice(self, reply: ServerReply, otherwise: str) -> str:
        location = str(reply.headers.get("location", ""))
        if 300 <= reply.status < 400:
            there = urlsplit(location)
            if there.scheme and there.scheme != self.address.scheme and there.hostname == self.address.host:
                return f"Write {there.scheme}:// in the server's URL: redirects are not followed with a token."
            if _SIGN_IN.search(there.path):
                return "A gateway wants people to sign in there: give an address of the server that leads past it."
            return "Set `server` to where the console really is: redirects are not followed with a token."
        if reply.status in _PASSING:
            return "Dify's API does not run, or is starting: look at the api container's log."
        if reply.version and reply.status != 404:
            return _HINTS.get(reply.status, _OTHERWISE)
        if reply.status in (401, 403, 407):
            return f"{otherwise.rstrip('.')}."
        return (
            self.elsewhere() or "Set `server` to where people open Dify in a browser, such as https://dify.example.com."
        )


def _advice_without_answer(why: str, address: Address) -> str:
    if "certificate" in why:
        return "For a certificate of your own authority set SSL_CERT_FILE to its PEM file, or renew the certificate."
    if "proxy" in why.lower():
        return "Correct the proxy, or name the host in NO_PROXY if it is reached without one."
    if "not known" in why or "refuses" in why or "TLS" in why:
        return f"Check the server's URL, {address.url}: scheme, name and port are those of Dify in a browser."
    return "Run it again; if it stays so, see the server's log, or that of the proxy on the way."
