"""What the environment says about proxies and certificates: it works, or the call says which variable is at fault."""

import asyncio
import errno
import os
import socket
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import runtime
from hypothesis import given, settings
from runtime._http import httpx
from runtime._transport import run_now
from support.both_clients import Using, both_clients, with_async, with_sync
from support.concat_client import AsyncConcatClient
from support.fault_events import blocking
from support.servers import RUN, Server, as_json, authority

WORKING = {RUN: as_json(blocking())}
PASSWORD = "hUnTeR2"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper() in (*PROXIES, *CERTIFICATES, "SSLKEYLOGFILE"):
            monkeypatch.delenv(name)


def call(client: Any) -> Any:
    return client.run()


def refusal(using: Using, url: str, **options: Any) -> str:
    """What the ConfigurationError of a call says; nothing that a traceback shows may hold a password."""
    with pytest.raises(runtime.ConfigurationError) as caught:
        using(url, call, **options)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@both_clients
@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}, ["ALL_PROXY", 'install "httpx[socks]"']),
        ({"all_proxy": "socks5h://127.0.0.1:1"}, ["all_proxy", "socksio"]),
        ({"all_proxy": "socks://127.0.0.1:1"}, ["all_proxy", "(socks://)", "write http://, https:// or socks5://"]),
        ({"HTTPS_PROXY": f"{PASSWORD}://127.0.0.1:1"}, ["HTTPS_PROXY", "not supported:"]),
        ({"NO_PROXY": "127.0.0.1,[::1]"}, ["NO_PROXY", "'[::1]'", "write ::1 without brackets"]),
        ({"no_proxy": "127.0.0.1, fe80::/10"}, ["no_proxy", "'fe80::/10'", "write the addresses"]),
        ({"NO_PROXY": "a b:c"}, ["NO_PROXY", "'a b:c'", "separated by commas"]),
        ({"HTTP_PROXY": f"http://user:{PASSWORD}#ss@127.0.0.1:1"}, ["HTTP_PROXY", "# is %23"]),
        ({"HTTP_PROXY": f"user:{PASSWORD}/@127.0.0.1:1"}, ["HTTP_PROXY", "/ is %2F"]),
        ({"HTTP_PROXY": "http://127.0.0.1:none"}, ["HTTP_PROXY", "http://host:port"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_the_http_library_cannot_read_is_named(
    using: Using, variables: dict[str, str], says: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if httpx.__name__ == "httpx2" and {*map(str.upper, variables)} == {"NO_PROXY"}:
        pytest.skip("httpx2 passes over entries of NO_PROXY that it cannot read")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Server(WORKING) as server:
        text = refusal(using, server.url)
        assert server.requests == []
    assert [part for part in [*says, "trust_env=False", "proxy="] if part not in text] == []


@both_clients
def test_once_the_variable_is_mended_the_same_client_works(using: Using, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(client: Any) -> Any:
        monkeypatch.setenv("all_proxy", "socks://127.0.0.1:1")
        if using is with_sync:
            return first_fails(client)
        return afirst_fails(client)

    def first_fails(client: Any) -> Any:
        with pytest.raises(runtime.ConfigurationError, match="all_proxy"):
            client.run()
        monkeypatch.delenv("all_proxy")
        return client.run()

    async def afirst_fails(client: Any) -> Any:
        with pytest.raises(runtime.ConfigurationError, match="all_proxy"):
            await client.run()
        monkeypatch.delenv("all_proxy")
        return await client.run()

    with Server(WORKING) as server:
        assert using(server.url, twice).succeeded


class Junk:
    """Files and folders that hold no certificates."""

    def __init__(self, folder: Path) -> None:
        self.missing = folder / "missing.pem"
        self.file = folder / "junk.pem"
        self.file.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
        self.empty = folder / "empty.pem"
        self.empty.touch()
        self.folder = folder / "folder"
        self.folder.mkdir()
        (self.folder / "ca.pem").touch()


@pytest.fixture
def junk(tmp_path: Path) -> Junk:
    return Junk(tmp_path)


NAMED = [
    ("SSL_CERT_FILE", "missing", "No such file"),
    ("SSL_CERT_FILE", "file", "no certificate in PEM form"),
    ("SSL_CERT_FILE", "empty", "no certificate in PEM form"),
    ("SSL_CERT_FILE", "folder", "cannot be used"),
    ("SSL_CERT_DIR", "missing", "No such file"),
    ("SSL_CERT_DIR", "folder", "openssl rehash"),
    ("SSL_CERT_DIR", "file", "Not a directory"),
]


@both_clients
@pytest.mark.parametrize(("variable", "what", "why"), NAMED)
def test_certificates_that_cannot_be_read_are_named_where_they_are_needed(
    using: Using, variable: str, what: str, why: str, junk: Junk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(getattr(junk, what))
    monkeypatch.setenv(variable, path)
    with Server(WORKING, tls=authority().server) as server:
        text = refusal(using, server.url)
    assert text.startswith(f"{variable} names {path!r}")
    assert why in text


@both_clients
@pytest.mark.parametrize(("variable", "what", "why"), NAMED)
def test_certificates_are_of_no_account_where_nothing_is_encrypted(
    using: Using, variable: str, what: str, why: str, junk: Junk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(getattr(junk, what)))
    with Server(WORKING) as server:
        assert using(server.url, call).succeeded


@both_clients
def test_a_log_of_keys_that_cannot_be_written_is_named(
    using: Using, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = authority()
    (tmp_path / "ca.pem").write_bytes(trust.pem)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with Server(WORKING, tls=trust.server) as server:
        assert refusal(using, server.url).startswith("SSLKEYLOGFILE names")


@both_clients
def test_certificates_of_the_environment_are_trusted_as_they_are_at_the_call(
    using: Using, junk: Junk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = authority()
    (tmp_path / "ca.pem").write_bytes(trust.pem)
    with Server(WORKING, tls=trust.server) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert using(server.url, call).succeeded
        monkeypatch.setenv("SSL_CERT_FILE", str(junk.file))
        assert "SSL_CERT_FILE" in refusal(using, server.url)


@both_clients
def test_a_client_of_the_callers_that_is_closed(using: Using) -> None:
    mine: Any = httpx.Client()
    mine.close()
    if using is with_async:
        mine = httpx.AsyncClient()
        asyncio.run(mine.aclose())
    with Server(WORKING) as server:
        assert "http_client" in refusal(using, server.url, http_client=mine)
        assert server.requests == []


@both_clients
def test_a_process_that_may_open_no_more_files_is_told_so(using: Using, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: socket.socket, address: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with Server(WORKING) as server:
        monkeypatch.setattr(socket.socket, "connect", connect)
        with pytest.raises(runtime.ConnectionFailedError, match=r"was not tried \(Too many open files\)") as raised:
            using(server.url, call)
        assert "ulimit -n" in raised.value.hint
        monkeypatch.undo()
        assert server.requests == []


def test_async_clients_outside_of_asyncio_say_so_in_a_sentence() -> None:
    """In trio there is no event loop of asyncio; nor is there one for a coroutine that is run by hand."""

    async def use() -> None:
        async with AsyncConcatClient(base_url="http://127.0.0.1:1", api_key="app-x", user="u") as client:
            await client.run()

    with pytest.raises(runtime.ConfigurationError, match="Async clients are for asyncio"):
        run_now(use())


def test_a_stream_outside_of_asyncio_says_so_too() -> None:
    async def use() -> None:
        async with AsyncConcatClient(base_url="http://127.0.0.1:1", api_key="app-x", user="u").stream() as stream:
            await stream.result()

    with pytest.raises(runtime.ConfigurationError, match=r"trio\.to_thread\.run_sync"):
        run_now(use())


VALUES = st.lists(
    st.sampled_from(
        ["http://", "https://", "socks5://", "socks5h://", "socks://", "all://", "://", "//", "/", ":", ",", "*", "."]
        + [f"u:{PASSWORD}@", f"u:{PASSWORD}#x@", f"u:{PASSWORD}/x@", f":{PASSWORD}@", f"{PASSWORD}:{PASSWORD}@"]
        + ["127.0.0.1", "127.0.0.1:1", "[::1]", "::1", "fe80::/10", "[", "]", ":99999", ":none", "localhost", "xn--"]
        + [" ", "\t", "\n", "%", "%zz", "é", "a..b", "?x=1", "#f", "=", "'", '"', "a" * 70]
    ),
    min_size=1,
    max_size=5,
).map("".join)


@pytest.fixture(scope="module")
def no_names() -> Iterator[None]:
    """Ask no name server, which may take its time: addresses alone are looked up."""
    look_up = socket.getaddrinfo

    def addresses_alone(host: Any, *arguments: Any, **options: Any) -> Any:
        if host in ("127.0.0.1", b"127.0.0.1", "::1", b"::1"):
            return look_up(host, *arguments, **options)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", addresses_alone)
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(WORKING) as server:
        yield server


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize("spelling", [str.upper, str.lower])
@pytest.mark.parametrize("using", [with_sync, with_async])
@settings(max_examples=60)
@given(variable=st.sampled_from([*PROXIES, *CERTIFICATES]), value=VALUES)
def test_whatever_stands_in_a_variable_the_call_works_or_names_it(
    spelling: Callable[[str], str], using: Using, server: Server, variable: str, value: str
) -> None:
    name = variable if variable in CERTIFICATES else spelling(variable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        try:
            assert using(server.url, call).succeeded
        except runtime.ConfigurationError as error:
            assert name in str(error)
            shown = "".join(traceback.format_exception(error))
            assert PASSWORD not in shown or variable == "NO_PROXY"  # whose entries are no secrets
        except runtime.ConnectionFailedError as error:  # a proxy that is not there
            assert PASSWORD not in "".join(traceback.format_exception(error))
