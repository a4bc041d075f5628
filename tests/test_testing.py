"""`difygen.testing` as its users have it: with generated clients, as a context manager, and as a pytest plugin in
another project.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from difygen.codegen.names import NameRequest, name_apps
from difygen.codegen.package import generate
from difygen.definitions import discover
from difygen.mock.engine.values import example_value
from difygen.mock.files import FileStore
from difygen.model import COMPLETION, WORKFLOW, App, Input
from difygen.naming import class_name, snake_name
from difygen.parser import read
from difygen.testing import MockDify, mock_dify
from support import CHAT_LAB, GENERATOR, LAB, NEWEST, ROOT

SOURCES = {"specs": ROOT / "specs", "dsl_lab": LAB, "dsl_lab_chat": CHAT_LAB, "newest": NEWEST}


def workflows_of(folder: Path) -> list[App]:
    found = (read(Path(source.path).read_bytes(), source.shown).workflow for source in discover([str(folder)])[0])
    return [workflow for workflow in found if workflow is not None]


def named(folder: Path) -> dict[str, App]:
    """The apps of a folder, by their names in Python."""
    apps = workflows_of(folder)
    names, _ = name_apps([NameRequest(app.name, app.source) for app in apps])
    return dict(zip(map(str, names), apps, strict=True))


APPS = [(app.kind, folder, name) for folder, path in SOURCES.items() for name, app in named(path).items()]
CASES = [(folder, name) for kind, folder, name in APPS if kind is WORKFLOW]
CHATS = [(folder, name) for kind, folder, name in APPS if kind is not WORKFLOW]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModuleType]]:
    """The package of every folder of definitions, generated and imported."""
    home = tmp_path_factory.mktemp("clients")
    for name, folder in SOURCES.items():
        for path, text in generate(workflows_of(folder)).files.items():
            target = home / f"client_of_{name}" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
    sys.path.insert(0, str(home))
    try:
        yield {name: importlib.import_module(f"client_of_{name}") for name in SOURCES}
    finally:
        sys.path.remove(str(home))


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, MockDify]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(mock_dify(folder)) for name, folder in SOURCES.items()}


def some(input_: Input) -> Any:
    """A value that the input takes."""
    if input_.kind in ("file", "file-list"):
        name = {"image": "a.png", "custom": f"a{(*input_.allowed_file_extensions, '.xyz')[0]}", "audio": "a.mp3"}
        file = (name.get((*input_.allowed_file_types, "document")[0], "a.txt"), b"content")
        return [file] if input_.kind == "file-list" else file
    if input_.kind == "json_object":
        return example_value(input_.type, input_.name, FileStore()) if input_.type else {}
    values = {"number": 3, "checkbox": True, "select": next(iter(input_.options), "")}
    return values.get(input_.kind, "text")


def arguments(workflow: App) -> dict[str, Any]:
    examples = [example.inputs for example in workflow.examples]
    given = {each.name: some(each) for each in workflow.inputs if each.required} | dict(examples[0] if examples else {})
    return {str(snake_name(name)): value for name, value in given.items()}


@pytest.mark.parametrize(("folder", "name"), CASES)
def test_every_generated_client_runs_against_the_mock(
    folder: str, name: str, clients: dict[str, ModuleType], servers: dict[str, MockDify]
) -> None:
    workflow = named(SOURCES[folder])[name]
    module = importlib.import_module(f"{clients[folder].__name__}.{name}")
    dify, values = servers[folder], arguments(workflow)
    settings = {"base_url": dify.base_url, "api_key": dify.api_keys[name], "user": "u"}
    if any(node.type == "human-input" for node in workflow.nodes):
        with getattr(module, f"{class_name(name)}Client")(**settings) as client:
            with pytest.raises(clients[folder].RunPausedError) as paused:
                client.run(**values)
            for form in workflow.forms[:1]:
                answer = {each.name: some(each) for each in form.inputs}
                client.submit_form(paused.value.run.forms[0], action=form.actions[0].id, inputs=answer)
                run = client.resume(paused.value.run.workflow_run_id).result()
                assert folder != "newest" or None not in run.outputs.model_dump().values()
        return
    with getattr(module, f"{class_name(name)}Client")(**settings) as client:
        blocking = client.run(**values)
        with client.stream(**values) as stream:
            events = [event.event for event in stream]
            streamed = stream.result()
        again = client.get_run(streamed.workflow_run_id)
    assert blocking.status == streamed.status == again.status == "succeeded"
    assert (events[0], events[1], events[-1]) == ("ping", "workflow_started", "workflow_finished")
    assert type(blocking.outputs) is type(streamed.outputs)
    assert set(blocking.outputs.model_dump()) == set(streamed.outputs.model_dump())

    async def arun() -> Any:
        async with getattr(module, f"Async{class_name(name)}Client")(**settings) as client:
            return await client.run(**values)

    assert asyncio.run(arun()).status == "succeeded"


FUTURE = """\
app: {name: future, mode: workflow, icon_type: hologram}
kind: app
version: 2.0.0
swarm: {}
workflow:
  environment_variables: [{name: X, value_type: colour, value: {r: 1}}]
  graph:
    nodes:
    - id: start
      data: {type: start, variables: [{variable: tint, type: colour, required: true}, {variable: clip, type: video}]}
    - {id: dream, data: {type: dream, title: Dream}}
    - id: end
      data:
        type: end
        outputs: [{variable: a, value_selector: [dream, picture]}, {variable: b, value_selector: [env, X]}]
    edges:
    - {source: start, target: dream}
    - {source: dream, target: end, sourceHandle: awake}
    - {source: dream, target: nowhere, sourceHandle: asleep}
