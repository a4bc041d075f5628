"""Files as inputs of a generated client: what may be one, and that JSON names no file of this machine."""

import asyncio
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError, create_model
from starlette.datastructures import UploadFile
from support.packages import files_of, imported, workflow_from, write
from support.servers import Server, as_json
from test_runtime_files import UPLOAD, parsed_form, receive

SPEC = """
name: docs
inputs:
  doc: {type: file, allowed_file_types: [document, custom], allowed_file_extensions: [.py]}
  more: {type: file-list, max_length: 2, required: false}
  text: {type: paragraph, required: false, max_length: 20}
outputs:
  result: string
"""
RUN = {"workflow_run_id": "r", "task_id": "t"}
FINISHED = {
    "id": "r",
    "workflow_id": "w",
    "status": "succeeded",
    "outputs": {"result": "ok"},
}
ROUTES = {UPLOAD: receive, "POST /v1/workflows/run": as_json({**RUN, "data": FINISHED})}
URL = "https://host/a.pdf"


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = write(tmp_path_factory.mktemp("files"), {})
    write(folder / "docs_client", files_of([workflow_from(SPEC)]))
    with imported(folder, "docs_client") as package:
        yield package


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret.txt"
    path.write_text("a secret")
    return str(path)


def run(docs: ModuleType, server: Server, is_async: bool, user: str = "ada", **inputs: Any) -> Any:
    """Run the workflow with the blocking or the async client."""
    if not is_async:
        with docs.DocsClient(base_url=server.url, api_key="app-x", user=user, max_retries=0) as client:
            return client.run(**inputs)

    async def call() -> Any:
        async with docs.AsyncDocsClient(base_url=server.url, api_key="app-x", user=user, max_retries=0) as client:
            return await client.run(**inputs)

    return asyncio.run(call())


def uploads(server: Server) -> list[tuple[str, bytes]]:
    """The names and contents that were uploaded."""
    forms = [parsed_form(request)["file"] for request in server.requests if request.path == "/v1/files/upload"]
    return [(name, content) for name, _, content in forms]


both = pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])


class TestDataNamesNoFileOfThisMachine:
    def test_json_text_takes_urls_and_objects_alone(self, docs: ModuleType, secret: str) -> None:
        taken = {
            "type": "document",
            "transfer_method": "local_file",
            "upload_file_id": "an id",
        }
        assert docs.DocsInputs.model_validate_json(json.dumps({"doc": URL, "more": [taken]})).to_wire()["more"] == [
            taken
        ]
        for value in (
            secret,
            Path(secret).as_uri(),
            "data:text/plain,x",
            "",
            [secret],
            ["a.txt", "text"],
        ):
            with pytest.raises(ValidationError):
                docs.DocsInputs.model_validate_json(json.dumps({"doc": value}), context={"local_files": True})
        with pytest.raises(ValidationError, match="names no files of this machine"):
            docs.DocsInputs.model_validate_json(json.dumps({"doc": URL, "more": [secret]}))

    def test_neither_does_data_that_a_framework_validates_in_python(self, docs: ModuleType, secret: str) -> None:
        body: type[BaseModel] = create_model("Body", inputs=(docs.DocsInputs, ...))
        for validate in (
            docs.DocsInputs.model_validate,
            TypeAdapter(docs.DocsInputs).validate_python,
            lambda data: body(inputs=data),
            lambda data: docs.DocsInputs.model_validate_strings(data),
        ):
            validate(
                {
                    "doc": {
                        "type": "document",
                        "transfer_method": "remote_url",
                        "url": URL,
                    },
                    "more": [],
                }
                if validate is docs.DocsInputs.model_validate
                else {"doc": URL}
            )
            with pytest.raises(ValidationError, match="names no files of this machine"):
                validate({"doc": secret})

    def test_code_does_and_data_of_ones_own(self, docs: ModuleType, secret: str) -> None:
        for inputs in (
            docs.DocsInputs(doc=secret),
            docs.DocsInputs.model_validate({"doc": secret}, context={"local_files": True}),
            docs.DocsInputs.model_validate({"doc": Path(secret)}),
            docs.DocsInputs.model_validate({"doc": ("secret.txt", b"")}),
        ):
            assert inputs.to_wire()["doc"] == {
                "type": "document",
                "transfer_method": "local_file",
            }

    def test_a_subclass_with_an_init_of_its_own_opens_nothing(self, docs: ModuleType, secret: str) -> None:
        class Own(docs.DocsInputs):  # type: ignore[misc, name-defined]
            def __init__(self, **data: Any) -> None:
                super().__init__(**data)

        for refuse in (
            lambda: Own.model_validate_json(json.dumps({"doc": secret})),
            lambda: Own.model_validate({"doc": secret}),
        ):
            with pytest.raises(ValidationError, match="names no files"):
                refuse()
        assert Own(doc=URL).to_wire() == docs.DocsInputs(doc=URL).to_wire()


