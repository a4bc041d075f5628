"""`difygen tools` and `difygen.tools`: schemas that APIs of models take, and the calls that models make with them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from difygen.testing import fake_client
from difygen.tools import ToolError, Tools
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support import ROOT
from support.hostile import NAMES, SENDABLE_TEXTS
from support.packages import files_of, imported, workflow_from, write
from support.projects import difygen

SOURCES = ("specs", "tests/dsl_lab", "tests/dsl_lab_chat", "tests/cases/dsl/exported_by_1_17")
CORPUS = ROOT.parent / "shared" / "dsl-corpus"
SPEC = """\
name: lookup
description: Looks an order up.
inputs:
  客户: {type: text-input, max_length: 20, label: Customer}
  count: {type: number, required: false, default: 3}
  paper: {type: file, required: false}
  options: {type: json_object, required: false, properties: {a: string, b: {type: string, optional: true}}}
outputs:
  状态: string
"""


def tools(*arguments: str) -> list[dict[str, Any]]:
    ran = difygen("tools", *arguments)
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def sources() -> list[str]:
    return [str(ROOT / each) for each in SOURCES] + ([str(CORPUS)] if CORPUS.is_dir() else [])


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within a schema."""
    if isinstance(schema, dict):
        if "object" in [schema.get("type"), *(schema["type"] if isinstance(schema.get("type"), list) else [])]:
            yield schema
        for name in ("items", "properties", "anyOf"):
            inner = schema.get(name)
            for each in inner.values() if name == "properties" and isinstance(inner, dict) else [inner]:
                yield from objects(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from objects(each)


@pytest.mark.parametrize("form", ["openai", "openai-chat", "anthropic", "mcp", "json-schema"])
@pytest.mark.parametrize("source", sources())
def test_every_app_is_a_tool_that_the_apis_take(source: str, form: str) -> None:
    found = tools(source, "--for", form)
    inner = [each.get("function", each) for each in found]
    assert len({each["name"] for each in inner}) == len(inner) > 0
    for tool in inner:
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool["name"])
        assert 0 < len(tool["description"]) <= 1024
        key = {"anthropic": "input_schema", "mcp": "inputSchema", "json-schema": "input"}.get(form, "parameters")
        schema = tool[key]
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        for each in objects(schema):
            assert all(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name) for name in each.get("properties", ()))


@pytest.mark.parametrize("source", sources())
def test_what_is_strict_keeps_openais_rules(source: str) -> None:
    strict = [each for each in tools(source, "--for", "openai", "--strict") if each["strict"]]
    assert strict
    for tool in strict:
        Draft202012Validator.check_schema(tool["parameters"])
        for each in objects(tool["parameters"]):
            assert each["additionalProperties"] is False
            assert each["required"] == [*each["properties"]]
        assert not re.search(r'"(default|maxLength|maxItems)":', json.dumps(tool["parameters"]))


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("lookup.yaml").write_text(SPEC, "utf-8")
    return "lookup.yaml"


def test_names_that_no_api_takes_are_those_of_python(spec: str) -> None:
    (tool,) = tools(spec, "--for", "anthropic")
    assert tool == {
        "name": "lookup",
        "description": "Looks an order up. Returns 状态.",
        "input_schema": {
            "type": "object",
            "properties": {
                "ke_hu": {"type": "string", "maxLength": 20, "description": "Customer, at most 20 characters."},
                "count": {"type": "number", "default": 3},
                "paper": {"type": "string", "description": "The https URL of the file."},
                "options": {
                    "type": "object",
                    "required": ["a"],
                    "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                    "additionalProperties": True,
                },
            },
            "required": ["ke_hu"],
            "additionalProperties": False,
        },
    }


def test_a_strict_tool_says_null_for_what_is_left_out(spec: str) -> None:
    (tool,) = tools(spec, "--for", "openai", "--strict")
    schema = tool["parameters"]
    assert schema["properties"]["count"] == {"type": ["number", "null"]}
    assert schema["properties"]["options"]["type"] == ["object", "null"]
    assert schema["properties"]["options"]["properties"]["b"] == {"type": ["string", "null"]}
    assert tool["strict"] is True


def test_an_object_that_may_hold_anything_is_not_strict(spec: str) -> None:
    Path("open.yaml").write_text("name: open\ninputs: {data: {type: json_object}}\noutputs: {}\n", "utf-8")
    ran = difygen("tools", "open.yaml", "--for", "openai", "--strict")
    assert json.loads(ran.out)[0]["strict"] is False
    assert ran.err == "warning: open takes objects that may hold anything, so its schema is not strict.\n"


