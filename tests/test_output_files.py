"""Files that runs return: as bytes, piece by piece or on disk, from where callers reach them; never with the key."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import runtime
from runtime import File
from support.both_clients import KEY, Using, both_clients
from support.servers import Server, answer

INNER = "http://api-of-dify.invalid:5001"
SIGNED = "/files/tools/a.docx?timestamp=1&nonce=2&sign=3"
CONTENT = b"content " * 50_000
ROUTES = {"GET /files/tools/a.docx": answer(CONTENT, 200, **{"Content-Type": "application/octet-stream"})}


def file_of(url: str, api_url: str = "") -> File:
    return File.model_validate({"filename": "a.docx", "url": url}, context={"api_url": api_url})


def origin(server: Server) -> str:
    return server.url.removesuffix("/v1")


def asked(server: Server) -> list[Any]:
    assert all(KEY not in str(request.headers) for request in server.requests)
    return [request.path for request in server.requests]


WAYS: list[Callable[[File], bytes]] = [lambda file: file.read(), lambda file: asyncio.run(file.aread())]


@pytest.mark.parametrize("read", WAYS, ids=["read", "aread"])
class TestAFileByItself:
    def test_its_bytes(self, read: Callable[[File], bytes]) -> None:
        with Server(ROUTES) as server:
            assert read(file_of(origin(server) + SIGNED)) == CONTENT
            assert read(file_of(SIGNED, server.url)) == CONTENT
        assert len(asked(server)) == 2

    def test_where_the_environment_says(self, read: Callable[[File], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        with Server(ROUTES) as server:
            monkeypatch.setenv("DIFY_FILES_URL", f"{origin(server)}/files/")
            assert read(file_of(INNER + SIGNED)) == CONTENT
            monkeypatch.setenv("DIFY_FILES_URL", "localhost:5001")
            with pytest.raises(runtime.ConfigurationError, match="DIFY_FILES_URL"):
                read(file_of(INNER + SIGNED))

    def test_a_link_that_leads_nowhere_is_explained(self, read: Callable[[File], bytes]) -> None:
        with pytest.raises(runtime.ConnectionFailedError, match=r"FILES_URL.*files_url=") as caught:
            read(file_of("http://127.0.0.1:9" + SIGNED, "https://dify.example/v1"))
        assert "leads to http://127.0.0.1:9, while the API is at https://dify.example:443" in str(caught.value)


@pytest.mark.parametrize("max_size", [len(CONTENT) - 1, 0])
def test_no_more_than_was_asked_for_is_kept(max_size: int) -> None:
    with Server(ROUTES) as server:
        file = file_of(origin(server) + SIGNED)
        with pytest.raises(runtime.AnswerTooLargeError, match="max_size="):
            file.read(max_size=max_size)
        with pytest.raises(runtime.AnswerTooLargeError, match="max_size="):
            asyncio.run(file.aread(max_size=max_size))
        assert file.read(max_size=len(CONTENT)) == CONTENT


class TestTheClient:
    @both_clients
    def test_bytes_and_pieces_and_disk(self, using: Using, tmp_path: Path) -> None:
        with Server(ROUTES) as server:
            file = file_of(origin(server) + SIGNED)
            assert using(server.url, lambda client: client.read(file)) == CONTENT
            assert using(server.url, lambda client: client.read(SIGNED, max_size=len(CONTENT))) == CONTENT
            pieces = using(server.url, lambda client: client.iter_bytes(file))
            assert len(pieces) > 1 and b"".join(pieces) == CONTENT
            for too_small in ({"max_size": 10}, {}):
                with pytest.raises(runtime.AnswerTooLargeError):
                    using(server.url, lambda client, size=too_small: client.read(file, **size), max_answer_size=99)
            with pytest.raises(runtime.AnswerTooLargeError):
                using(server.url, lambda client: client.download(file, tmp_path, max_size=10))
            assert list(tmp_path.iterdir()) == []
            path = using(server.url, lambda client: client.download(file, tmp_path, max_size=len(CONTENT)))
            assert path.read_bytes() == CONTENT
        asked(server)

    @both_clients
    @pytest.mark.parametrize("below", ["", "/", "/files", "/files/"])
    def test_signed_links_are_led_to_files_url(self, using: Using, below: str) -> None:
        with Server(ROUTES) as server:
            for link in (INNER + SIGNED, SIGNED, "https://elsewhere.invalid/prefix" + SIGNED):
                read = using(
                    "http://127.0.0.1:9", lambda client, url=link: client.read(url), files_url=origin(server) + below
                )
                assert read == CONTENT
        assert len(asked(server)) == 3

    @both_clients
    def test_other_urls_are_not(self, using: Using) -> None:
        routes = {"GET /files/a.pdf": answer(b"theirs", 200)}
        with Server(routes) as server:
            for url in (f"{origin(server)}/files/a.pdf", f"{origin(server)}/files/a.pdf?page=1"):
                assert (
                    using(server.url, lambda client, u=url: client.read(u), files_url="http://127.0.0.1:9") == b"theirs"
                )

    @both_clients
    @pytest.mark.parametrize("files_url", ["localhost:5001", "file:///etc", "http://", "", "http://h?x=1"])
    def test_what_is_no_address_is_refused_at_once(self, using: Using, files_url: str) -> None:
        with pytest.raises(runtime.ConfigurationError, match="files_url"):
            using("http://127.0.0.1:9", lambda client: client.read(SIGNED), files_url=files_url)

    @both_clients
    def test_links_that_lead_nowhere_are_explained(self, using: Using, tmp_path: Path) -> None:
        with Server({}) as server:
            for verb in ("read", "download"):
                more = (tmp_path,) if verb == "download" else ()
                with pytest.raises(runtime.ConnectionFailedError, match="FILES_URL"):
                    using(
                        server.url, lambda client, v=verb, m=more: getattr(client, v)("http://127.0.0.1:9" + SIGNED, *m)
                    )

    @both_clients
    def test_those_of_the_apis_own_host_have_expired(self, using: Using) -> None:
        with Server({"GET /files/tools/a.docx": answer(b"", 403)}) as server:
            with pytest.raises(runtime.APIError, match="signed for a short time") as caught:
                using(server.url, lambda client: client.read(SIGNED))
            assert "FILES_URL" not in str(caught.value)
            with Server({}) as api, pytest.raises(runtime.APIError, match="FILES_URL"):
                using(api.url, lambda client: client.read(origin(server) + SIGNED))