TEXTS = st.sampled_from(
    [
        "",
        URL,
        "HTTPS://h",
        "http://",
        "ftp://h/a",
        "/etc/hosts",
        "data:,x",
        "x",
        "image",
        "document",
        "custom",
    ]
)
METHODS = st.sampled_from(["local_file", "remote_url", "tool_file", "datasource_file", "other"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.text(),
    lambda inner: st.lists(inner),
    max_leaves=3,
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "type": TEXTS | JSON,
        "transfer_method": METHODS | JSON,
        "upload_file_id": TEXTS | JSON,
        "url": TEXTS | JSON,
        "remote_url": TEXTS | JSON,
        "tool_file_id": TEXTS | JSON,
        "datasource_file_id": JSON,
        "more": JSON,
    },
)


class TestTheJsonSchema:
    @given(value=OBJECTS | JSON)
    def test_it_says_what_validation_says(self, docs: ModuleType, value: Any) -> None:
        data = {"doc": value}
        validator = jsonschema.Draft202012Validator(docs.DocsInputs.model_json_schema())
        try:
            inputs = docs.DocsInputs.model_validate_json(json.dumps(data))
        except ValidationError:
            # Only an extension says more than the schema does.
            assert not validator.is_valid(data) or isinstance(value, str)
        else:
            assert validator.is_valid(data)
            dumped = inputs.model_dump_json(exclude_none=True)
            assert docs.DocsInputs.model_validate_json(dumped).to_wire() == inputs.to_wire() == json.loads(dumped)


class TestDumps:
    def test_a_local_file_is_never_dropped(self, docs: ModuleType, secret: str) -> None:
        for value in (secret, ("a.txt", b"content")):
            inputs = docs.DocsInputs(doc=value)
            with pytest.raises(
                ValueError,
                match=r"is a local file, which JSON cannot hold: .*upload\(\)",
            ):
                inputs.model_dump_json()
            with pytest.raises(ValueError, match="JSON cannot hold"):
                inputs.model_dump(mode="json")
            again = docs.DocsInputs.model_validate(inputs.model_dump())
            assert again.doc.source == inputs.doc.source
        uploaded = docs.UploadedFile({"id": "an id", "name": "a.txt"})
        inputs = docs.DocsInputs(doc=uploaded)
        assert docs.DocsInputs.model_validate_json(inputs.model_dump_json()).to_wire() == inputs.to_wire()


