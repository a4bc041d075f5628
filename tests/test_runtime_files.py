"""Files as people have them become inputs, are uploaded by streaming, and are downloaded whole or not at all."""

import asyncio
import errno
import io
import json
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import pytest
import runtime
from pydantic import Field, ValidationError
from runtime import File, FileInput, FileRules, Inputs, UploadedFile
from runtime._files import detected_type
from support.both_clients import KEY, Using, both_clients, with_sync
from support.concat_client import ConcatClient
from support.fault_events import NORMAL, RESULT, blocking, fin, reset
from support.replay import cases, recording
from support.servers import RUN, Connection, Request, Server, answer, as_json, by_mode, stream

UPLOAD = "POST /v1/files/upload"
FILE_ID = "12b1f860-ba5d-4c3b-95fa-e10557b56e1f"
DOCUMENT = FileRules(types=("document",))


def prepared(value: object, rules: FileRules = DOCUMENT) -> dict[str, Any]:
    return rules.prepare(value).wire


def local(file_type: str) -> dict[str, str]:
    return {"type": file_type, "transfer_method": "local_file"}


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"hello file\n")
    return path


class TestWhatAFileInputTakes:
    def test_a_path(self, text_file: Path) -> None:
        assert prepared(text_file) == prepared(str(text_file)) == local("document")

    def test_bytes_with_a_name(self) -> None:
        assert prepared(("a.pdf", b"%PDF")) == local("document")
        assert prepared(("a.PDF", bytearray(b"%PDF"))) == local("document")

    def test_an_open_file(self, text_file: Path) -> None:
        with text_file.open("rb") as file:
            assert DOCUMENT.prepare(file).name == "notes.txt"
        assert DOCUMENT.prepare(("b.md", io.BytesIO(b""))).name == "b.md"

    def test_a_url(self) -> None:
        url = "https://host/files/Report%202026.pdf?x=1"
        assert prepared(url) == {"type": "document", "transfer_method": "remote_url", "url": url}

    def test_an_uploaded_file(self) -> None:
        file = UploadedFile({"id": FILE_ID, "name": "a.csv"})
        assert prepared(file) == {**local("document"), "upload_file_id": FILE_ID}

    def test_what_the_server_itself_takes(self) -> None:
        wire = {**local("document"), "upload_file_id": FILE_ID, "extra": 1}
        assert prepared(wire) == wire

    def test_a_file_that_another_run_returned(self) -> None:
        common: dict[str, Any] = {
            "type": "document",
            "filename": "a.txt",
            "related_id": FILE_ID,
            "url": "https://h/files/a.txt?sign=x",
        }
        upload = File(transfer_method="local_file", **common)
        made = File(transfer_method="tool_file", **common)
        linked = File(transfer_method="remote_url", type="document", filename="a.txt", remote_url="https://h/a.txt")
        assert prepared(upload) == {**local("document"), "upload_file_id": FILE_ID}
        assert prepared(made) == {"type": "document", "transfer_method": "remote_url", "url": common["url"]}
        assert prepared(linked) == {"type": "document", "transfer_method": "remote_url", "url": "https://h/a.txt"}

    def test_every_recorded_output_file_can_be_an_input(self) -> None:
        outputs = json.loads(recording("files_local_ok").body)["data"]["outputs"]
        assert prepared(File.model_validate(outputs["doc"])) == {
            **local("document"),
            "upload_file_id": outputs["doc"]["related_id"],
        }

    @pytest.mark.parametrize(
        ("value", "says"),
        [
            ("no/such/file.txt", "there is no file 'no/such/file.txt'"),
            ("", "there is no file"),
            (b"bytes", "need a name"),
            (("a.txt", "text"), "needs bytes"),
            (("", b"x"), "as a tuple"),
            (("a.txt",), "as a tuple"),
            (io.BytesIO(b""), "has no name"),
            (5, "expected a path"),
            (None, "expected a path"),
            ({}, "transfer_method"),
            ({"transfer_method": "local_file", "type": "document"}, "upload_file_id"),
            ({"transfer_method": "remote_url", "type": "document", "url": ""}, "url"),
            ({"transfer_method": "local_file", "upload_file_id": FILE_ID}, "type"),
            ({**local("image"), "upload_file_id": FILE_ID}, "'image' files are not taken here"),
            (("cat.png", b""), "an image file, which is not taken here (taken: document)"),
            ("https://host/cat.png", "an image file"),
            (("data.xyz", b""), "no kind that Dify knows"),
            (File(filename="a.txt", url="/files/of/an/unknown/server"), "neither a URL nor an id"),
            (File(filename="a.txt"), "neither a URL nor an id"),
        ],
    )
    def test_what_it_refuses(self, value: object, says: str) -> None:
        with pytest.raises(ValueError, match=re.escape(says)):
            DOCUMENT.prepare(value)

    def test_a_file_that_is_open_as_text(self, text_file: Path) -> None:
        with text_file.open() as file, pytest.raises(ValueError, match='mode "rb"'):
            DOCUMENT.prepare(file)

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="there is no file"):
            DOCUMENT.prepare(tmp_path)


