"""`difygen pull` from servers that mean harm: what they say takes neither memory, time, files nor the terminal."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import test_pull
from support.projects import Ran, difygen
from support.servers import Connection, Request
from support.studio import Studio, StudioApp, dsl, uuid

clean_environment = test_pull.clean_environment
site, token, user = test_pull.site, test_pull.token, test_pull.user


@pytest.fixture
def studio() -> Studio:
    return Studio([StudioApp(1, "one"), StudioApp(2, "two")])


def pull(studio: Studio, *arguments: str, code: int = 0) -> Ran:
    with studio.serve() as server:
        ran = difygen("pull", "--server", server.origin, *arguments)
    assert ran.code == code, ran.out + ran.err
    return ran


# Answers


def drip_head(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.send(b"X-More: to come\r\n")
        connection.pause(0.05)


def drip_nothing(connection: Connection) -> None:
    """A body whose bytes stand for no bytes."""
    connection.head(200, {"Content-Encoding": "deflate", "Transfer-Encoding": "chunked", "X-Version": "1.15.0"})
    while True:
        connection.chunk(b"\x00\x00\x00\xff\xff")
        connection.pause(0.05)


@dataclass
class Strange(Studio):
    """A server that answers exports in its own way."""

    export: Callable[[Connection], None] | None = None

    def answer(self, connection: Connection, request: Request) -> None:
        if self.export and "/export" in request.path:
            self.export(connection)
        else:
            super().answer(connection, request)


@pytest.mark.parametrize("drip", [drip_head, drip_nothing])
def test_an_answer_that_drips_ends_in_time(
    drip: Callable[[Connection], None], token: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("difygen.pull.traffic.WHOLE_TIMEOUT", 0.3)
    monkeypatch.setattr("difygen.pull.traffic.PAUSE", 0.0)
    ran = pull(Strange([StudioApp(1, "one")], export=drip), code=1)
    assert "/export brought no answer: it took too long." in ran.err


def test_layers_of_compression_take_no_memory(token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    data = gzip.compress(bomb)

    def export(connection: Connection) -> None:
        connection.head(200, {"Content-Encoding": "gzip, gzip", "Content-Length": str(len(data))})
        connection.send(data)

    monkeypatch.setattr("difygen.pull.traffic.MAX_BYTES", 1 << 20)
    tracemalloc.start()
    try:
        ran = pull(Strange([StudioApp(1, "one")], export=export), code=1)
        assert "what came has more than 1,048,576 bytes" in ran.err
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi")),
        "!!python/object/apply:os.mkdir [pwned]\n",
        "a: \0\n",
        "[" * 100_000,
        "<html><title>Sign in</title></html>",
    ],
)
def test_what_is_no_definition_is_not_written(text: str, site: test_pull.Site, token: None) -> None:
    site.pull()
    site.studio.apps[1].draft = text
    ran = site.pull(code=1)
    assert "error: 'Same name': what the server gave is no definition" in ran.err and "[not-given]" in ran.err
    assert Path("exports/Same-name.yml").read_text() == dsl("Same name", "a")
    assert "1 workflow and 1 chatbot" in ran.out and os.listdir(".") == ["exports"]


# Names and ids


def test_names_and_modes_that_are_no_text_stop_nothing(studio: Studio, token: None) -> None:
    studio.apps[0].name, studio.apps[0].draft = "half a \ud800 sign", dsl("one", "a")
    studio.apps[1].mode = "we\ud800ird"
    pull(studio)
    assert sorted(os.listdir("exports")) == ["half-a-sign.yml", "pull.lock"]


def test_a_name_that_does_not_end_makes_no_lock_that_does_not(studio: Studio, token: None) -> None:
    studio.apps[0].name, studio.apps[0].draft = "n" * 1_000_000, dsl("one", "a")
    pull(studio)
    assert Path("exports/pull.lock").stat().st_size < 5000


@pytest.mark.parametrize("body", [b"[" * 200_000, b"9" * 200_000, b'{"data": 5}', b'{"code": [], "message": {}}', b""])
def test_what_dify_answers_otherwise_is_said(body: bytes, studio: Studio, token: None) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Version: 1.15.0\r\nConnection: close\r\n\r\n"
    studio.before = lambda request: head + body if request.path.endswith("/apps") else None
    ran = pull(studio, code=1)
    assert "pdate difygen" in ran.err and not os.path.exists("exports")


@pytest.mark.parametrize("version", ["\ud800", "../../workspaces?x=", "", 5])
def test_an_id_of_a_version_that_is_none_is_not_sent(version: Any, studio: Studio, token: None) -> None:
    studio.lists_versions = True
    studio.apps[0].versions = {version: dsl("one", "a", "b")}
    pull(studio)
    assert not any("workflow_id" in request.target for request in studio.seen)
    assert json.loads(Path("exports/pull.lock").read_text())["apps"][uuid(1)]["version"] == ""


SESSIONS = {
    "cookie": b"Set-Cookie: access_token=\xc3\xa9\xff; Path=/\r\nSet-Cookie: csrf_token=x\x80; Path=/\r\n\r\n"
    b'{"result": "success"}',
    "letters": '\r\n{"result": "success", "data": "é"}'.encode(),
    "half a sign": rb"""
{"result": "success", "data": "a\ud800"}""".replace(
        b"\n", b"\r\n"
    ),
    "a second header": b'\r\n{"result": "success", "data": {"access_token": "a\\r\\nX-Evil: 1"}}',
}


@pytest.mark.parametrize("answer", SESSIONS.values(), ids=SESSIONS)
def test_a_session_that_cannot_be_sent_back_is_said_and_not_shown(answer: bytes, studio: Studio, user: None) -> None:
    studio.version = "1.0.0"
    head = b"HTTP/1.1 200 OK\r\nX-Version: 1.0.0\r\nConnection: close\r\n"
    studio.before = lambda request: head + answer if request.path.endswith("/login") else None
    ran = pull(studio, code=1)
    assert ran.err.startswith("error: Dify let the user in, and its cookies did not arrive as they have to be sent")
    assert "Evil" not in ran.err and ran.out == ""


def test_a_password_that_is_no_text_is_a_mistake(studio: Studio, user: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_PASSWORD", "se\udcffcret")
    ran = pull(studio, code=2)
    assert ran.err == "Error: What was given as DIFY_PASSWORD is not UTF-8 text, which is what Dify takes.\n"


# The terminal


@pytest.mark.parametrize("name", ["\\[/red]", "[link=file:///etc/passwd]x", "x\\", "[/]"])
def test_names_are_no_markup_for_the_progress_bar(
    name: str, studio: Studio, token: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.apps[0].name = name
    monkeypatch.setattr("difygen.pull.report.is_terminal", lambda stream: True)
    monkeypatch.setattr("rich.progress.Progress.__init__", quick(monkeypatch))
    studio.before = slow
    ran = pull(studio)
    assert "Traceback" not in ran.err


def quick(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Progress that draws often, and on what is no terminal, too."""
    from rich.console import Console
    from rich.progress import Progress

    made = Progress.__init__

    def make(self: Progress, *columns: Any, console: Console, **options: Any) -> None:
        made(self, *columns, console=Console(stderr=True, force_terminal=True), refresh_per_second=100, **options)

    return make


def slow(request: Request) -> None:
    if "/export" in request.path:
        import time

        time.sleep(0.05)
