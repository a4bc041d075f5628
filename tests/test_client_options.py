"""Proxy, certificates, headers and the path of the API, as a client, a call or `configure` says; and clients that
travel.
"""

import asyncio
import copy
import json
import logging
import pickle
import ssl
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import difygen
import pytest
import runtime
from _pytest._io.saferepr import saferepr
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from runtime import File, as_function, configure
from runtime._http import httpx
from support import ROOT
from support.both_clients import KEY, OPTIONS, Using, both_clients, with_async, with_sync
from support.chat_clients import AnyInputs, AsyncFlow, Flow
from support.concat_client import AsyncConcatClient, ConcatClient, ConcatInputs
from support.fault_events import FIRST_HALF, NORMAL, blocking, broken, detail, fin
from support.processes import printed
from support.proxies import ForwardProxy
from support.servers import DETAIL, EVENTS, RUN, STOP, Server, answer, as_json, authority, by_mode, html, stream
from support.tracebacks import variables
from support.turn_cases import CHAT, FLOW_TURN

WORKING = {RUN: by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))}
INPUTS = ConcatInputs(string="a", num=1, list="list_a")
SECRET = "hUnTeR2-hidden"


@pytest.fixture(autouse=True)
def usual_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    yield
    configure()


def run(client: Any) -> Any:
    return client.run()


def run_with(**options: Any) -> Any:
    return lambda client: client.run_inputs(INPUTS, user="tester", **options)


def own_client(using: Using, **options: Any) -> Any:
    """An HTTP client of the caller's own, which leaves no connection open behind it."""
    kind = httpx.Client if using is with_sync else httpx.AsyncClient
    return kind(limits=httpx.Limits(max_keepalive_connections=0), **options)


