"""Connections that fail, are cut, redirected or go through proxies: what the caller sees, and what the server sees."""

import asyncio
import gc
import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
import runtime
from runtime._http import httpx
from support.concat_client import AsyncConcatClient, ConcatClient
from support.driving import DRIVES, KEY, MODES, Drive, everything_shown
from support.fault_events import (
    FINISHED,
    NODES,
    NORMAL,
    RESULT,
    STARTED,
    after_request,
    blocking,
    fin,
    node_finished,
    node_started,
    raw,
    reset,
)
from support.live_run import LiveRun
from support.processes import eventually
from support.proxies import Proxy
from support.servers import (
    RUN,
    Connection,
    Handler,
    Request,
    Server,
    as_json,
    authority,
    by_mode,
    html,
    response_head,
    stream,
    unused_port,
)

EVERY_WAY = [pytest.param(DRIVES[kind], mode, id=f"{kind}-{mode}") for kind in DRIVES for mode in MODES]
STREAMS = [pytest.param(DRIVES[kind], mode, id=f"{kind}-{mode}") for kind in DRIVES for mode in MODES[:2]]
KINDS = [pytest.param(DRIVES[kind], id=kind) for kind in DRIVES]
WORKING = {RUN: by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))}

every_way = pytest.mark.parametrize(("drive", "mode"), EVERY_WAY)
streams = pytest.mark.parametrize(("drive", "mode"), STREAMS)


def http_client(drive: Drive, **arguments: Any) -> Mapping[str, Any]:
    """The option that gives a client of the caller's own to either kind."""
    return {"http_client": (httpx.Client if drive is DRIVES["sync"] else httpx.AsyncClient)(**arguments)}


class TestNoConnection:
    @every_way
    def test_a_refused_connection_names_the_address(self, drive: Drive, mode: str) -> None:
        url = f"http://127.0.0.1:{unused_port()}/v1"
        seen = drive(url, mode, {"max_retries": 1})
        assert isinstance(seen.error, runtime.ConnectionFailedError)
        assert url in str(seen.error)
        assert KEY not in everything_shown(seen)

    @every_way
    def test_an_unknown_host_is_a_failed_connection(
        self, drive: Drive, mode: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        seen = drive("http://dify.invalid/v1", mode, {"max_retries": 0})
        assert isinstance(seen.error, runtime.ConnectionFailedError)
        assert "dify.invalid" in str(seen.error)

    @every_way
    def test_an_unknown_certificate_authority_is_a_failed_connection(self, drive: Drive, mode: str) -> None:
        with Server(WORKING, tls=authority().server) as server:
            seen = drive(server.url, mode, {"max_retries": 0})
            assert server.requests == []
        assert isinstance(seen.error, runtime.ConnectionFailedError)
        assert "certificate" in str(seen.error)

    @every_way
    def test_the_callers_own_http_client_brings_its_trust(self, drive: Drive, mode: str) -> None:
        trust = authority()
        with Server(WORKING, tls=trust.server) as server:
            seen = drive(server.url, mode, http_client(drive, verify=trust.client))
        assert seen.error is None
        assert seen.run is not None and seen.run.outputs.result == RESULT

    @every_way
    def test_connecting_is_tried_again_since_nothing_was_sent(self, drive: Drive, mode: str) -> None:
        """The server comes up only after the first attempt was refused."""
        port = unused_port()
        with ExitStack() as stack:
            starting = threading.Timer(0.1, lambda: servers.append(stack.enter_context(Server(WORKING, port=port))))
            servers: list[Server] = []
            starting.start()
            seen = drive(f"http://127.0.0.1:{port}/v1", mode, {"max_retries": 3})
            starting.join()
            assert [server.runs for server in servers] == [1]
        assert seen.error is None


@pytest.mark.parametrize("ending", [fin, reset])
class TestCutBeforeTheRequest:
    @every_way
    def test_after_accept(self, drive: Drive, mode: str, ending: Callable[[Connection], None]) -> None:
        """The request may have arrived, for all the client knows: it is not sent again."""
        with Server(WORKING, on_accept=ending) as server:
            seen = drive(server.url, mode, {"max_retries": 3})
            assert server.accepted == 1
        assert isinstance(seen.error, runtime.DifyError)


class TestCutElsewhere:
    @every_way
    def test_before_accept(self, drive: Drive, mode: str) -> None:
        """The connection waits in the queue of a server that dies."""
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        dying = threading.Timer(0.1, listener.close)
        dying.start()
        seen = drive(url, mode, {"max_retries": 0})
        dying.join()
        assert isinstance(seen.error, runtime.DifyError)

    @every_way
    def test_during_the_tls_handshake_nothing_was_sent(self, drive: Drive, mode: str) -> None:
        with Server(WORKING, on_accept=reset) as server:
            seen = drive(server.url.replace("http:", "https:"), mode, {"max_retries": 0})
        assert isinstance(seen.error, runtime.ConnectionFailedError)

    @every_way
    def test_https_where_the_server_speaks_http(self, drive: Drive, mode: str) -> None:
        def refuse(connection: Connection) -> None:
            connection.sock.recv(5)
            connection.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            connection.finish()

        with Server(WORKING, on_accept=refuse) as server:
            seen = drive(server.url.replace("http:", "https:"), mode, {"max_retries": 0})
        assert isinstance(seen.error, runtime.ConnectionFailedError)

    @pytest.mark.parametrize("ending", [fin, reset])
    def test_on_a_connection_used_before(self, ending: Callable[[Connection], None]) -> None:
        """The second request goes out on the kept-alive connection, whose end it meets: it is not sent again."""
        with Server({RUN: [as_json(blocking()), after_request(ending), as_json(blocking())]}) as server:
            with ConcatClient(base_url=server.url, api_key=KEY) as client:
                client.run()
                with pytest.raises(runtime.ConnectionLostError):
                    client.run()
                assert (server.runs, server.accepted) == (2, 1)
                client.run()
            assert (server.runs, server.accepted) == (3, 2)

    def test_a_connection_that_was_closed_while_it_idled_is_not_used_again(self) -> None:
        with Server({RUN: raw(one_answer())}) as server, ConcatClient(base_url=server.url, api_key=KEY) as client:
            for _ in range(3):
                client.run()
                assert eventually(lambda: not server._open)
            assert (server.runs, server.accepted) == (3, 3)


def one_answer() -> bytes:
    body = json.dumps(blocking()).encode()
    return response_head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))}) + body