# Calls

DESK = "name: desk\nmode: chatflow\ninputs: {order: text-input}\n"
WRITER = "name: writer\nmode: completion\ninputs: {query: text-input, tone: {type: text-input, required: false}}\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A generated package, imported."""
    folder = tmp_path_factory.mktemp("tools")
    apps = [workflow_from(text) for text in (SPEC, DESK, WRITER)]
    write(folder / "called", files_of(apps))
    with imported(folder, "called") as package:
        yield package


def calls(*, client: Any, asynchronous: bool, **answers: Any) -> Any:
    """Return a function that calls tools of fake clients."""
    prefix = "Async" if asynchronous else ""
    tools = Tools(
        **{
            name: fake_client(getattr(client, f"{prefix}{name.capitalize()}Client"), answer)
            for name, answer in answers.items()
        }
    )
    if asynchronous:
        return lambda name, arguments: asyncio.run(tools.acall_tool(name, arguments))
    return tools.call_tool


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_model_calls_a_workflow(client: Any, asynchronous: bool) -> None:
    seen: list[Any] = []

    def answer(inputs: Any) -> dict[str, Any]:
        seen.append(dict(inputs))
        return {"状态": "sent"}

    call = calls(client=client, asynchronous=asynchronous, lookup=answer)
    assert call("lookup", {"ke_hu": "Ada", "count": None, "options": {"a": "x"}}) == {"状态": "sent"}
    assert call("lookup", '{"客户": "Ada", "paper": "https://example.com/a.pdf"}') == {"状态": "sent"}
    assert seen[0] == {"客户": "Ada", "count": 3, "options": {"a": "x"}}
    assert seen[1]["paper"]["transfer_method"] == "remote_url"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("lokup", {}, "There is no tool `lokup`. Did you mean `lookup`?"),
        ("lookup", {}, "客户: Field required"),
        ("lookup", {"ke_hu": "Ada", "secret": "s3cr3t"}, "secret: Extra inputs are not permitted"),
        ("lookup", {"ke_hu": "Ada", "paper": "/etc/hosts"}, "paper: "),
        ("lookup", {"ke_hu": "Ada", "paper": "file:///etc/hosts"}, "paper: "),
        ("lookup", "{", "The arguments are no JSON: "),
        ("lookup", "[]", "The arguments must be a JSON object."),
        ("lookup", "[" * 100_000, "The arguments are no JSON: "),
        ("lookup", {"ke_hu": "\ud83d"}, "The arguments are no JSON: "),
        (None, {}, "There is no tool `None`."),
        ("desk", {"order": "1"}, "query: a text is required."),
        ("desk", {"query": "", "order": "1"}, "query: a text is required."),
        ("desk", {"query": "Hi", "order": "1", "conversation_id": 5}, "conversation_id: a text is required."),
    ],
)
def test_a_wrong_call_is_told_to_the_model_and_starts_nothing(
    client: Any, asynchronous: bool, name: str, arguments: Any, told: str
) -> None:
    def answer(inputs: Any) -> Any:
        raise AssertionError("something was started")

    call = calls(client=client, asynchronous=asynchronous, lookup=answer, desk=answer)
    with pytest.raises(ToolError) as caught:
        call(name, arguments)
    assert str(caught.value).startswith(told)
    assert "s3cr3t" not in str(caught.value)
    assert "/etc" not in str(caught.value)


def test_clients_that_cannot_be_called_so_are_the_programs_mistake(client: Any) -> None:
    with pytest.raises(TypeError, match="int is no client that difygen generated"):
        Tools(lookup=5)
    with pytest.raises(TypeError, match=r"AsyncLookupClient is called by await acall_tool\(\)"):
        Tools(lookup=fake_client(client.AsyncLookupClient, {})).call_tool("lookup", {"ke_hu": "Ada"})
    with pytest.raises(TypeError, match=r"LookupClient is called by call_tool\(\)"):
        asyncio.run(Tools(lookup=fake_client(client.LookupClient, {})).acall_tool("lookup", {"ke_hu": "Ada"}))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_run_that_failed_is_an_error_for_the_model(client: Any, asynchronous: bool) -> None:
    def answer(inputs: Any) -> Any:
        raise ValueError("the warehouse is closed")

    call = calls(client=client, asynchronous=asynchronous, lookup=answer, desk=answer)
    for name, arguments in (("lookup", {"ke_hu": "Ada"}), ("desk", {"query": "Hi", "order": "1"})):
        with pytest.raises(ToolError, match="the warehouse is closed"):
            call(name, arguments)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_model_chats(client: Any, asynchronous: bool) -> None:
    call = calls(
        client=client, asynchronous=asynchronous, desk=lambda i: f"{i['sys.query']} {i['order']}", writer="Dear all"
    )
    first = call("desk", {"query": "Where is", "order": "A1"})
    assert first == {"answer": "Where is A1", "conversation_id": "fake-conversation"}
    again = call("desk", {"query": "And", "order": "A2", "conversation_id": first["conversation_id"]})
    assert again["answer"] == "And A2"
    assert call("writer", {"query": "a letter"}) == {"answer": "Dear all"}