class TestProxy:
    @both_clients
    def test_requests_go_through_the_proxy_that_is_given(self, using: Using) -> None:
        with Server(WORKING) as server, ForwardProxy() as proxy:
            assert using(server.url, run, proxy=f"http://ada:{SECRET}@{proxy.address}").succeeded
            assert proxy.lines == [f"POST {server.url}/workflows/run HTTP/1.1"]
            login = b64encode(f"ada:{SECRET}".encode()).decode()
            assert f"Proxy-Authorization: Basic {login}" in proxy.heads[0]
            assert [name for name in server.requests[0].headers if name.startswith("proxy-")] == []

    @both_clients
    def test_what_is_encrypted_goes_through_a_tunnel(self, using: Using, tmp_path: Path) -> None:
        trust = authority()
        (tmp_path / "ca.pem").write_bytes(trust.pem)
        with Server(WORKING, tls=trust.server) as server, ForwardProxy() as proxy:
            assert using(server.url, run, proxy=proxy.address, verify=tmp_path / "ca.pem").succeeded
            assert proxy.lines == [f"CONNECT localhost:{server.port} HTTP/1.1"]
            assert KEY not in "".join(proxy.heads)

    @both_clients
    def test_one_that_speaks_tls_is_verified_like_a_server(self, using: Using, tmp_path: Path) -> None:
        if using is with_async and httpx.__version__.startswith("0.27."):
            pytest.skip("httpx 0.27 passes on how to verify a proxy in blocking clients alone")
        trust = authority()
        (tmp_path / "ca.pem").write_bytes(trust.pem)
        with Server(WORKING, tls=trust.server) as server, ForwardProxy(trust.server) as proxy:
            options = {"proxy": f"https://{proxy.address}", "max_retries": 0}
            assert using(server.url, run, verify=tmp_path / "ca.pem", **options).succeeded
            assert using(server.url, run, verify=False, **options).succeeded
            with pytest.raises(runtime.ConnectionFailedError, match="certificate"):
                using(server.url, run, **options)
            assert len(proxy.lines) == 2

    @both_clients
    def test_it_goes_before_the_environment(self, using: Using, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        with Server(WORKING) as server, ForwardProxy() as proxy:
            assert using(server.url, run, proxy=proxy.url).succeeded
            assert len(proxy.lines) == 1

    @both_clients
    @pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
    def test_the_environment_counts_unless_it_is_left_out(
        self, using: Using, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Server(WORKING) as server, ForwardProxy() as proxy:
            monkeypatch.setenv(name, proxy.url)
            assert using(server.url, run).succeeded
            assert len(proxy.lines) == 1
            assert using(server.url, run, trust_env=False).succeeded
            assert len(proxy.lines) == 1

    @both_clients
    @pytest.mark.parametrize(
        ("proxy", "says"),
        [
            ("", "proxy= is not the URL of a proxy"),
            ("http://", "proxy= is not the URL of a proxy"),
            (f"http://ada:{SECRET}#1@127.0.0.1:1", "# is %23"),
            (f"http://ada:{SECRET}@127.0.0.1:none", "http://host:port"),
            (f"socks4://ada:{SECRET}@127.0.0.1:1", r"not supported \(socks4://\)"),
            (f"{SECRET}://127.0.0.1", "not supported: "),
            (f"socks5://ada:{SECRET}@127.0.0.1:1", r'install "httpx\[socks\]"'),
        ],
    )
    def test_one_that_cannot_be_used_is_refused_by_the_call(self, using: Using, proxy: str, says: str) -> None:
        with Server(WORKING) as server:
            with pytest.raises(runtime.ConfigurationError, match=says) as caught:
                using(server.url, run, proxy=proxy)
            assert SECRET not in "".join(traceback.format_exception(caught.value))
            assert server.requests == []

    @both_clients
    def test_its_password_is_shown_nowhere(self, using: Using, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        proxy = f"http://ada:{SECRET}@127.0.0.1:1"
        with pytest.raises(runtime.ConnectionFailedError) as caught:
            using("http://127.0.0.1:1/v1", run, proxy=proxy)
        assert SECRET not in "".join(traceback.format_exception(caught.value)) + caplog.text
        assert SECRET not in variables(caught.value, is_of_tests)
        assert SECRET not in repr(ConcatClient(proxy=proxy)) + saferepr(vars(ConcatClient(proxy=proxy)), 10_000)

    def test_something_else_than_a_url(self) -> None:
        with pytest.raises(runtime.ConfigurationError, match="proxy must be a str"):
            ConcatClient(proxy=httpx.Proxy("http://127.0.0.1:1"))  # type: ignore[arg-type]


def is_of_tests(file: str) -> bool:
    return "test" in Path(file).name or "support" in file


class TestCertificates:
    @both_clients
    @pytest.mark.parametrize("way", ["path", "text", "context", "none", "configure"])
    def test_ways_to_trust_a_server(self, using: Using, way: str, tmp_path: Path) -> None:
        trust = authority()
        file = tmp_path / "ca.pem"
        file.write_bytes(trust.pem)
        given: dict[str, Any] = {"path": file, "text": str(file), "context": trust.client, "none": False}
        with Server(WORKING, tls=trust.server) as server:
            if way == "configure":
                configure(verify=file)
                assert using(server.url, run).succeeded
            else:
                assert using(server.url, run, verify=given[way]).succeeded

    @both_clients
    def test_it_goes_before_the_environment(
        self, using: Using, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
        trust = authority()
        with Server(WORKING, tls=trust.server) as server:
            assert using(server.url, run, verify=trust.client).succeeded
            (tmp_path / "ca.pem").write_bytes(trust.pem)
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            assert using(server.url, run).succeeded
            with pytest.raises(runtime.ConnectionFailedError, match="certificate"):
                using(server.url, run, trust_env=False)

    @both_clients
    def test_a_file_that_cannot_be_used_is_named(self, using: Using, tmp_path: Path) -> None:
        with Server(WORKING, tls=authority().server) as server:
            with pytest.raises(runtime.ConfigurationError, match=r"^verify= names '.*missing.pem'.*No such file"):
                using(server.url, run, verify=tmp_path / "missing.pem")
            with pytest.raises(runtime.ConfigurationError, match=r"^verify= names '.*openssl rehash"):
                using(server.url, run, verify=tmp_path)

    @pytest.mark.parametrize("verify", [5, b"ca.pem", [], object(), ""])
    def test_something_else_is_refused_at_once(self, verify: Any) -> None:
        with pytest.raises(runtime.ConfigurationError, match="verify must be"):
            ConcatClient(verify=verify)

    def test_trust_env_is_a_switch(self) -> None:
        with pytest.raises(runtime.ConfigurationError, match="trust_env must be"):
            ConcatClient(trust_env="no")  # type: ignore[arg-type]


class TestHeaders:
    @both_clients
    def test_a_call_goes_before_the_client_and_that_before_configure(self, using: Using) -> None:
        configure(headers={"X-From": "package", "X-Package": "1", "x-client": "package"})
        with Server(WORKING) as server:
            using(
                server.url,
                run_with(headers={"x-from": "call", "traceparent": "00-0af7-b7ad-01"}, trace_id="t-1"),
                headers={"X-From": "client", "X-Client": " 1\n"},
            )
        sent = server.requests[0].headers
        assert {name: sent[name] for name in ("x-from", "x-package", "x-client", "traceparent", "x-trace-id")} == {
            "x-from": "call",
            "x-package": "1",
            "x-client": "1",
            "traceparent": "00-0af7-b7ad-01",
            "x-trace-id": "t-1",
        }
        assert sent["authorization"] == f"Bearer {KEY}"
        assert sent["content-type"] == "application/json"

    @both_clients
    def test_every_request_of_a_run_has_them(self, using: Using) -> None:
        routes = {
            RUN: broken(FIRST_HALF, fin),
            EVENTS: html(404),
            DETAIL: as_json(detail()),
            "POST /v1/files/upload": as_json({"id": "f", "name": "a.txt"}, 201),
        }
        with Server(routes) as server:
            using(server.url, run_with(response_mode="streaming", headers={"X-Call": "1"}), headers={"X-Client": "1"})
            using(server.url, lambda client: client.upload(("a.txt", b"x"), user="u"), headers={"X-Client": "1"})
        requests = server.requests
        assert len({request.line for request in requests}) == 4
        assert {request.headers.get("x-client") for request in requests} == {"1"}
        assert [request.headers.get("x-call") for request in requests] == ["1"] * (len(requests) - 1) + [None]

    def test_a_run_is_stopped_with_those_of_its_call(self) -> None:
        options: dict[str, Any] = {"headers": {"X-Call": "1"}, "stop_on_exit": True}
        with (
            Server({RUN: stream(NORMAL), STOP: as_json({"result": "success"})}) as server,
            ConcatClient(base_url=server.url, **OPTIONS) as client,
            client.stream_inputs(INPUTS, **options) as events,
        ):
            next(iter(events))
        assert [(request.path.rpartition("/")[2], request.headers["x-call"]) for request in server.requests] == [
            ("run", "1"),
            ("stop", "1"),
        ]

    def test_turns_and_what_follows_on_them(self) -> None:
        feedback = "POST /v1/messages/*/feedbacks"
        with Server({CHAT: stream(FLOW_TURN), feedback: as_json({"result": "success"})}) as server:
            with Flow(base_url=server.url, headers={"X-Client": "1"}, **OPTIONS) as client:
                client.chat_inputs("?", AnyInputs(), headers={"X-Call": "1"}).like()
                client.conversation_of(AnyInputs()).send("?", headers={"X-Call": "2"})

            async def chat() -> None:
                async with (
                    AsyncFlow(base_url=server.url, headers={"X-Client": "1"}, **OPTIONS) as client,
                    client.stream_inputs("?", AnyInputs(), headers={"X-Call": "3"}) as events,
                ):
                    await events.result()

            asyncio.run(chat())
        sent = [(request.headers["x-client"], request.headers["x-call"]) for request in server.requests]
        assert sent == [("1", "1"), ("1", "1"), ("1", "2"), ("1", "3")]

    @both_clients
    def test_a_client_of_the_callers_own_sends_them_too(self, using: Using) -> None:
        mine = {"http_client": own_client(using, headers={"X-Mine": "1", "X-Both": "http_client"})}
        with Server(WORKING) as server:
            using(server.url, run, headers={"X-Both": "headers"}, **mine)
        sent = server.requests[0].headers
        assert (sent["x-mine"], sent["x-both"]) == ("1", "headers")

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("Authorization", "it carries the API key"),
            ("proxy-authorization", "proxy="),
            ("CONTENT-TYPE", "sets it"),
            ("Content-Length", "sets it"),
            ("Transfer-Encoding", "sets it"),
            ("Accept", "sets it"),
            ("X-Trace-Id", "trace_id="),
        ],
    )
    def test_those_of_the_client_itself_are_refused(self, name: str, why: str) -> None:
        headers = {"X-Fine": "1", name: SECRET}
        calls: list[Callable[[], Any]] = [
            lambda: ConcatClient(headers=headers),
            lambda: configure(headers=headers),
            lambda: with_sync("http://127.0.0.1:1", run_with(headers=headers)),
            lambda: with_async("http://127.0.0.1:1", run_with(headers=headers)),
            lambda: Flow(**OPTIONS, base_url="http://127.0.0.1:1").chat_inputs("?", AnyInputs(), headers=headers),
        ]
        for call in calls:
            with pytest.raises(runtime.ConfigurationError, match=f"must not hold {name}: .*{why}") as caught:
                call()
            assert SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        ("headers", "says"),
        [
            ({"X-A": "1\r\nX-Evil: 1"}, "The header X-A holds a line break"),
            ({"X-A": "Ä"}, "a character that no header can have"),
            ({"X-A": "\x00"}, "a character that no header can have"),
            ({"X-A": 1}, "The header X-A must be a str, not int"),
            ({"X-A": b"1"}, "must be a str, not bytes"),
            ({"X-A": None}, "must be a str, not NoneType"),
            ({"X A": "1"}, "a name that no header can have"),
            ({"": "1"}, "a name that no header can have"),
            ({"X-A:": "1"}, "a name that no header can have"),
            ({1: "1"}, "a name that no header can have"),
            ([("X-A", "1")], "must be a mapping of names to texts, not list"),
            ("X-A: 1", "must be a mapping of names to texts, not str"),
        ],
    )
    def test_what_no_header_can_be(self, headers: Any, says: str) -> None:
        with pytest.raises(runtime.ConfigurationError, match=says):
            ConcatClient(headers=headers)
        with pytest.raises(runtime.ConfigurationError, match=says):
            with_sync("http://127.0.0.1:1", run_with(headers=headers))

    @both_clients
    def test_their_values_are_shown_nowhere(self, using: Using, caplog: pytest.LogCaptureFixture) -> None:
        """Those of a call that are plain texts are in the variables of the functions that were called with them."""
        caplog.set_level(logging.DEBUG)
        options: dict[str, Any] = {"headers": {"X-Token": SECRET}}
        with Server(WORKING) as server:
            using(server.url, run_with(headers={"X-Call": SecretStr(SECRET)}), **options)
            assert server.requests[0].headers["x-call"] == server.requests[0].headers["x-token"] == SECRET
        with pytest.raises(runtime.ConnectionFailedError) as caught:
            using("http://127.0.0.1:1", run_with(headers={"X-Call": SecretStr(SECRET)}), **options)
        shown = "".join(traceback.format_exception(caught.value)) + caplog.text + variables(caught.value, is_of_tests)
        assert SECRET not in shown + saferepr(vars(ConcatClient(**options)), 10_000)

    def test_a_download_has_them_at_the_api_s_own_origin_alone(self, tmp_path: Path) -> None:
        with (
            Server({"GET /files/*": answer(b"x")}) as server,
            Server({"GET /files/*": answer(b"x")}) as other,
            ConcatClient(base_url=server.url, headers={"X-Token": SECRET}, **OPTIONS) as client,
        ):
            for origin in (server.origin, other.origin):
                client.download(File(filename="a", url=f"{origin}/files/a?sign=1"), tmp_path)
        assert server.requests[0].headers["x-token"] == SECRET
        assert "x-token" not in other.requests[0].headers


@both_clients
def test_requests_say_which_difygen_made_the_client(using: Using) -> None:
    with Server(WORKING) as server:
        using(server.url, run)
        using(server.url, run, http_client=own_client(using))
        using(server.url, run, http_client=own_client(using, headers={"User-Agent": "mine/1"}))
        using(server.url, run, headers={"User-Agent": "ours/2"})
    own = f"difygen/{difygen.__version__} {httpx.__name__}/{httpx.__version__}"
    assert [request.headers["user-agent"] for request in server.requests] == [own, own, "mine/1", "ours/2"]


@both_clients
@pytest.mark.parametrize("option", [{"proxy": "http://127.0.0.1:1"}, {"verify": False}, {"trust_env": False}])
def test_settings_of_a_connection_are_refused_beside_a_client_of_the_callers(
    using: Using, option: dict[str, Any]
) -> None:
    with pytest.raises(runtime.ConfigurationError, match="http_client brings a proxy, certificates"):
        using("http://127.0.0.1:1", run, http_client=own_client(using), **option)


class TestConfigure:
    def test_functions_of_a_module_have_what_it_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        client = ConcatClient()
        run_concat = as_function(client.run, "run_concat")
        arun_concat = as_function(AsyncConcatClient().run, "arun_concat")
        monkeypatch.setenv("DIFY_API_KEY", KEY)
        with Server(WORKING) as server, ForwardProxy() as proxy, client:
            monkeypatch.setenv("DIFY_BASE_URL", server.url)
            run_concat()
            configure(proxy=proxy.url, headers={"X-Token": "1"})
            run_concat()
            asyncio.run(arun_concat())
            assert len(proxy.lines) == 2
            configure(headers={"X-Other": "1"})
            run_concat()
            configure()
            run_concat()
        assert len(proxy.lines) == 2
        sent = [(request.headers.get("x-token"), request.headers.get("x-other")) for request in server.requests]
        assert sent == [(None, None), ("1", None), ("1", None), (None, "1"), (None, None)]

    def test_what_is_wrong_changes_nothing(self) -> None:
        configure(headers={"X-Token": "1"})
        wrong: list[dict[str, Any]] = [{"headers": {"Host\n": "1"}}, {"proxy": 5}, {"verify": 5}, {"trust_env": 5}]
        for options in wrong:
            with pytest.raises(runtime.ConfigurationError):
                configure(**options)
        with Server(WORKING) as server:
            with_sync(server.url, run)
        assert server.requests[0].headers["x-token"] == "1"

    def test_streams_that_go_on_keep_their_connection(self) -> None:
        with Server(WORKING) as server, ForwardProxy() as proxy:
            with ConcatClient(base_url=server.url, **OPTIONS) as client, client.stream() as events:
                next(iter(events))
                configure(proxy=proxy.url)
                assert client.run().succeeded
                assert events.result().succeeded
            assert len(proxy.lines) == 1

    def test_files_that_are_downloaded_without_a_client(self, tmp_path: Path) -> None:
        with Server({"GET /files/*": answer(b"x")}) as server, ForwardProxy() as proxy:
            configure(proxy=proxy.url, headers={"X-Token": SECRET})
            File(filename="a", url=f"{server.origin}/files/a").download(tmp_path)
            assert len(proxy.lines) == 1
            assert SECRET not in "".join(proxy.heads)


class TestApiPath:
    @both_clients
    @pytest.mark.parametrize(
        ("base", "path", "line"),
        [
            ("", "/", "POST /workflows/run"),
            ("/", "", "POST /workflows/run"),
            ("/dify", "/", "POST /dify/workflows/run"),
            ("/dify/", "api/v2/", "POST /dify/api/v2/workflows/run"),
            ("/api/v2", "/api/v2", "POST /api/v2/workflows/run"),
            ("/info", "/", "POST /info/workflows/run"),
            ("/v1", "/v1", "POST /v1/workflows/run"),
        ],
    )
    def test_where_the_api_is(
        self, using: Using, base: str, path: str, line: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Server({line: as_json(blocking())}) as server:
            assert using(server.origin + base, run, api_path=path).succeeded
            monkeypatch.setenv("DIFY_API_PATH", path or "/")
            assert using(server.origin + base, run).succeeded

    @pytest.mark.parametrize("path", ["/v1?x=1", "http://other/v1", "/v 1", "/v1\n/", "/ä", 5])
    def test_what_is_no_path(self, path: Any) -> None:
        with pytest.raises(runtime.ConfigurationError, match="api_path"):
            with_sync("http://127.0.0.1:1", run, api_path=path)


class TestTravelling:
    def test_a_client_pickles_and_copies_as_its_arguments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DIFY_API_KEY", KEY)
        with Server(WORKING) as server, ForwardProxy() as proxy:
            with ConcatClient(base_url=server.url, user="ada", max_concurrency=3, proxy=proxy.url) as client:
                client.run(user=None)
                data = pickle.dumps(client)
                assert KEY.encode() not in data
                again = pickle.loads(pickle.dumps(pickle.loads(data)))
                for other in (again, copy.copy(client), copy.deepcopy(client)):
                    assert repr(other) == repr(client)
                    with other:
                        assert other.run(user=None).succeeded
            assert len(proxy.lines) == 4
        assert [request.json["user"] for request in server.requests] == ["ada"] * 4

    def test_an_async_client_does_so_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DIFY_API_KEY", KEY)

        async def use(url: str) -> None:
            async with AsyncConcatClient(base_url=url, user="ada") as client:
                await client.run()
                for other in (pickle.loads(pickle.dumps(client)), copy.copy(client), copy.deepcopy(client)):
                    async with other:
                        await other.run()

        with Server(WORKING) as server:
            asyncio.run(use(server.url))
        assert len(server.requests) == 4

    @pytest.mark.parametrize("kind", [ConcatClient, AsyncConcatClient, Flow, AsyncFlow])
    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"api_key": SECRET}, "An API key does not pickle, .* leave api_key= out"),
            ({"headers": {"X-Token": SECRET}}, r"headers= .* call configure\(...\) where it is used"),
            ({"proxy": f"http://ada:{SECRET}@127.0.0.1:1"}, "proxy="),
            ({"verify": ssl.create_default_context()}, "belongs to this process"),
        ],
    )
    def test_what_may_be_secret_copies_and_does_not_pickle(self, kind: Any, options: dict[str, Any], says: str) -> None:
        client = kind(**options)
        with pytest.raises(TypeError, match=says) as caught:
            pickle.dumps(client)
        assert SECRET not in str(caught.value)
        for other in (copy.copy(client), copy.deepcopy(client), copy.deepcopy({"a": client})["a"]):
            assert vars(other)["_options"] is vars(client)["_options"]

    def test_a_client_with_an_http_client_is_copied_with_it(self) -> None:
        with Server(WORKING) as server, httpx.Client() as mine:
            client = ConcatClient(base_url=server.url, http_client=mine, **OPTIONS)
            assert copy.deepcopy(client).run().succeeded
            with pytest.raises(TypeError, match="does not pickle"):
                pickle.dumps(ConcatClient(http_client=mine))

    def test_attributes_of_a_subclass_go_along(self) -> None:
        client = Named(user="u")
        client.name = "mine"
        assert pickle.loads(pickle.dumps(client)).name == copy.copy(client).name == "mine"

    def test_what_holds_connections_says_what_to_do(self) -> None:
        client = Flow(base_url="http://127.0.0.1:1", user="u")
        with pytest.raises(TypeError, match="Connections do not pickle"):
            pickle.dumps(client.conversation_of(AnyInputs()))
        with pytest.raises(TypeError, match="Connections do not pickle"):
            pickle.dumps(ConcatClient(user="u").logs())
        with pytest.raises(TypeError, match="Connections do not pickle"):
            copy.deepcopy(AsyncConcatClient(base_url="http://127.0.0.1:1", api_key=KEY, user="u").stream())

    def test_another_process_takes_the_key_from_its_own_environment(self) -> None:
        code = """
import multiprocessing, os, pickle, sys
from concurrent.futures import ProcessPoolExecutor
from generated_example import ConcatClient
if __name__ == "__main__":
    client = ConcatClient(base_url=os.environ["WHERE"], user="ada")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        print(pool.submit(call, client).result())
"""
        code = code.replace("if __name__", "from support.travelling import call\nif __name__")
        with Server(WORKING) as server:
            folders = (ROOT, ROOT / "tests", ROOT / "templates")
            assert printed(code, folders=folders, WHERE=server.url, DIFY_API_KEY=KEY).strip() == "succeeded"
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


class Named(ConcatClient):
    """With something of its own."""

    name = ""


@settings(max_examples=40)
@given(
    value=st.one_of(st.just(""), st.text(st.characters(codec="latin-1"), max_size=12).map(lambda text: f"{text}\xb6")),
    name=st.text(st.characters(codec="ascii"), max_size=8),
)
def test_whatever_is_given_as_a_header_arrives_or_is_refused(value: str, name: str) -> None:
    with Server(WORKING) as server:
        try:
            with_sync(server.url, run_with(headers={f"x-{name}": value}))
        except runtime.ConfigurationError as error:
            assert "\xb6" not in str(error)  # which marks the value: no message of ours has it
            assert server.requests == []
        else:
            assert server.requests[0].headers[f"x-{name}".lower()] == value.strip()
            assert json.loads(server.requests[0].body)["user"] == "tester"
