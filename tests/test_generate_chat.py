"""The modules of chat-type apps: what they define, and that formatters leave them alone."""

from __future__ import annotations

import ast
from pathlib import Path

import black
import pytest
from difygen.codegen.package import generate
from difygen.diagnostics import Diagnostics
from difygen.model import App
from difygen.parser.dsl import mode_of, read_contract, read_head
from difygen.parser.yaml import Document, load
from difygen.testing import mock_dify
from support import CHAT_LAB
from support.packages import files_of, imported, workflow_from, write

CHATS = [path for path in sorted(CHAT_LAB.glob("*.yml")) if "mode: workflow" not in path.read_text(encoding="utf-8")]


def read_app(path: Path) -> App:
    document = load(path.read_bytes(), path.name)
    assert isinstance(document, Document)
    report = Diagnostics(document)
    mode = mode_of(document.root, report)
    assert mode is not None
    app = read_contract(read_head(document.root, path.name, mode), document.root, report)
    assert app is not None
    return app


def module(name: str) -> str:
    return generate([read_app(CHAT_LAB / f"{name}.yml")]).files[f"{name}.py"]


def parameters(text: str, class_name: str, method: str) -> list[str]:
    (found,) = [each for each in ast.parse(text).body if isinstance(each, ast.ClassDef) and each.name == class_name]
    (function,) = [
        each for each in found.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == method
    ]
    return [each.arg for each in (*function.args.args, *function.args.kwonlyargs)]


@pytest.mark.parametrize("path", CHATS, ids=lambda path: path.stem)
def test_black_leaves_it_alone(path: Path) -> None:
    generated = generate([read_app(path)])
    assert not generated.diagnostics
    text = generated.files[f"{path.stem}.py"]
    assert black.format_str(text, mode=black.Mode()) == text


def test_a_chatflow_takes_a_query_its_inputs_a_conversation_and_files() -> None:
    common = ["self", "query", "name", "tone", "count", "user", "conversation_id", "files"]
    text = module("chat_lab")
    assert parameters(text, "ChatLabClient", "chat") == common
    assert parameters(text, "AsyncChatLabClient", "stream") == common
    assert parameters(text, "ChatLabClient", "conversation") == [
        "self",
        "name",
        "tone",
        "count",
        "user",
        "conversation_id",
    ]
    assert "`ANSWER1` says: {START1.name} ({conversation.turns}): {LLM1.text}" in text
    assert 'notes: dict[str, Any] = Field(default_factory=lambda: {"a": 1})' in text


def test_an_agent_has_its_tools() -> None:
    text = module("agent_lab")
    assert 'class AgentLabTool(StrEnum):\n    """The tools of `agent_lab`, as `Thought.tools` names them."""\n' in text
    assert 'WEATHER = "weather"' in text


def test_the_query_of_a_text_generator_is_an_input() -> None:
    text = module("completion_lab")
    assert parameters(text, "CompletionLabClient", "complete") == ["self", "name", "query", "tone", "user", "files"]
    assert 'as_function(_client.complete, "complete_completion_lab")' in text


CLASHING = ("model_rows", "model_misfits", "model_keep", "class", "self", "schema", "copy", "model_fields")


def test_a_variable_may_be_called_what_its_model_has_already(tmp_path: Path) -> None:
    spec = "".join(f"  {name}: {{type: string, initial: {name} at first}}\n" for name in CLASHING)
    app = workflow_from(f"name: desk\nmode: chatflow\nvariables:\n{spec}")
    write(tmp_path / "clashing", files_of([app]))
    with (
        imported(tmp_path, "clashing") as package,
        mock_dify(app, handler=lambda inputs: "yes") as dify,
        package.DeskClient(base_url=dify.base_url, api_key=dify.api_key, user="ada") as client,
    ):
        conversation = client.conversation()
        conversation.send("Are you there?")
        for name in CLASHING:
            conversation.set_variable(name, f"{name} now")
        variables = conversation.variables()
        assert sorted(variables.model_rows) == sorted(CLASHING)
        attributes = {name: name if name == "self" else f"{name}_" for name in CLASHING}
        assert [getattr(variables, attributes[name]) for name in CLASHING] == [f"{name} now" for name in CLASHING]