class TestTypes:
    @pytest.mark.parametrize(
        ("name", "file_type"),
        [
            ("a.jpg", "image"),
            ("a.JPEG", "image"),
            ("a.bmp", "image"),
            ("a.md", "document"),
            ("a.properties", "document"),
            ("a.mp3", "audio"),
            ("a.mov", "video"),
            ("a.json", "custom"),
            ("a.xyz", "custom"),
            ("noext", "custom"),
            (".gitignore", "custom"),
        ],
    )
    def test_what_dify_takes_a_name_for(self, name: str, file_type: str) -> None:
        assert detected_type(name) == file_type

    @pytest.mark.parametrize(
        ("rules", "name", "file_type"),
        [
            (FileRules(), "a.txt", "document"),
            (FileRules(), "a.xyz", "custom"),
            (FileRules(types=("custom",), extensions=(".XYZ",)), "a.xyz", "custom"),
            (FileRules(types=("custom",), extensions=("xyz",)), "a.XYZ", "custom"),
            (FileRules(types=("custom",)), "a.anything", "custom"),
            (FileRules(types=("document", "custom"), extensions=(".json",)), "a.txt", "document"),
            (FileRules(types=("document", "custom"), extensions=(".json",)), "a.json", "custom"),
            (FileRules(types=("custom",), extensions=(".txt",)), "a.txt", "custom"),
            (FileRules(types=("document",)), "a.pptx", "document"),
            (FileRules(types=("document", "custom"), extensions=(".pptx",)), "a.pptx", "custom"),
        ],
    )
    def test_the_type_that_is_sent(self, rules: FileRules, name: str, file_type: str) -> None:
        assert prepared((name, b""), rules) == local(file_type)

    @pytest.mark.parametrize("name", ["a.json", "a.txt", "noext"])
    def test_an_extension_that_is_not_listed(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"not taken here \(taken: \.xyz\)"):
            prepared((name, b""), FileRules(types=("custom",), extensions=(".xyz",)))

    def test_a_url_without_an_extension_is_what_the_variable_takes(self) -> None:
        assert prepared("https://host/download?id=7", FileRules(types=("image",)))["type"] == "image"

    def test_local_files_where_only_urls_are_taken(self) -> None:
        rules = FileRules(types=("document",), methods=("remote_url",))
        with pytest.raises(ValueError, match="give a URL"):
            rules.prepare(("a.txt", b""))
        assert prepared("https://host/a.txt", rules)["transfer_method"] == "remote_url"

    @pytest.mark.parametrize("case", [case for case in cases("files_*") if recording(case).status == 200])
    def test_file_objects_that_the_server_took_are_taken(self, case: str) -> None:
        rules = {
            "doc": DOCUMENT,
            "custom": FileRules(types=("custom",), extensions=(".xyz",)),
            "pics": FileRules(types=("image",), methods=("local_file",)),
        }
        for name, value in recording(case).request["json"]["inputs"].items():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    assert prepared(item, rules[name]) == item


