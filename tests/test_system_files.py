"""Files beside the inputs of a workflow, `sys.files`: generated where a definition uses them, and checked."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from difygen.cli import root
from difygen.parser import read
from difygen.testing import mock_dify
from support.fault_events import STARTED, finished
from support.packages import files_of, imported, workflow_from, write
from support.servers import Server, as_json, stream
from test_file_inputs import uploads
from test_runtime_files import UPLOAD, receive

LIMITS = {"enabled": True, "allowed_file_types": ["image", "document"], "number_limits": 2}
DONE = {"id": "r", "workflow_id": "w", "status": "succeeded", "outputs": {"result": []}}
FINISHED = stream([STARTED, finished(outputs={"result": []})])


def export(data: dict[str, Any], features: dict[str, Any] | None = None, mode: str = "workflow") -> bytes:
    """An export of a start node, and a last node that has `data`."""
    last = {"type": "end" if mode == "workflow" else "answer", "title": "Last", **data}
    graph = {
        "nodes": [
            {"id": "1", "data": {"type": "start", "title": "Start", "variables": []}},
            {"id": "2", "data": last},
        ],
        "edges": [{"id": "e", "source": "1", "target": "2", "sourceHandle": "source", "targetHandle": "target"}],
    }
    app = {"version": "0.5.0", "kind": "app", "app": {"name": "pictures", "mode": mode}}
    return yaml.safe_dump({**app, "workflow": {"graph": graph, "features": features or {}}}).encode()


def outputs(*selector: str) -> dict[str, Any]:
    return {"outputs": [{"variable": "result", "value_selector": list(selector), "value_type": "array[file]"}]}


READS = [
    outputs("sys", "files"),
    outputs("1", "sys.files"),
    {"outputs": [], "prompt": [{"text": "look: {{#sys.files#}}"}]},
    {"outputs": [], "text": "{{#1.sys.files#}}"},
    {"outputs": [], "vision": {"enabled": True, "configs": {"variable_selector": ["sys", "files"]}}},
]
READS_NOT = [
    outputs("sys", "user_id"),
    {"outputs": [], "text": "the sys.files of {{#sys.user_id#}}"},
    {"outputs": [], "vision": {"enabled": False, "configs": {"variable_selector": ["sys", "files"]}}},
]


@pytest.mark.parametrize("data", READS)
def test_whatever_reads_them_makes_a_run_take_files(data: dict[str, Any]) -> None:
    reading = read(export(data), "pictures.yml")
    assert reading.workflow is not None and reading.workflow.files is not None


@pytest.mark.parametrize("data", READS_NOT)
def test_nothing_else_does(data: dict[str, Any]) -> None:
    reading = read(export(data, {"file_upload": {"enabled": False}}), "pictures.yml")
    assert reading.workflow is not None and reading.workflow.files is None


def test_a_chatflow_that_reads_them_in_vain_is_warned_of() -> None:
    reading = read(export({"answer": "{{#sys.files#}}"}, mode="advanced-chat"), "pictures.yml")
    [warning] = [each for each in reading.diagnostics if each.code == "no-system-files"]
    assert str(warning.location).startswith("pictures.yml:") and "file upload is off" in warning.message
    with_upload = read(export({"answer": "{{#sys.files#}}"}, {"file_upload": LIMITS}, "advanced-chat"), "pictures.yml")
    assert "no-system-files" not in {each.code for each in with_upload.diagnostics}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("system_files")
    app = read(export(outputs("sys", "files"), {"file_upload": LIMITS}), "pictures.yml").workflow
    assert app is not None
    write(folder / "pictures_client", files_of([app, workflow_from("name: plain\noutputs: {result: string}\n")]))
    with imported(folder, "pictures_client") as package:
        yield package


def call(pictures: ModuleType, server: Server, verb: str, is_async: bool, **arguments: Any) -> Any:
    options = {"base_url": server.url, "api_key": "app-x", "user": "ada", "max_retries": 0}
    if not is_async:
        with pictures.PicturesClient(**options) as client:
            return client.run(**arguments) if verb == "run" else client.stream(**arguments).result()

    async def use() -> Any:
        async with pictures.AsyncPicturesClient(**options) as client:
            return await (client.run(**arguments) if verb == "run" else client.stream(**arguments).result())

    return asyncio.run(use())


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])
@pytest.mark.parametrize("verb", ["run", "stream"])
def test_they_are_uploaded_and_sent_at_the_top(pictures: ModuleType, verb: str, is_async: bool, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    blocking = as_json({"workflow_run_id": "r", "task_id": "t", "data": DONE})
    with Server({UPLOAD: receive, "POST /v1/workflows/run": blocking if verb == "run" else FINISHED}) as server:
        call(pictures, server, verb, is_async, files=[tmp_path / "a.png", "https://host/b.pdf"])
    assert uploads(server) == [("a.png", b"png")]
    assert server.requests[-1].json["files"] == [
        {"type": "image", "transfer_method": "local_file", "upload_file_id": "id of a.png"},
        {"type": "document", "transfer_method": "remote_url", "url": "https://host/b.pdf"},
    ]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["a.mp3"], "files: there is no file"),
        ([("a.mp3", b"")], r"files: 'a.mp3' is an audio file, which is not taken here \(taken: image, document\)"),
        ([("a.png", b"")] * 3, "'pictures' takes 2 files with a run, not 3"),
        ("a.png", "must be a list of files"),
        (Path("a.png"), "must be a list of files"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "stream"])
def test_what_the_feature_does_not_allow_is_refused(pictures: ModuleType, verb: str, files: Any, says: str) -> None:
    with Server({}) as server, pytest.raises(pictures.ConfigurationError, match=says):
        call(pictures, server, verb, False, files=files)
    assert server.requests == []


def test_no_other_workflow_takes_them(pictures: ModuleType) -> None:
    with pytest.raises(pictures.ConfigurationError, match="takes no files with a run"):
        pictures.PlainClient(base_url="http://127.0.0.1:9", api_key="app-x", user="u").run_inputs(
            pictures.PlainInputs(), files=[("a.txt", b"")]
        )


def test_the_mock_and_difygen_call_understand_them(pictures: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "pictures.yml"
    source.write_bytes(export(outputs("sys", "files"), {"file_upload": LIMITS}))
    (tmp_path / "a.png").write_bytes(b"png")
    with mock_dify(source) as dify:
        with pictures.PicturesClient(base_url=dify.base_url, api_key=dify.api_key, user="ada") as client:
            [file] = client.run(files=[("b.txt", b"text")]).outputs.result
            assert file.filename == "b.txt"
        settings = {"DIFY_BASE_URL": dify.base_url, "DIFY_API_KEY": dify.api_key, "DIFY_USER": "ada"}
        ran = CliRunner().invoke(root, ["call", str(source), "--file", str(tmp_path / "a.png")], env=settings)
        assert ran.exit_code == 0 and "a.png" in ran.stdout, ran.output
    plain = tmp_path / "plain.yaml"
    plain.write_text("outputs: {result: string}\n")
    ran = CliRunner().invoke(root, ["call", str(plain), "--file", str(tmp_path / "a.png")], env=settings)
    assert ran.exit_code == 2 and "takes no --file" in ran.stderr


def test_a_spec_says_files() -> None:
    app = workflow_from("name: a\nfiles: {types: [image], max_count: 1}\noutputs: {result: string}\n")
    assert app.files is not None and (app.files.types, app.files.max_count) == (("image",), 1)
    assert "files: Sequence[FileInput] | None = None" in files_of([app])["a.py"]
    named = workflow_from("name: a\nfiles: true\ninputs: {files: file-list}\noutputs: {result: string}\n")
    assert "files_: Sequence[FileInput]" in files_of([named])["a.py"]