def test_a_tools_own_properties_keep_their_names(spec: str) -> None:
    inputs = "{query: text-input, query_: text-input, files: text-input}"
    Path("own.yaml").write_text(f"name: own\nmode: chatflow\ninputs: {inputs}\nfiles: {{max_count: 2}}\n", "utf-8")
    (tool,) = tools("own.yaml", "--for", "anthropic")
    schema = tool["input_schema"]
    assert [*schema["properties"]] == ["query", "query_24bd", "query_", "files_", "conversation_id", "files"]
    assert schema["required"] == ["query", "query_24bd", "query_", "files_"]
    assert schema["properties"]["files"] == {
        "type": "array",
        "items": {"type": "string", "description": "The https URL of the file."},
        "maxItems": 2,
        "description": "What goes with the query.",
    }


def test_files_go_with_a_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    write(tmp_path / "called_with_files", files_of([workflow_from(f"{DESK}files: {{max_count: 2}}\n")]))
    with imported(tmp_path, "called_with_files") as package:
        desk = fake_client(package.DeskClient, "A cat.")
        chat = desk.chat_inputs
        monkeypatch.setattr(desk, "chat_inputs", lambda *given, files: sent.append(files) or chat(*given, files=files))
        asked = {"query": "What is it?", "order": "1", "files": ["https://example.com/a.png"]}
        assert Tools(desk=desk).call_tool("desk", asked)["answer"] == "A cat."
        for wrong in ("https://example.com/a.png", ["/etc/hosts"], [7]):
            with pytest.raises(ToolError, match="files: a list of URLs"):
                Tools(desk=desk).call_tool("desk", {**asked, "files": wrong})
    assert sent == [["https://example.com/a.png"]]


def test_a_missing_key_is_the_programs_affair(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIFY_API_KEY", "DIFY_LOOKUP_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(client.ConfigurationError):
        Tools(lookup=client.LookupClient(base_url="http://127.0.0.1:9/v1", user="ada")).call_tool(
            "lookup", {"ke_hu": "Ada"}
        )


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(
    SENDABLE_TEXTS,
    st.lists(SENDABLE_TEXTS, min_size=2, max_size=3, unique=True),
    st.lists(NAMES, min_size=2, max_size=4, unique=True),
)
def test_texts_stay_texts_and_names_are_ones_that_apis_take(
    spec: str, text: str, options: list[str], names: list[str]
) -> None:
    members = {name: "string" for name in names}
    """Whatever a definition says, in every form. `spec` is there for the folder that it makes."""
    definition = {
        "name": "hostile",
        "title": text,
        "description": text,
        "inputs": {
            "choice": {"type": "select", "options": options, "label": text, "description": text},
            "tree": {"type": "json_object", "properties": members, "required": False},
            **{name: {"type": "text-input", "label": text, "required": False} for name in names},
        },
        "outputs": {"result": {"type": "object", "description": text, "properties": members}, **members},
    }
    Path("hostile.yaml").write_text(json.dumps(definition), "utf-8")
    assume(difygen("tools", "hostile.yaml", "--for", "mcp").code == 0)  # a spec may not hold everything
    for form in ("openai", "openai-chat", "anthropic", "mcp", "json-schema"):
        for strict in ((), ("--strict",)):
            (tool,) = tools("hostile.yaml", "--for", form, *strict)
            about = tool.get("function", tool)
            assert about["name"] == "hostile"
            assert len(about["description"]) <= 1024
            schema = next(about[key] for key in ("parameters", "input_schema", "inputSchema", "input") if key in about)
            Draft202012Validator.check_schema(schema)
            assert len(schema["properties"]) == len(definition["inputs"])  # none hides another
            assert next(part["enum"] for part in schema["properties"].values() if "enum" in part) == options
            for part in objects(schema):
                assert all(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name) for name in part.get("properties", ()))
            for output in (about[key] for key in ("outputSchema", "output") if key in about):
                Draft202012Validator.check_schema(output)
                assert {*output["properties"]} == {*definition["outputs"]}