Document = Annotated[FileInput, FileRules(types=("document",))]


class FileInputs(Inputs):
    doc: Document
    docs: Annotated[Sequence[Document] | None, Field(max_length=2)] = None


class TestInputsWithFiles:
    def test_they_dump_and_have_a_schema_like_other_models(self) -> None:
        inputs = FileInputs(doc="https://h/a.txt")
        assert (
            inputs.to_wire()
            == inputs.model_dump(exclude_none=True)
            == json.loads(inputs.model_dump_json(exclude_none=True))
        )
        assert FileInputs.model_json_schema()["required"] == ["doc"]

    @pytest.mark.parametrize("value", ["/no/such/file.txt", ("cat.png", b""), {}, [], 5])
    def test_a_refusal_names_the_variable(self, value: Any) -> None:
        with pytest.raises(ValidationError, match="doc\n"):
            FileInputs(doc=value)

    def test_too_many_files(self) -> None:
        with pytest.raises(ValidationError, match="docs"):
            FileInputs(doc=("a.txt", b""), docs=[("a.txt", b"")] * 3)

    def test_one_file_is_no_list(self) -> None:
        with pytest.raises(ValidationError, match="docs"):
            FileInputs(doc=("a.txt", b""), docs="a.txt")


def receive(connection: Connection, request: Request) -> None:
    """Store nothing, but answer as the server does: the id tells which upload it was."""
    form = parsed_form(request)
    body = {"id": f"id of {form['file'][0]}", "name": form["file"][0], "size": len(form["file"][2])}
    as_json(body | {"mime_type": form["file"][1], "created_at": 1795362406}, 201)(connection, request)


def parsed_form(request: Request) -> dict[str, Any]:
    """The fields of a multipart body; a file as (name, MIME type, content)."""
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    form: dict[str, Any] = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found = re.search(r'name="(\w+)"(?:; filename="(.*)"\r\nContent-Type: (.*))?', head.decode())
        assert found
        field, name, mime_type = found.groups()
        content = content.removesuffix(b"\r\n")
        form[field] = content.decode() if name is None else (name, mime_type, content)
    return form


UPLOADS = {UPLOAD: receive, RUN: by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))}