class TestErrorsMayBeReturned:
    @pytest.mark.parametrize(
        "data",
        [
            {"doc": ("cat.png", b"the content of a file")},
            {"doc": b"the content of a file"},
            {"doc": "the content of a file " * 1000},
            {
                "doc": {
                    "transfer_method": "local_file",
                    "content": "the content of a file " * 1000,
                }
            },
            {"doc": URL, "text": "the content of a file " * 1000},
            {"doc": URL, "the content of a file " * 1000: 1},
            {"doc": URL, "more": [("a.png", b"the content of a file" * 9)] * 3},
            {"text": "a", "more": [("a.txt", b"the content of a file")]},
            {"doc": float("nan")},
            {"doc": URL, "text": "\ud800"},
            {"doc": URL, "text": 10**5000},
        ],
    )
    def test_they_hold_no_contents_and_are_json(self, docs: ModuleType, data: dict[Any, Any]) -> None:
        body: type[BaseModel] = create_model("Body", inputs=(docs.DocsInputs, ...))
        for validate in (
            lambda data: docs.DocsInputs(**data),
            docs.DocsInputs.model_validate,
            lambda data: body(inputs=data),
        ):
            with pytest.raises(ValidationError) as caught:
                validate(data)
            said = json.dumps(caught.value.errors(), allow_nan=False)
            said.encode()
            for text in (said, caught.value.json(), str(caught.value)):
                assert len(text) < 2500
                assert text.count("the content of a file") < 20

    def test_they_name_the_variable_the_reason_and_a_short_value(self, docs: ModuleType) -> None:
        with pytest.raises(ValidationError) as caught:
            docs.DocsInputs(doc="no/such/file", text=5)
        assert [(error["loc"], error["msg"], error["input"]) for error in caught.value.errors()] == [
            (("doc",), "there is no file 'no/such/file'", "no/such/file"),
            (("text",), "Input should be a valid string", 5),
        ]


class Awaited:
    """An open file of a library for asyncio."""

    def __init__(self, content: Any, **attributes: Any) -> None:
        self._content = content
        vars(self).update(attributes)

    async def read(self, size: int = -1) -> Any:
        size = len(self._content) if size < 0 else size
        piece, self._content = self._content[:size], self._content[size:]
        return piece


class Form:
    """An upload as some frameworks give it: the open file is in `.file` alone."""

    def __init__(self, name: str, content: bytes) -> None:
        self.filename = name
        self.file = io.BytesIO(content)


def spooled(content: bytes) -> UploadFile:
    file = tempfile.SpooledTemporaryFile(max_size=10)  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return UploadFile(file, filename="C:\\fakepath\\up.pdf")  # type: ignore[arg-type]