class TestLive:
    """a-live: every event reaches the caller before the next one is sent."""

    def test_sync(self) -> None:
        taken = threading.Semaphore(0)
        with (
            Server({RUN: one_by_one(taken)}) as server,
            ConcatClient(base_url=server.url, api_key=KEY) as client,
            client.stream() as events,
        ):
            count = 0
            for _ in events:
                taken.release()
                count += 1
        assert count == len(NORMAL)

    def test_async(self) -> None:
        async def take(server: Server) -> int:
            count = 0
            async with AsyncConcatClient(base_url=server.url, api_key=KEY) as client, client.stream() as events:
                async for _ in events:
                    taken.release()
                    count += 1
            return count

        taken = threading.Semaphore(0)
        with Server({RUN: one_by_one(taken)}) as server:
            assert asyncio.run(take(server)) == len(NORMAL)


def one_by_one(taken: threading.Semaphore) -> Callable[[Connection, Request], None]:
    """A stream whose next event waits until the one before was taken."""

    def handle(connection: Connection, request: Request) -> None:
        connection.stream_head()
        for piece in NORMAL:
            connection.chunk(piece)
            assert taken.acquire(timeout=60)
        connection.end()

    return handle


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
class TestRedirects:
    @every_way
    def test_to_another_host_the_key_does_not_follow(self, drive: Drive, mode: str, status: int) -> None:
        with Server(WORKING) as other, Server({RUN: redirect(status, other)}) as server:
            seen = drive(server.url, mode, {})
            assert other.requests == []
            assert server.runs == 1
        assert isinstance(seen.error, runtime.APIError)
        assert other.origin in str(seen.error)

    @every_way
    def test_on_the_same_host_it_is_not_followed_either(self, drive: Drive, mode: str, status: int) -> None:
        """A redirect may turn a POST into a GET; the error says where to point the base URL."""
        location = {"Location": "/v1/workflows/run/"}
        with Server({RUN: html(status, "<p>moved", **location), "* /v1/workflows/run/": as_json(blocking())}) as server:
            seen = drive(server.url, mode, {})
            assert len(server.requests) == 1
        assert isinstance(seen.error, runtime.UnexpectedResponseError)
        assert "/v1/workflows/run/" in str(seen.error)

    @every_way
    def test_nor_with_an_http_client_that_follows_redirects(self, drive: Drive, mode: str, status: int) -> None:
        with Server(WORKING) as other, Server({RUN: redirect(status, other)}) as server:
            drive(server.url, mode, http_client(drive, follow_redirects=True))
            assert not any(KEY in str(request.headers) for request in other.requests)


def redirect(status: int, target: Server) -> Callable[[Connection, Request], None]:
    location = f"{target.origin}/v1/workflows/run"
    return as_json({"message": "moved"}, status, Location=location)


def ten_nodes() -> list[bytes]:
    """A run of ten nodes: 22 events."""
    NODES.update({f"node{number}": "code" for number in range(10)})
    nodes = [event(f"node{number}") for number in range(10) for event in (node_started, node_finished)]
    return [STARTED, *nodes, FINISHED]