"""


def test_a_definition_of_the_future_is_warned_of_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = read(FUTURE.encode(), "future.yml")
    assert reading.workflow is not None
    codes = [each.code for each in reading.diagnostics]
    assert codes == ["newer-version", *["unknown-input-type"] * 2, "unknown-node-type", "unknown-variable-type"]
    for path, text in generate([reading.workflow]).files.items():
        target = tmp_path / "client_of_the_future" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("client_of_the_future.future")
    (tmp_path / "future.yml").write_text(FUTURE, "utf-8")
    tint = {"r": 1, "more": [True, None]}
    with mock_dify(tmp_path / "future.yml") as dify:
        with module.FutureClient(base_url=dify.base_url, api_key=dify.api_key, user="u") as client:
            run = client.run(tint=tint)
            for wrong, said in ((object(), "JSON cannot say a object"), (None, "Dify takes no null")):
                with pytest.raises(ValueError, match=said):
                    client.run(tint=wrong)
        assert dify.last_run.inputs == {"tint": tint, "clip": None}
    assert run.status == "succeeded"


@pytest.mark.parametrize(("folder", "name"), CHATS)
def test_every_generated_client_takes_a_turn_with_the_mock(
    folder: str, name: str, clients: dict[str, ModuleType], servers: dict[str, MockDify]
) -> None:
    app = named(SOURCES[folder])[name]
    module, verb = importlib.import_module(f"{clients[folder].__name__}.{name}"), app.kind.verbs[0]
    dify, values = servers[folder], arguments(app)
    query = () if app.kind is COMPLETION else ("Hello",)
    settings = {"base_url": dify.base_url, "api_key": dify.api_keys[name], "user": "u"}
    is_paused = any(node.type == "human-input" for node in app.nodes)
    with getattr(module, f"{class_name(name)}Client")(**settings) as client:
        if is_paused:
            with pytest.raises(clients[folder].TurnPausedError):
                getattr(client, verb)(*query, **values)
            return
        turn = getattr(client, verb)(*query, **values)
        with client.stream(*query, **values) as stream:
            pieces = "".join(stream.text())
            streamed = stream.result()
        assert turn.status == streamed.status == "succeeded"
        assert pieces == streamed.answer and type(turn.answer) is str
        if query:
            conversation = client.conversation(**values)
            assert conversation.send(*query).conversation_id == conversation.id
            assert [message.query for message in conversation.messages()] == ["Hello"]

    async def aturn() -> Any:
        async with getattr(module, f"Async{class_name(name)}Client")(**settings) as client:
            return await getattr(client, verb)(*query, **values)

    assert asyncio.run(aturn()).status == "succeeded"


CONFTEST = 'pytest_plugins = ["difygen.testing"]\n'
PROJECT = """
import os

import pytest
from client import run_concat, stream_concat
from client import RunFailedError

ARGUMENTS = {{"string": "a", "num": 1, "list": "list_a", "user": "test"}}


def test_the_functions_call_the_mock(dify_mock):
    dify = dify_mock({spec!r}, handler=lambda inputs: {{"result": inputs["string"] * 2}})
    assert run_concat(**ARGUMENTS).outputs.result == "aa"
    with stream_concat(**ARGUMENTS) as stream:
        assert stream.result().outputs.result == "aa"
    assert [run.user for run in dify.runs] == ["test", "test"]
    assert dify.last_run.inputs == {{"string": "a", "num": 1, "list": "list_a"}}


def test_a_failure(dify_mock):
    dify_mock({spec!r}, fail_rate=1)
    with pytest.raises(RunFailedError):
        run_concat(**ARGUMENTS)


def test_the_environment_is_as_before():
    assert "DIFY_BASE_URL" not in os.environ
"""


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python as in another project: without this one's settings, but with its packages."""
    paths = os.pathsep.join([str(GENERATOR), str(ROOT / "templates")])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DIFY_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=cwd,
        env=kept | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_another_project_uses_the_plugin(tmp_path: Path) -> None:
    spec = ROOT / "specs" / "concat.yaml"
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    (tmp_path / "test_project.py").write_text(PROJECT.format(spec=str(spec)), "utf-8")
    for path, text in generate([w for w in workflows_of(spec.parent) if w.name == "concat"]).files.items():
        target = tmp_path / "client" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    done = python(
        "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_a_runs_record_can_be_cleared() -> None:
    with mock_dify(SOURCES["specs"] / "concat.yaml") as dify:
        assert dify.runs == []
        with pytest.raises(LookupError):
            _ = dify.last_run
        dify.clear()
        assert repr(dify).startswith("<MockDify http://127.0.0.1:")


def test_without_the_extra_the_message_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['starlette'] = None\n"
        "from difygen.testing import MockSetupError, mock_dify\n"
        "try:\n    mock_dify('x').__enter__()\nexcept MockSetupError as error:\n    print(error)\n"
    )
    done = python("-c", code)
    assert "pip install 'difygen[mock]'" in done.stdout, done.stderr


def test_the_context_manager_needs_no_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\nimport difygen.testing\nprint(hasattr(difygen.testing, 'dify_mock'))"
    )
    done = python("-c", code)
    assert done.stdout == "False\n", done.stderr