class TestUploadsOfWebFrameworks:
    @both
    @pytest.mark.parametrize(
        ("make", "sent"),
        [
            (lambda: spooled(b"x" * 300_000), ("up.pdf", b"x" * 300_000)),
            (lambda: ("named.pdf", spooled(b"short")), ("named.pdf", b"short")),
            (lambda: Form("form.pdf", b"form"), ("form.pdf", b"form")),
        ],
        ids=["starlette", "a pair", ".file"],
    )
    def test_their_open_file_goes_up(self, docs: ModuleType, is_async: bool, make: Any, sent: Any) -> None:
        with Server(ROUTES) as server:
            given = make()
            assert run(docs, server, is_async, doc=given).outputs.result == "ok"
        upload = given[1] if isinstance(given, tuple) else given
        assert not upload.file.closed
        upload.file.close()
        assert uploads(server) == [sent]

    @pytest.mark.parametrize(
        "given",
        [
            Awaited(b"x" * 300_000, filename="a.pdf"),
            Awaited(b"x" * 300_000, name="/tmp/a.pdf"),
        ],
    )
    def test_what_is_awaited_goes_up_by_the_async_client(self, docs: ModuleType, given: Awaited) -> None:
        with Server(ROUTES) as server:
            run(docs, server, True, doc=given)
        assert uploads(server) == [("a.pdf", b"x" * 300_000)]

    @pytest.mark.parametrize("given", [Awaited(b"x", filename="a.pdf"), ("a.pdf", Awaited(b"x"))])
    def test_the_blocking_client_says_what_to_do(self, docs: ModuleType, given: Any) -> None:
        with (
            Server(ROUTES) as server,
            pytest.raises(docs.ConfigurationError, match="read by awaiting.*async client"),
        ):
            run(docs, server, False, doc=given)
        assert server.requests == []

    def test_an_awaited_file_of_text_is_refused_before_anything_is_sent(self, docs: ModuleType) -> None:
        with (
            Server(ROUTES) as server,
            pytest.raises(docs.ConfigurationError, match='mode "rb"'),
        ):
            run(docs, server, True, doc=Awaited("text", name="a.pdf"))
        assert server.requests == []

    def test_what_cannot_be_read_is_refused_in_plain_words(self, docs: ModuleType, tmp_path: Path) -> None:
        closed = (tmp_path / "a.txt").open("wb")
        writing = (tmp_path / "b.txt").open("wb")
        closed.close()
        spent = io.BytesIO(b"content")
        spent.read()
        text = (tmp_path / "c.txt").open("w+")
        cases: list[tuple[object, str]] = [
            (closed, "the file is closed"),
            (writing, "cannot be read .UnsupportedOperation"),
            (text, 'mode "rb"'),
            (("a.pdf", spent), r"read to its end: call its seek\(0\)"),
            (Form("", b"x"), "has no name"),
            (Awaited(b"x"), "has no name"),
            (Awaited(b"x", name=5), "has no name"),
            (b"/bytes/path.pdf", "need a name"),
            (("report", "a.pdf", b"x"), "as a tuple"),
            ("file:///etc/hosts", "file:// URLs are not taken"),
            ("data:text/plain;base64,eA==", "data: URLs are not taken"),
            ("https://", "the URL has no host"),
            (object(), "expected a path"),
        ]
        for value, says in cases:
            with pytest.raises(ValidationError, match=says):
                docs.DocsInputs(doc=value)
        writing.close()
        text.close()


class TestWhoseFileItIs:
    @both
    def test_a_local_file_goes_up_once_for_each_user(self, docs: ModuleType, is_async: bool, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b"skipped content")
        with path.open("rb") as file, Server(ROUTES) as server:
            file.seek(8)
            inputs = docs.DocsInputs(doc=file)
            for user in ("ada", "ada", "bob"):
                run(docs, server, is_async, user, doc=inputs.doc)
        assert uploads(server) == [("a.txt", b"content")] * 2
        assert [parsed_form(request)["user"] for request in server.requests if request.path == "/v1/files/upload"] == [
            "ada",
            "bob",
        ]

    def test_an_upload_of_another_user_is_refused_before_anything_is_sent(self, docs: ModuleType) -> None:
        with (
            Server(ROUTES) as server,
            docs.DocsClient(base_url=server.url, api_key="app-x", user="ada") as client,
        ):
            uploaded = client.upload(("a.txt", b"x"))
            assert client.run(doc=uploaded).succeeded
            sent = len(server.requests)
            with pytest.raises(
                docs.ConfigurationError,
                match="uploaded for the user 'ada'.*call is for 'bob'",
            ):
                client.run(doc=uploaded, user="bob")
            assert len(server.requests) == sent

    @both
    def test_a_second_try_sends_the_whole_file_again(self, docs: ModuleType, is_async: bool) -> None:
        busy = as_json({"code": "too_many_requests", "message": "", "status": 429}, 429)
        answers = iter([busy, receive])
        routes = {
            **ROUTES,
            UPLOAD: lambda connection, request: next(answers)(connection, request),
        }
        with Server(routes) as server:
            options = {
                "base_url": server.url,
                "api_key": "app-x",
                "user": "ada",
                "max_retries": 1,
            }

            async def call() -> Any:
                async with docs.AsyncDocsClient(**options) as client:
                    return await client.run(doc=("a.txt", io.BytesIO(b"content")))

            if is_async:
                asyncio.run(call())
            else:
                with docs.DocsClient(**options) as client:
                    client.run(doc=("a.txt", io.BytesIO(b"content")))
        assert uploads(server) == [("a.txt", b"content")] * 2
