"""What an editor completes in callers of a generated package: jedi, which reads source and imports nothing."""

from pathlib import Path

import jedi
import pytest
from difygen.config import Options
from support.packages import CONCAT, SHARING_A_NAME, files_of, workflow_from, write

CALL = "from client import run_concat\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> jedi.Project:
    return jedi.Project(
        write(tmp_path_factory.mktemp("project"), {f"client/{path}": text for path, text in files_of([CONCAT]).items()})
    )


def completed(project: jedi.Project, source: str) -> set[str]:
    return {completion.name for completion in jedi.Script(source, project=project).complete()}


@pytest.mark.parametrize("source", ["from client import ", "import client\nclient."])
def test_the_names_of_a_package_are_completed(project: jedi.Project, source: str) -> None:
    names = {
        "run_concat",
        "astream_concat",
        "ConcatClient",
        "ConcatInputs",
        "NodeFinished",
        "RunFailedError",
        "Run",
        "concat",
    }
    assert names <= completed(project, source)


@pytest.mark.parametrize(
    "function", ["run_concat", "arun_concat", "stream_concat", "astream_concat", "ConcatClient().run"]
)
def test_the_parameters_of_a_call_are_completed(project: jedi.Project, function: str) -> None:
    names = {"string=", "num=", "list=", "user=", "timeout=", "trace_id="}
    name = function.partition("(")[0]
    assert names <= completed(project, f"from client import {name}\n{function}(")


def test_the_result_of_a_call_is_completed(project: jedi.Project) -> None:
    run = f"{CALL}run = run_concat(string='a', num=1, list='list_a')\n"
    assert {"outputs", "status", "total_steps"} <= completed(project, f"{run}run.")
    assert "result" in completed(project, f"{run}run.outputs.")
    assert {"bit_length", "upper"} & completed(project, f"{run}run.outputs.result.") == {"upper"}


def test_a_stream_and_a_client_are_completed(project: jedi.Project) -> None:
    stream = (
        "from client import stream_concat\nwith stream_concat(string='a', num=1, list='list_a') as stream:\n    stream."
    )
    assert {"result", "text", "close"} <= completed(project, stream)
    assert {"run", "stream_inputs", "get_run"} <= completed(project, "from client import ConcatClient\nConcatClient().")


def test_names_of_workflows_that_share_one_are_completed(tmp_path: Path) -> None:
    write(tmp_path / "client", files_of(SHARING_A_NAME))
    project = jedi.Project(tmp_path)
    assert {"run_page", "run_page_outputs"} <= completed(project, "from client import run")
    assert {"PageOutputsOutputsPage"} <= completed(project, "from client import PageOutputsOut")


def test_a_client_in_a_with_block_is_completed(project: jedi.Project) -> None:
    block = "from client import ConcatClient\nwith ConcatClient() as client:\n    client."
    assert {"run", "stream", "run_inputs"} <= completed(project, block)


@pytest.mark.parametrize("is_one_file", [False, True], ids=["a package", "a file"])
def test_a_chat_app_beside_a_workflow_is_completed(tmp_path: Path, is_one_file: bool) -> None:
    desk = workflow_from("name: desk\nmode: chatflow\ninputs: {order: text-input}\nvariables: {turns: integer}\n")
    files = files_of([CONCAT, desk], Options(single_file=is_one_file))
    project = jedi.Project(write(tmp_path, files if is_one_file else {f"client/{path}": files[path] for path in files}))
    assert {"order=", "user="} <= completed(project, "from client import chat_desk\nchat_desk(")
    opened = "from client import AsyncDeskClient\nasync def ask():\n    async with AsyncDeskClient() as client: "
    assert {"chat", "stream", "conversation"} <= completed(project, f"{opened}client.")
    run = f"{CALL}run = run_concat(string='a', num=1, list='list_a')\n"
    assert "result" in completed(project, f"{run}run.outputs.")