class TestUploads:
    @both_clients
    def test_a_file_goes_up_with_its_user(self, using: Using, text_file: Path) -> None:
        with Server(UPLOADS) as server:
            uploaded = using(server.url, lambda client: client.upload(text_file, user="木乐乐"))
        [request] = server.requests
        assert parsed_form(request) == {"user": "木乐乐", "file": ("notes.txt", "text/plain", b"hello file\n")}
        assert request.headers["content-length"] == str(len(request.body))
        assert (uploaded.id, uploaded.name, uploaded.size) == ("id of notes.txt", "notes.txt", 11)

    @both_clients
    @pytest.mark.parametrize(
        ("file", "sent"),
        [
            (("字.bin", b"\r\n--x\0"), ("字.bin", "application/octet-stream", b"\r\n--x\0")),
            (('a"b\r\n.txt', b""), ("a%22b%0D%0A.txt", "text/plain", b"")),
            (("a\udcff.txt", b""), ("a\ufffd\ufffd\ufffd.txt", "text/plain", b"")),
            (("big.pdf", b"x" * 3_000_000), ("big.pdf", "application/pdf", b"x" * 3_000_000)),
        ],
    )
    def test_names_and_contents_of_all_kinds(self, using: Using, file: Any, sent: Any) -> None:
        with Server(UPLOADS) as server:
            using(server.url, lambda client: client.upload(file))
        assert parsed_form(server.requests[0])["file"] == sent

    @both_clients
    def test_an_open_file_goes_up_from_where_it_is_and_stays_open(self, using: Using, text_file: Path) -> None:
        with Server(UPLOADS) as server, text_file.open("rb") as file:
            file.seek(6)
            using(server.url, lambda client: client.upload(file))
            assert not file.closed
        assert parsed_form(server.requests[0])["file"][2] == b"file\n"

    @both_clients
    def test_a_pipe_goes_up_too(self, using: Using) -> None:
        reading, writing = os.pipe()
        os.write(writing, b"from a pipe")
        os.close(writing)
        with Server(UPLOADS) as server, open(reading, "rb") as file:
            using(server.url, lambda client: client.upload(("pipe.txt", file)))
        assert parsed_form(server.requests[0])["file"][2] == b"from a pipe"

    @both_clients
    def test_a_refused_file_is_an_error_with_a_hint(self, using: Using) -> None:
        page = b"<html><h1>413 Request Entity Too Large</h1></html>"
        with (
            Server({UPLOAD: answer(page, 413, **{"Content-Type": "text/html"})}) as server,
            pytest.raises(runtime.FileTooLargeError, match="client_max_body_size"),
        ):
            using(server.url, lambda client: client.upload(("a.txt", b"x")))

    @pytest.mark.parametrize("case", cases("upload_*"))
    def test_recorded_answers(self, case: str) -> None:
        recorded = recording(case)
        sent = answer(recorded.body, recorded.status, **{"Content-Type": "application/json"})
        with Server({UPLOAD: sent}) as server:
            if recorded.status == 201:
                file = with_sync(server.url, lambda client: client.upload(("a.txt", b"x")))
                assert file.raw == json.loads(recorded.body)
            else:
                with pytest.raises(runtime.APIError) as caught:
                    with_sync(server.url, lambda client: client.upload(("a.txt", b"x")))
                assert caught.value.code == json.loads(recorded.body)["code"]

    @both_clients
    @pytest.mark.parametrize("mode", ["blocking", "streaming"])
    def test_local_inputs_go_up_first_with_the_runs_own_user(self, using: Using, mode: str, text_file: Path) -> None:
        inputs = FileInputs(doc=text_file, docs=[("b.md", b"#"), "https://host/c.pdf"])
        with Server(UPLOADS) as server:
            run = using(server.url, lambda client: client.run_inputs(inputs, user="the caller", response_mode=mode))
        assert run.outputs.result == RESULT
        *uploads, start = server.requests
        assert [parsed_form(upload)["user"] for upload in uploads] == ["the caller"] * 2
        assert start.json["user"] == "the caller"
        assert start.json["inputs"] == {
            "doc": {**local("document"), "upload_file_id": "id of notes.txt"},
            "docs": [
                {**local("document"), "upload_file_id": "id of b.md"},
                {"type": "document", "transfer_method": "remote_url", "url": "https://host/c.pdf"},
            ],
        }

    @both_clients
    def test_no_run_is_started_when_an_upload_fails(self, using: Using) -> None:
        with (
            Server({UPLOAD: as_json({"code": "file_too_large", "message": "", "status": 413}, 413)}) as server,
            pytest.raises(runtime.FileTooLargeError),
        ):
            using(server.url, lambda client: client.run_inputs(FileInputs(doc=("a.txt", b"x"))))
        assert server.runs == 0


CONTENT = b"content of a file " * 20_000
FILE = "GET /files/*"
SIGNED = "/files/7/file-preview?timestamp=1&sign=secret"


def moved(location: str) -> Callable[[Connection, Request], None]:
    return answer(b"", 302, Location=location)


