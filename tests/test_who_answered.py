"""What stands between a client and its Dify: who answered, what that becomes, and that nothing is started twice.

The servers here are gateways, proxies and ports of other kinds. Every case goes through all kinds of calls.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import runtime
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime import _protocol
from support.chat_clients import AsyncChat, Chat
from support.concat_client import AsyncConcatClient, ConcatClient
from support.examples import examples
from support.servers import Connection, Handler, Request, Server, authority, unused_port

KEY = "app-SecretThatMustNotLeak"
OPTIONS: dict[str, Any] = {"api_key": KEY, "user": "tester", "timeout": 60.0, "idle_timeout": 20.0}
STREAM_ADVICE = 'response_mode="streaming"'


def plain(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Handler:
    """An answer with these headers and no others."""
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode("latin-1")
    return lambda connection, request: connection.send(head + b"\r\n\r\n" + body)


@dataclass(frozen=True)
class Caller:
    """One of the ways in which users begin something."""

    make: Callable[..., Any]
    call: Callable[[Any], Any]
    streams: bool

    def failure(self, url: str, **options: Any) -> runtime.DifyError:
        """The error of a call; the key is in none of its texts and members."""
        with pytest.raises(runtime.DifyError) as caught:
            self.run(url, **options)
        error = caught.value
        assert KEY not in f"{error} {error!r} {vars(error)}"
        return error

    def run(self, url: str, **options: Any) -> None:
        settings = {**OPTIONS, "base_url": url, **options}
        if hasattr(self.make, "__aenter__"):
            asyncio.run(self._run_async(settings))
            return
        with self.make(**settings) as client:
            found = self.call(client)
            if hasattr(found, "__enter__"):
                with found as stream:
                    stream.result()

    async def _run_async(self, settings: Mapping[str, Any]) -> None:
        async with self.make(**settings) as client:
            found = self.call(client)
            if hasattr(found, "__aenter__"):
                async with found as stream:
                    await stream.result()
            else:
                await found


CALLERS = {
    f"{name}-{how}": Caller(make, call, how != "blocking")
    for name, make, begin in (
        ("workflow", ConcatClient, "run"),
        ("async workflow", AsyncConcatClient, "run"),
        ("chat", Chat, "chat"),
        ("async chat", AsyncChat, "chat"),
    )
    for how, call in {
        "blocking": lambda client, begin=begin: begun(client, begin, response_mode="blocking"),
        "collected": lambda client, begin=begin: begun(client, begin, response_mode="streaming"),
        "stream": lambda client: begun(client, "stream"),
    }.items()
}


def begun(client: Any, method: str, **options: Any) -> Any:
    """A run, or a turn of an app without inputs of its own."""
    if isinstance(client, ConcatClient | AsyncConcatClient):
        return getattr(client, method)(**options)
    from support.chat_clients import AnyInputs

    return getattr(client, f"{method}_inputs")("Hello", AnyInputs(), **options)


each_call = pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
"""Blocking and async, workflow and chat; one answer, a collected stream, a stream."""
one_of_each = pytest.mark.parametrize("caller", [CALLERS["workflow-blocking"], CALLERS["async chat-stream"]])

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
DIFY = {**JSON, "X-Version": "1.12.1"}


def envelope(code: str, message: str, status: int) -> bytes:
    return json.dumps({"code": code, "message": message, "status": status}).encode()


NOT_DIFY: dict[str, tuple[Handler, type[runtime.DifyError], tuple[str, ...]]] = {
    "a key of the gateway's own": (
        plain(401, b'{"message": "No API key found"}', {**JSON, "Server": "kong/3.4", "WWW-Authenticate": "Key x"}),
        runtime.AuthenticationError,
        ("kong/3.4 in front of it", "'No API key found'", "WWW-Authenticate: Key", "HTTP 401"),
    ),
    "a firewall": (
        plain(403, b"<html><title>Attention\nRequired!</title>", {**HTML, "Server": "cloudflare", "CF-RAY": "8a"}),
        runtime.PermissionDeniedError,
        ("cloudflare in front of it", "'Attention Required!'", "firewall", "request 8a"),
    ),
    "a web server": (
        plain(404, b"<!doctype html>", {**HTML, "Server": "nginx"}),
        runtime.UnexpectedResponseError,
        ("Not Dify but nginx answered", "a web page", "5001"),
    ),
    "json of azure": (
        plain(404, b'{"error": {"code": "404", "message": "Resource not found"}}', JSON),
        runtime.UnexpectedResponseError,
        ("'Resource not found'", "base URL"),
    ),
    "a limit of sizes": (
        plain(413, b"<html><title>413</title>", {**HTML, "Server": "nginx/1.25.3"}),
        runtime.FileTooLargeError,
        ("nginx/1.25.3 in front of it", "client_max_body_size"),
    ),
    "a crash": (
        plain(500, b'{"fault": {"faultstring": "boom"}}', {**JSON, "Via": "1.1 squid"}),
        runtime.ServerError,
        ("something in front of it (Via: 1.1 squid)", "'boom'", "may have been started"),
    ),
    "no upstream": (
        plain(502, b"", {"Server": "awselb/2.0"}),
        runtime.ServerError,
        ("awselb/2.0 in front of it", "with nothing", "did not reach Dify", "may have been started"),
    ),
    "overload": (
        plain(503, b"no healthy upstream", {"Content-Type": "text/plain", "Server": "envoy", "Retry-After": "7"}),
        runtime.ServerError,
        ("envoy", "'no healthy upstream'", "may have been started"),
    ),
    "impatience in json": (
        plain(504, b'{"message": "Endpoint request timed out"}', JSON),
        runtime.ServerError,
        ("'Endpoint request timed out'", "gave up waiting", "may go on"),
    ),
    "impatience in html": (plain(504, b"<html>", HTML), runtime.ServerError, ("gave up waiting", "may go on")),
    "impatience of cloudflare": (
        plain(524, b"error code: 524", {"Content-Type": "text/plain"}),
        runtime.ServerError,
        ("Cloudflare gave up waiting", "may go on"),
    ),
    "a login page elsewhere": (
        plain(302, b"", {"Location": "https://login.example/oauth2/authorize?client=secret"}),
        runtime.UnexpectedResponseError,
        ("redirects to https://login.example/oauth2/authorize ", "sign in"),
    ),
    "https alone": (
        plain(301, b"", {"Location": "https://127.0.0.1/v1/workflows/run"}),
        runtime.UnexpectedResponseError,
        ("Write https:// in the base URL",),
    ),
    "a captive portal": (
        plain(200, b"<html><title>Hotel WiFi</title>", HTML),
        runtime.UnexpectedResponseError,
        ("something else answered", "'Hotel WiFi'", "sign in"),
    ),
    "no version": (
        plain(502, b"<html>", {**HTML, "X-Version": ""}),
        runtime.ServerError,
        ("Not Dify but something in front of it", "did not reach Dify"),
    ),
    "nothing": (plain(200), runtime.UnexpectedResponseError, ("with nothing", "may have been started")),
    "no content": (plain(204), runtime.UnexpectedResponseError, ("with nothing", "may have been started")),
    "a port of tls": (
        plain(400, b"<html><title>400 The plain HTTP request was sent to HTTPS port</title>", HTML),
        runtime.BadRequestError,
        ("write https:// in the base URL",),
    ),
}


@each_call
@pytest.mark.parametrize("case", NOT_DIFY)
def test_what_answers_in_dify_s_place_is_named_and_asked_once(caller: Caller, case: str) -> None:
    handler, kind, words = NOT_DIFY[case]
    with Server(handler) as server:
        error = caller.failure(server.url)
    text = str(error)
    assert type(error) is kind
    assert "Not Dify but " in text
    assert all(word in text for word in words), text
    assert "secret" not in text
    assert not (caller.streams and STREAM_ADVICE in text)
    assert (STREAM_ADVICE in text) == (case.startswith("impatience") and not caller.streams)
    assert server.runs == len(server.requests) == 1


@each_call
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            plain(200, envelope("invalid_param", "num must be a number", 400), DIFY),
            runtime.InvalidParamError,
            ("num must be a number (HTTP 400, invalid_param", "Dify 1.12.1", "came with HTTP 200"),
        ),
        (
            plain(200, envelope("too_many_requests", "Too many requests", 429), DIFY),
            runtime.TooManyRequestsError,
            ("came with HTTP 200",),
        ),
        (
            plain(401, envelope("unauthorized", "Access token is invalid", 401), DIFY),
            runtime.AuthenticationError,
            ("Access token is invalid (HTTP 401", "Dify 1.12.1", "key of this very app"),
        ),
        (
            plain(401, envelope("unauthorized", "Access token is invalid", 401), JSON),
            runtime.AuthenticationError,
            ("Access token is invalid (HTTP 401", "key of this very app", "lacks Dify's header X-Version"),
        ),
        (
            plain(401, envelope("unauthorized", "Authorization header must be provided", 401), DIFY),
            runtime.AuthenticationError,
            ("takes the header Authorization away",),
        ),
        (
            plain(
                400, envelope("not_chat_app", "Please check if your app mode matches the right API route.", 400), DIFY
            ),
            runtime.NotChatAppError,
            ("The key belongs to an app of another mode",),
        ),
        (
            plain(400, envelope("invalid_param", "x is required in input form", 400), DIFY),
            runtime.InvalidParamError,
            ("is this the key of another app?",),
        ),
        (
            plain(400, envelope("completion_request_error", "Too many requests to the model", 400), DIFY),
            runtime.ProviderError,
            (),
        ),
        (
            plain(500, envelope("internal_server_error", "Too many requests to the model", 500), DIFY),
            runtime.ServerError,
            (),
        ),
        (
            plain(404, b"<!doctype html><title>404</title>", {**HTML, "X-Version": "0.15.3"}),
            runtime.UnexpectedResponseError,
            ("Dify 0.15.3 answered, with a web page: '404'", "no such endpoint"),
        ),
    ],
)
def test_what_dify_says_is_said_as_its_own(
    caller: Caller, answer: Handler, kind: type[runtime.DifyError], words: tuple[str, ...]
) -> None:
    with Server(answer) as server:
        error = caller.failure(server.url)
    assert type(error) is kind
    assert "Not Dify" not in str(error)
    assert all(word in str(error) for word in words), str(error)
    assert server.runs == len(server.requests) == 1


@one_of_each
@pytest.mark.parametrize("key", ["sk-SecretThatMustNotLeak", "SecretThatMustNotLeak"])
def test_a_refused_key_that_is_none_of_dify_s_is_explained(caller: Caller, key: str) -> None:
    with Server(plain(401, envelope("unauthorized", "Access token is invalid", 401), DIFY)) as server:
        text = str(caller.failure(server.url, api_key=key))
    assert "does not start with app-" in text
    assert ("model providers" in text) == key.startswith("sk-")


@one_of_each
@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("30", 30.0), ("Thu, 26 Nov 2026 10:00:30 GMT", 30.0), ("Thu, 26 Nov 2026 09:00:00 GMT", 0.0), ("soon", None)],
)
def test_a_gateway_s_limit_says_when_to_come_again(caller: Caller, retry_after: str, seconds: float | None) -> None:
    headers = {**JSON, "Retry-After": retry_after, "Date": "Thu, 26 Nov 2026 10:00:00 GMT"}
    with Server(plain(429, b'{"message": "API rate limit exceeded"}', headers)) as server:
        error = caller.failure(server.url, max_retries=0)
    assert isinstance(error, runtime.TooManyRequestsError)
    assert error.retry_after == seconds
    assert "Not Dify but something in front of it answered, with JSON: 'API rate limit exceeded'" in str(error)


@one_of_each
def test_a_gateway_that_repeats_keys_does_not_make_them_known(caller: Caller) -> None:
    body = json.dumps({"message": f"Bearer {KEY} is unknown", "key": KEY}).encode()
    headers = {**JSON, "Server": KEY, "Via": KEY, "X-Request-Id": KEY, "WWW-Authenticate": KEY}
    for status in (200, 401, 407, 500):
        with Server(plain(status, body, headers)) as server:
            assert "[the API key]" in str(caller.failure(server.url))
    token = {"message": "The token hunter2hunter2 has expired"}
    with Server(plain(401, json.dumps(token).encode(), JSON)) as server:
        error = caller.failure(server.url, headers={"X-Gateway": "Token hunter2hunter2"})
    assert "'The token [hidden] has expired'" in str(error)
    assert "hunter2" not in f"{vars(error)}"
    with Server(plain(302, b"", {"Location": f"https://{KEY}@other.example/{KEY}?{KEY}"})) as server:
        caller.failure(server.url)


@one_of_each
def test_an_error_that_breaks_off_has_its_status_all_the_same(caller: Caller) -> None:
    def broken(connection: Connection, request: Request) -> None:
        connection.send(b"HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nContent-Length: 999\r\n\r\n<html>")
        connection.finish()

    with Server(broken) as server:
        error = caller.failure(server.url)
    assert (type(error), "nginx in front of it answered" in str(error)) == (runtime.ServerError, True)
    assert server.runs == 1


@one_of_each
def test_the_key_follows_no_redirect(caller: Caller) -> None:
    with Server(plain(200)) as other, Server(plain(307, b"", {"Location": f"{other.url}/workflows/run"})) as server:
        assert isinstance(caller.failure(server.url), runtime.UnexpectedResponseError)
    assert other.requests == []


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Sets proxies of the environment, which have a password."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    def use(port: int) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://me:hunter2@127.0.0.1:{port}")

    yield use


@one_of_each
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_to_blame(caller: Caller, scheme: str, proxied: Callable[[int], None]) -> None:
    port = unused_port()
    proxied(port)
    error = caller.failure(f"{scheme}://dify.internal/v1", max_retries=0)
    assert type(error) is runtime.ProxyError
    assert f"The proxy http://127.0.0.1:{port} ({scheme.upper()}_PROXY)" in str(error)
    assert f"port {port} of 127.0.0.1 refuses connections" in str(error)
    assert "Nothing was sent" in str(error) and "NO_PROXY" in str(error)
    assert "hunter2" not in f"{error} {vars(error)}"


@one_of_each
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_is_asked_once(
    caller: Caller, scheme: str, proxied: Callable[[int], None]
) -> None:
    with Server(plain(407, b"<html><title>Who are you?</title>", HTML)) as proxy:
        proxied(proxy.port)
        error = caller.failure(f"{scheme}://dify.internal/v1")
    assert type(error) is runtime.ProxyError
    assert isinstance(error, runtime.ConnectionFailedError) and error.status == 407
    assert f"The proxy http://127.0.0.1:{proxy.port} ({scheme.upper()}_PROXY) wants a user name" in str(error)
    assert "http://user:password@host:port" in str(error)
    assert "hunter2" not in f"{error} {vars(error)}"
    assert len(proxy.requests) == 1


@one_of_each
def test_a_tunnel_that_fails_is_tried_again_since_nothing_reached_dify(
    caller: Caller, proxied: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_protocol, "FIRST_BACKOFF", 0.001)
    with Server(plain(502, b"", {"Server": "squid"})) as proxy:
        proxied(proxy.port)
        error = caller.failure("https://dify.internal/v1", max_retries=2)
    assert type(error) is runtime.ProxyError
    assert "did not open a way to dify.internal (502 Said). Nothing reached Dify" in str(error)
    assert [request.method for request in proxy.requests] == ["CONNECT"] * 3


@one_of_each
def test_an_answer_that_came_through_a_proxy_says_so(caller: Caller, proxied: Callable[[int], None]) -> None:
    with Server(plain(502, b"<html>", {**HTML, "Server": "squid"})) as proxy:
        proxied(proxy.port)
        error = caller.failure("http://dify.internal/v1")
    assert f"squid in front of it answered through the proxy http://127.0.0.1:{proxy.port} (HTTP_PROXY)" in str(error)
    assert len(proxy.requests) == 1


def in_plain_http(connection: Connection) -> None:
    """Answer the first bytes, whatever they are."""
    connection.sock.recv(65536)
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.finish()


@one_of_each
def test_https_to_a_port_that_speaks_http(caller: Caller) -> None:
    with Server({}, on_accept=in_plain_http) as server:
        error = caller.failure(server.url.replace("http:", "https:"))
    assert type(error) is runtime.ConnectionFailedError
    assert f"port {server.port} does not speak TLS" in str(error)
    assert f"write http://127.0.0.1:{server.port}" in str(error)
    assert server.accepted == 1


@one_of_each
def test_http_to_a_port_that_answers_in_tls(caller: Caller) -> None:
    with Server(lambda connection, request: connection.send(b"\x15\x03\x01\x00\x02\x02\x46")) as server:
        error = caller.failure(server.url)
    assert f"write https://127.0.0.1:{server.port} in the base URL" in str(error)
    assert server.runs == 1


@one_of_each
def test_a_port_where_another_protocol_is_spoken(caller: Caller) -> None:
    with Server(lambda connection, request: connection.send(b"220 mail ready\r\n\r\n")) as server:
        error = caller.failure(server.url)
    assert "What came back is not HTTP" in str(error)
    assert server.runs == 1


@one_of_each
def test_a_certificate_that_is_not_trusted_names_the_setting(caller: Caller) -> None:
    with Server(plain(200), tls=authority().server) as server:
        error = caller.failure(server.url)
    assert type(error) is runtime.ConnectionFailedError
    assert "the certificate is not accepted: " in str(error)
    assert "SSL_CERT_FILE" in str(error)
    assert server.accepted == 1


@one_of_each
@pytest.mark.parametrize(
    ("host", "words"),
    [("no-such-host.invalid", "Check the spelling"), ("nosuchhost", "A name without a dot")],
)
def test_a_host_that_is_not_known(caller: Caller, host: str, words: str) -> None:
    error = caller.failure(f"http://{host}/v1", max_retries=0)
    assert f"the host {host!r} is not known" in str(error)
    assert words in str(error)


@one_of_each
def test_a_port_where_nobody_listens(caller: Caller) -> None:
    error = caller.failure(f"http://127.0.0.1:{unused_port()}/v1", max_retries=0)
    assert "refuses connections: nothing listens there" in str(error)
    assert "5001" in str(error)


@one_of_each
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_port_that_answers_nobody(caller: Caller, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), pytest.MonkeyPatch.context() as patch:
            patch.setattr("runtime._http.CONNECT_TIMEOUT", 0.2)
            patch.setattr("runtime._transport.CONNECT_TIMEOUT", 0.2)
            with socket.socket() as waiting:
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
                error = caller.failure(f"{scheme}://127.0.0.1:{port}/v1", max_retries=0)
    assert type(error) is runtime.ConnectTimeoutError
    assert f"port {port} of 127.0.0.1 does not answer in time" in str(error)
    assert ("plain HTTP" in str(error)) == (scheme == "https")


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", "text/html", "text/plain", "", "x; charset=\xff", "a/b"]),
        "Server": TEXTS | st.just(KEY),
        "Via": TEXTS,
        "X-Version": st.sampled_from(["1.12.1", "1.16.0", "", KEY]),
        "Retry-After": st.sampled_from(
            ["0", "1", "nan", "inf", "-1", "1e400", "Thu, 26 Nov 2026 10:00:30 GMT", "x" * 99]
        ),
        "Date": st.sampled_from(["Thu, 26 Nov 2026 10:00:00 GMT", "no date", "Thu, 99 Nov 2026 10:00:00 GMT"]),
        "Location": st.sampled_from(
            ["", "/login", "//", "https://[", f"https://{KEY}@x/?{KEY}", "\xff", "http://a:b/"]
        ),
        "WWW-Authenticate": TEXTS,
        "X-Request-Id": TEXTS | st.just(KEY),
    },
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(KEY),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["message", "error", "code", "status", "detail", "fault", "answer"]), inner),
    max_leaves=8,
)
CODES = st.sampled_from(["invalid_param", "too_many_requests", "unauthorized", "unknown", "rate_limit_error"])
WORDED = st.builds(
    lambda code, message, status: {"code": code, "message": message, "status": status},
    CODES,
    st.sampled_from(["Too many requests. Please", "x in input form", "", KEY, "Run failed: x"]),
    st.integers(100, 600),
)
BODIES = (
    st.binary(max_size=60)
    | (VALUES | WORDED).map(lambda value: json.dumps(value).encode())
    | st.sampled_from(
        [
            b"<html>",
            b"<title>" + b"x" * 600,
            f"<title>{KEY}</title>".encode(),
            b"[" * 9999,
            b'{"error":' * 400,
            KEY.encode(),
        ]
    )
)
STATUSES = st.sampled_from([200, 201, 202, 204, 300, 302, 304, 400, 401, 403, 404, 407, 413, 429, 500, 502, 504, 599])


def test_whatever_a_gateway_answers_is_an_error_of_ours_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second POST only where the first one was refused for good reasons: 429, or Dify's own words for it."""
    monkeypatch.setattr(_protocol, "FIRST_BACKOFF", 0.001)

    @given(STATUSES, HEADERS, BODIES, st.sampled_from(sorted(CALLERS)))
    @settings(max_examples=examples(60))
    def check(status: int, headers: dict[str, str], body: bytes, name: str) -> None:
        gateway.routes = plain(status, b"" if status in (204, 304) else body, headers)
        gateway.requests.clear()
        error = CALLERS[name].failure(gateway.url, max_retries=1, timeout=0.5)
        refused = isinstance(error, runtime.TooManyRequestsError) and status in (400, 429)
        assert len(gateway.requests) == gateway.runs <= 1 + refused
        assert all(line.isprintable() for line in str(error).split("\n"))
        assert headers.get("X-Version") or "Dify 1." not in str(error)

    with Server(plain(500)) as gateway:
        check()