class TestProxies:
    """Proxies as they stand in front of Dify; the run takes longer than the cutting one allows."""

    @streams
    @pytest.mark.parametrize("has_events", [True, False], ids=["events endpoint", "no events endpoint"])
    def test_one_that_cuts_every_connection(self, drive: Drive, mode: str, has_events: bool) -> None:
        live = LiveRun(ten_nodes(), every=0.05, has_events=has_events)
        with Server(live.routes) as server, Proxy(server.port, cut_after=0.3) as proxy:
            seen = drive(proxy.url, mode, {})
            assert server.runs == 1
        assert seen.error is None
        assert seen.run is not None and seen.run.outputs.result == RESULT
        assert proxy.cuts >= 1
        if mode == "streamed" and has_events:
            assert [name for name in seen.events if name != "Ping"] == [
                "WorkflowStarted",
                *["NodeStarted", "NodeFinished"] * 10,
                "WorkflowFinished",
            ]

    @pytest.mark.parametrize("drive", KINDS)
    def test_one_that_cuts_a_blocking_call(self, drive: Drive) -> None:
        """There is no run id to go by: an error that says so, and no second run."""
        with Server(lambda connection, request: proxy.cut()) as server, Proxy(server.port) as proxy:
            seen = drive(proxy.url, "blocking", {"max_retries": 3})
            assert server.runs == 1
        assert isinstance(seen.error, runtime.DifyError)

    @every_way
    def test_one_that_buffers(self, drive: Drive, mode: str) -> None:
        live = LiveRun([STARTED, node_started("code1"), node_finished("code1"), FINISHED], every=0.05)
        with Server(live.routes) as server, Proxy(server.port, buffering=True) as proxy:
            seen = drive(proxy.url, mode, {})
            assert server.runs == 1
        assert seen.error is None
        assert seen.run is not None and seen.run.outputs.result == RESULT


class TestKeepAlive:
    """A call may be silent for minutes: the system probes each connection that the client makes."""

    @every_way
    def test_of_connections_that_the_client_makes(self, drive: Drive, mode: str) -> None:
        probed, working = probing(by_mode(streaming=stream(NORMAL), blocking=as_json(blocking())))
        with Server(working) as server:
            assert drive(server.url, mode, {}).error is None
        assert [all_probed(found) for found in probed] == [True]

    @pytest.mark.parametrize("drive", KINDS)
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_of_those_to_a_proxy(self, drive: Drive, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
        probed, refusing = probing(html(403))
        with Server(refusing) as proxy:
            for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
                monkeypatch.setenv(variable.lower(), proxy.origin)
            for variable in ("NO_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(variable.lower(), "")
            drive(f"{scheme}://dify.invalid/v1", "blocking", {"max_retries": 0})
            assert [request.method for request in proxy.requests] == ["POST" if scheme == "http" else "CONNECT"]
        assert [all_probed(found) for found in probed] == [True]

    @pytest.mark.parametrize("drive", KINDS)
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_of_those_to_a_proxy_that_is_an_argument(self, drive: Drive, scheme: str) -> None:
        probed, refusing = probing(html(403))
        with Server(refusing) as proxy:
            drive(f"{scheme}://dify.invalid/v1", "blocking", {"max_retries": 0, "proxy": proxy.origin})
        assert [all_probed(found) for found in probed] == [True]

    @every_way
    def test_not_of_those_of_the_callers_own_client(self, drive: Drive, mode: str) -> None:
        probed, working = probing(by_mode(streaming=stream(NORMAL), blocking=as_json(blocking())))
        with Server(working) as server:
            assert drive(server.url, mode, http_client(drive)).error is None
        assert [found["SO_KEEPALIVE"] for found in probed] == [0]


def probing(answer: Handler) -> tuple[list[dict[str, int]], Handler]:
    """A handler that answers, and notes before how the connection is probed."""
    probed: list[dict[str, int]] = []

    def handle(connection: Connection, request: Request) -> None:
        probed.append(probes(connection))
        answer(connection, request)

    return probed, handle


def probes(connection: Connection) -> dict[str, int]:
    """What the client's side of a connection, in this very process, has the system do while it is silent."""
    here = connection.sock.getpeername()
    sockets = [found for found in gc.get_objects() if issubclass(type(found), socket.socket) and found.fileno() != -1]
    client = next(found for found in sockets if found.getsockname() == here)
    found = {"SO_KEEPALIVE": client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)}
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"):
        if hasattr(socket, name):
            found[name] = client.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
    return found


def all_probed(found: Mapping[str, int]) -> bool:
    """Whether it is probed before what stands between forgets it, and a dead one is noticed within two minutes."""
    dead_after = found.get("TCP_KEEPIDLE", 0) + found.get("TCP_KEEPINTVL", 0) * found.get("TCP_KEEPCNT", 0)
    return found["SO_KEEPALIVE"] != 0 and found.get("TCP_KEEPIDLE", 0) <= 60 and dead_after <= 120