def half(ending: Callable[[Connection], None]) -> Callable[[Connection, Request], None]:
    """Half the content, and then that ending."""

    def handle(connection: Connection, request: Request) -> None:
        connection.head(200, {"Content-Length": str(len(CONTENT))})
        connection.send(CONTENT[: len(CONTENT) // 2])
        ending(connection)

    return handle


class TestDownloads:
    @both_clients
    def test_a_relative_url_is_one_of_the_api_server(self, using: Using, tmp_path: Path) -> None:
        with Server({FILE: answer(CONTENT)}) as server:
            file = File(filename="a.pdf", url=SIGNED)
            path = using(server.url, lambda client: client.download(file, tmp_path / "b.pdf"))
        assert path == tmp_path / "b.pdf"
        assert path.read_bytes() == CONTENT
        assert server.requests[0].target == SIGNED

    @both_clients
    def test_the_key_is_sent_to_nobody(self, using: Using, tmp_path: Path) -> None:
        with Server({FILE: answer(CONTENT)}) as other, Server({FILE: moved(f"{other.origin}/files/7")}) as server:
            path = using(server.url, lambda client: client.download(f"{server.origin}{SIGNED}", tmp_path / "x"))
        assert path.read_bytes() == CONTENT
        for request in [*server.requests, *other.requests]:
            assert KEY not in repr(request)
            assert "authorization" not in request.headers

    @both_clients
    def test_redirects_for_ever(self, using: Using, tmp_path: Path) -> None:
        with (
            Server({FILE: moved("/files/again")}) as server,
            pytest.raises(runtime.UnexpectedResponseError, match="redirects to /files/again"),
        ):
            using(server.url, lambda client: client.download(SIGNED, tmp_path / "x"))
        assert len(server.requests) == 6

    @both_clients
    @pytest.mark.parametrize("status", [403, 404, 415])
    def test_an_expired_signature(self, using: Using, status: int, tmp_path: Path) -> None:
        with (
            Server({FILE: answer(b"<html>no</html>", status)}) as server,
            pytest.raises(runtime.APIError, match="300 seconds"),
        ):
            using(server.url, lambda client: client.download(SIGNED, tmp_path / "x"))
        assert list(tmp_path.iterdir()) == []

    @both_clients
    @pytest.mark.parametrize("ending", [fin, reset])
    def test_half_a_file_is_no_file(self, using: Using, ending: Callable[[Connection], None], tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"as it was")
        with Server({FILE: half(ending)}) as server, pytest.raises(runtime.ConnectionLostError):
            using(server.url, lambda client: client.download(SIGNED, tmp_path / "x"))
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"as it was"]

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("a.pdf", "a.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\a.txt", "a.txt"),
            ("/", "file"),
            ("..", "file"),
            ("a\0\nb.txt", "ab.txt"),
            ("\u202egnp.exe", "gnp.exe"),
            ("a.txt:hidden", "a.txt_hidden"),
            ('<a>|"b"?*.txt', "_a___b___.txt"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("COM1 .log", "_COM1 .log"),
            ("console.log", "console.log"),
            ("%2e%2e%2fa.txt", "a.txt"),
            ("x" * 300 + ".pdf", "x" * 200 + ".pdf"),
            ("字.txt", "字.txt"),
            (None, "file-preview"),
        ],
    )
    def test_a_folder_gets_a_file_of_a_harmless_name(self, name: str | None, written: str, tmp_path: Path) -> None:
        with Server({FILE: answer(b"x")}) as server:
            path = with_sync(server.url, lambda client: client.download(File(filename=name, url=SIGNED), tmp_path))
        assert path == tmp_path / written
        assert path.read_bytes() == b"x"

    @both_clients
    @pytest.mark.parametrize("given", ["a.pdf", "a"])
    def test_a_folder_keeps_what_it_has(self, using: Using, given: str, tmp_path: Path) -> None:
        """The name is the server's: it replaces nothing and follows nothing, whatever is there."""
        folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
        folder.mkdir()
        elsewhere.write_bytes(b"private")
        stem, dot, suffix = given.partition(".")
        taken = [given, *(f"{stem} ({number}){dot}{suffix}" for number in range(1, 6))]
        (folder / taken[0]).write_bytes(b"as it was")
        (folder / taken[1]).symlink_to(elsewhere)
        (folder / taken[2]).symlink_to(tmp_path / "nowhere")
        os.mkfifo(folder / taken[3])
        (folder / taken[4]).mkdir()
        os.link(elsewhere, folder / taken[5])
        with Server({FILE: answer(CONTENT)}) as server:
            file = File(filename=given, url=SIGNED)
            path = using(server.url, lambda client: client.download(file, folder))
        assert path == folder / f"{stem} (6){dot}{suffix}"
        assert path.read_bytes() == CONTENT
        assert sorted(item.name for item in folder.iterdir()) == sorted([*taken, path.name])
        assert (folder / taken[0]).read_bytes() == b"as it was"
        assert elsewhere.read_bytes() == b"private"
        assert not (tmp_path / "nowhere").exists()

    def test_two_downloads_at_once_get_a_name_each(self, tmp_path: Path) -> None:
        file = File(filename="a.pdf", url=SIGNED)
        with (
            Server({FILE: answer(CONTENT)}) as server,
            ConcatClient(base_url=server.url, api_key=KEY) as client,
            ThreadPoolExecutor(8) as pool,
        ):
            paths = list(pool.map(lambda _: client.download(file, tmp_path), range(16)))
        assert sorted(paths) == sorted(tmp_path.iterdir())
        assert len(paths) == 16

    def test_a_file_system_without_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        (tmp_path / "a.pdf").write_bytes(b"as it was")
        with Server({FILE: answer(CONTENT)}) as server:
            file = File(filename="a.pdf", url=SIGNED)
            path = with_sync(server.url, lambda client: client.download(file, tmp_path))
        assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == {
            "a.pdf": b"as it was",
            path.name: CONTENT,
        }

    @both_clients
    @pytest.mark.parametrize("kind", ["pipe", "link to a device", "missing folder"])
    def test_what_is_no_regular_file_is_not_replaced(self, using: Using, kind: str, tmp_path: Path) -> None:
        target = str(tmp_path / "x")
        if kind == "pipe":
            os.mkfifo(target)
        elif kind == "missing folder":
            target += "/"
        else:
            os.symlink("/dev/null", target)
        before = list(tmp_path.iterdir())
        with Server({FILE: answer(CONTENT)}) as server:
            with pytest.raises(runtime.ConfigurationError, match="x"):
                using(server.url, lambda client: client.download(SIGNED, target))
            assert server.requests == []
        assert list(tmp_path.iterdir()) == before

    def test_a_file_of_a_run_downloads_by_itself(self, tmp_path: Path) -> None:
        file = {"dify_model_identity": "__dify__file__", "filename": "a.txt", "url": SIGNED}
        routes = {FILE: answer(CONTENT), RUN: as_json(blocking(outputs={"result": "r", "made": file}))}

        class Made(runtime.Outputs):
            result: str
            made: File

        class Client(runtime.WorkflowClient[FileInputs, Made]):
            _workflow = runtime.WorkflowInfo(name="made", outputs=Made)

        with Server(routes) as server, Client(base_url=server.url, api_key=KEY, user="u") as client:
            made = client.run_inputs(FileInputs(doc={**local("document"), "upload_file_id": FILE_ID})).outputs.made
            assert made.download_url == f"{server.origin}{SIGNED}"
            assert made.download(tmp_path).read_bytes() == CONTENT
            assert asyncio.run(made.adownload(tmp_path / "again")).read_bytes() == CONTENT
        assert made.model_extra == {"dify_model_identity": "__dify__file__"}
        assert sum("authorization" in request.headers for request in server.requests) == 1

    @pytest.mark.parametrize("url", [SIGNED, "file:///etc/passwd", "ftp://host/a", None])
    def test_urls_that_lead_nowhere(self, url: str | None, tmp_path: Path) -> None:
        with pytest.raises(runtime.ConfigurationError):
            File(filename="a.txt", url=url).download(tmp_path)
