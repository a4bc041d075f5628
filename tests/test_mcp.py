"""`difygen mcp`, driven by the SDK's own client: in this process, over standard input and output, and over HTTP."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from difygen.testing import MockDify, mock_dify
from jsonschema import Draft202012Validator
from support import CHAT_LAB, LAB, ROOT
from support.processes import DIFYGEN, eventually, importing
from support.projects import difygen
from support.servers import RUN, STOP, Connection, Request, Server, as_json

pytest.importorskip("mcp_types", reason="the SDK of MCP is not installed: pip install 'difygen[mcp]'")
from difygen.mcp.calls import Calls
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult

CONCAT = str(ROOT / "specs" / "concat.yaml")
INPUTS = {"string": "a", "num": 1, "list": "list_a"}
SECRET = "app-5ecret5ecret5ecret"
LOOKUP = """\
name: lookup
title: Order look-up
description: Looks an order up.
inputs:
  客户: {type: text-input, max_length: 20, label: Customer}
  count: {type: number, required: false, default: 3}
  paper: {type: file, required: false}
  papers: {type: file-list, required: false, max_length: 2}
outputs:
  状态: string
  copy: {type: file, optional: true}
"""
DESK = "name: desk\nmode: chatflow\ninputs: {order: text-input}\nfiles: {max_count: 2}\n"
HELPER = "name: helper\nmode: chat\ninputs: {}\n"
AGENT = "name: scout\nmode: agent\ninputs: {}\n"
WRITER = "name: writer\nmode: completion\ninputs: {query: text-input, tone: {type: text-input, required: false}}\n"
HINDER = "import sys; sys.modules['mcp_types'] = None; from difygen.cli import root; root(prog_name='difygen')"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [each for each in os.environ if each.startswith("DIFY")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "app.yaml") -> str:
    Path(name).write_text(text, "utf-8")
    return name


@asynccontextmanager
async def connected(
    *arguments: str, environment: Mapping[str, str], mode: str = "auto", log: str = "log.txt"
) -> AsyncIterator[Client]:
    """A client of a server that is a process; what that prints to standard error is in the file `log`."""
    parameters = StdioServerParameters(
        command=DIFYGEN[0], args=[*DIFYGEN[1:], "mcp", *arguments], env=importing(**environment)
    )
    with Path(log).open("w", encoding="utf-8") as errors:  # noqa: ASYNC230 - nothing else goes on
        async with Client(stdio_client(parameters, errlog=errors), mode=mode) as client:  # type: ignore[arg-type]
            yield client


def talk(work: Callable[[Client], Awaitable[Any]], *arguments: str, environment: Mapping[str, str]) -> Any:
    """Do something with a client in the place of standard input and output, and return what comes of it."""
    given: list[Any] = []

    async def serve_here(server: Any, calls: Calls) -> None:
        async with asyncio.timeout(200), Client(server) as client:
            given.append(await work(client))
        await calls.close()

    with patch.dict(os.environ, environment), patch("difygen.mcp.command.serve_stdio", serve_here):
        ran = difygen("mcp", *arguments)
    assert ran.code == 0, ran.err
    Path("log.txt").write_text(ran.err, "utf-8")
    return given[0]


def talk_to_process(
    work: Callable[[Client], Awaitable[Any]], *arguments: str, environment: Mapping[str, str], mode: str = "auto"
) -> Any:
    """Do something with a client of a server that is a process, and return what comes of it."""

    async def main() -> Any:
        async with asyncio.timeout(200):
            async with connected(*arguments, environment=environment, mode=mode) as client:
                return await work(client)

    return asyncio.run(main())


def call(name: str, arguments: Mapping[str, Any]) -> Callable[[Client], Awaitable[CallToolResult]]:
    return lambda client: client.call_tool(name, dict(arguments))


def text_of(result: CallToolResult) -> str:
    return "\n".join(each.text for each in result.content if each.type == "text")


def error_of(result: CallToolResult) -> str:
    assert result.is_error
    assert result.structured_content is None
    return text_of(result)


# What there is to call


def test_apps_are_tools() -> None:
    async def work(client: Client) -> Any:
        return (await client.list_tools()).tools

    source = written(LOOKUP)
    (tool,) = talk(work, source, environment={"DIFY_BASE_URL": "http://127.0.0.1:9"})
    found = tool.model_dump(by_alias=True, exclude_none=True)
    url = {"type": "string", "description": "The https URL of the file."}
    assert found == {
        "name": "lookup",
        "title": "Order look-up",
        "description": "Looks an order up. Returns 状态 and copy.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "ke_hu": {"type": "string", "maxLength": 20, "description": "Customer, at most 20 characters."},
                "count": {"type": "number", "default": 3},
                "paper": url,
                "papers": {"type": "array", "items": url, "maxItems": 2, "description": "At most 2 files."},
            },
            "required": ["ke_hu"],
            "additionalProperties": False,
        },
        "outputSchema": {
            "type": "object",
            "required": ["状态"],
            "properties": {
                "状态": {"type": "string"},
                "copy": {
                    "type": ["object", "null"],
                    "properties": {name: {"type": ["string", "null"]} for name in ("filename", "url", "mime_type")},
                    "additionalProperties": True,
                },
            },
            "additionalProperties": True,
        },
        "annotations": {"title": "Order look-up", "idempotentHint": False, "openWorldHint": True},
    }


def sample(schema: Mapping[str, Any]) -> Any:
    """A value of a schema, as small as it can be."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0])
    kind = schema.get("type", "object")
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            return {name: sample(schema["properties"][name]) for name in schema.get("required", ())}
        case "array":
            return [sample(schema["items"])]
        case "string":
            about = schema.get("description", "")
            file = "a.png" if "image" in about else "a.pdf"
            return f"https://example.com/{file}" if "https URL of the file" in about else "a"
        case "boolean":
            return True
    return 1


def test_every_app_can_be_called_and_gives_what_it_says() -> None:
    """The client refuses structured content that does not fit the tool's output schema."""
    sources = [str(ROOT / "specs"), str(LAB), str(CHAT_LAB)]

    async def work(client: Client) -> dict[str, Any]:
        tools = (await client.list_tools()).tools
        assert len({each.name for each in tools}) == len(tools) > 35
        found = {}
        for tool in tools:
            Draft202012Validator.check_schema(tool.input_schema)
            assert tool.output_schema is not None
            Draft202012Validator.check_schema(tool.output_schema)
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool.name)
            arguments = sample(tool.input_schema)
            Draft202012Validator(tool.input_schema).validate(arguments)
            result = await client.call_tool(tool.name, arguments)
            if not result.is_error:
                Draft202012Validator(tool.output_schema).validate(result.structured_content)
                assert json.loads(text_of(result)) == result.structured_content
            found[tool.name] = result
        return found

    with mock_dify(*sources) as dify:
        found = talk(work, *sources, environment=dify.environment)
    failed = {name: text_of(result) for name, result in found.items() if result.is_error}
    assert set(failed) == {"human_input", "chat_hitl", "hitl_webapp"}
    assert all("waits for human input" in text for text in failed.values())


# Calls


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_workflow_is_run_for_the_user_of_the_server(mode: str) -> None:
    with mock_dify(CONCAT, handler=lambda inputs: {"result": f"{inputs['string']}{inputs['num']}"}) as dify:
        asked = call("concat", INPUTS)
        result = talk_to_process(asked, CONCAT, "--user", "ada", environment=dify.environment, mode=mode)
        assert dify.last_run.user == "ada"
        assert dify.last_run.inputs["num"] == 1
    assert result.structured_content == {"result": "a1"}
    assert text_of(result) == '{"result": "a1"}'


def test_names_are_mapped_back_and_null_leaves_out() -> None:
    with mock_dify(source := written(LOOKUP), handler=lambda inputs: {"状态": inputs["客户"]}) as dify:
        result = talk(call("lookup", {"ke_hu": "Ada", "count": None}), source, environment=dify.environment)
        assert dify.last_run.inputs["客户"] == "Ada"
        assert dify.last_run.inputs["count"] == 3
    assert result.structured_content == {"状态": "Ada", "copy": None}


def test_a_conversation_goes_on_and_a_text_is_generated() -> None:
    sources = [written(text, f"{number}.yaml") for number, text in enumerate((DESK, HELPER, AGENT, WRITER))]

    async def work(client: Client) -> None:
        for name, inputs in (("desk", {"order": "A-17"}), ("helper", {}), ("scout", {})):
            first = await client.call_tool(name, {"query": "Where is it?", **inputs})
            assert first.structured_content is not None
            assert first.structured_content["answer"] == "In Utrecht."
            conversation = first.structured_content["conversation_id"]
            again = {"query": "And now?", **inputs, "conversation_id": conversation}
            result = await client.call_tool(name, again)
            assert result.structured_content == {"answer": "In Utrecht.", "conversation_id": conversation}
        result = await client.call_tool("writer", {"query": "Ada"})
        assert result.structured_content == {"answer": "In Utrecht."}
        files = ["https://example.com/a.png"]
        result = await client.call_tool("desk", {"query": "What is it?", "order": "1", "files": files})
        assert not result.is_error, text_of(result)

    with mock_dify(*sources, handler=lambda inputs: "In Utrecht.") as dify:
        talk(work, *sources, environment=dify.environment)
        assert [turn.query for turn in dify.turns][:2] == ["Where is it?", "And now?"]
        assert [turn.app for turn in dify.turns] == [*["desk"] * 2, *["helper"] * 2, *["scout"] * 2, "writer", "desk"]
        assert len({turn.conversation_id for turn in dify.turns[:6]}) == 3


WRONG = [
    ({}, "ke_hu is required."),
    ({"ke_hu": "x" * 21}, "ke_hu: string should have at most 20 characters."),
    ({"ke_hu": "a", "count": "many"}, "count: "),
    ({"ke_hu": "a", "count": 10**400}, "count: input should be a finite number."),
    ({"ke_hu": ["a"]}, "ke_hu: "),
    ({"ke_hu": "a", "cuont": 1}, "There is no argument `cuont`. Did you mean `count`?"),
    ({"ke_hu": "a", "客户": "b"}, "There is no argument `客户`."),
    ({"ke_hu": "a", "paper": 7}, "paper: the https URL of a file is required."),
    ({"ke_hu": "a", "paper": "/etc/hosts"}, "paper: an https URL is required; this server reads no files."),
    ({"ke_hu": "a", "paper": "file:///etc/hosts"}, "paper: an https URL is required"),
    ({"ke_hu": "a", "papers": "https://a.b/c.pdf"}, "papers: a list of files is required."),
    ({"ke_hu": "a", "papers": ["a.pdf"]}, "papers: an https URL is required; this server reads no files."),
    ({"ke_hu": "a", "user": "eve"}, "There is no argument `user`."),
]


def test_a_wrong_argument_is_told_by_its_name_and_starts_nothing() -> None:
    async def work(client: Client) -> Any:
        return [await client.call_tool("lookup", arguments) for arguments, _ in WRONG]

    with mock_dify(source := written(LOOKUP)) as dify:
        results = talk(work, source, environment=dify.environment)
        assert dify.runs == []
    for result, (arguments, told) in zip(results, WRONG, strict=True):
        assert error_of(result).startswith(told), arguments


def test_a_question_is_wanted_and_an_unknown_tool_is_named() -> None:
    async def work(client: Client) -> Any:
        with pytest.raises(MCPError, match="There is no tool `desc`. Did you mean `desk`?"):
            await client.call_tool("desc", {})
        return await client.call_tool("desk", {"query": " ", "order": "1", "conversation_id": 3})

    result = talk(work, written(DESK), environment={"DIFY_BASE_URL": "http://127.0.0.1:9"})
    assert error_of(result) == "conversation_id: a text is required.\nquery: a text is required."


def test_a_run_that_failed_is_an_error_with_the_servers_words() -> None:
    def handler(inputs: Any) -> Any:
        raise ValueError("the warehouse is closed")

    with mock_dify(CONCAT, handler=handler) as dify:
        environment = {**dify.environment, "DIFY_CONCAT_API_KEY": SECRET}
        told = error_of(talk(call("concat", INPUTS), CONCAT, environment=environment))
        run_id = dify.last_run.workflow_run_id
    assert "the warehouse is closed" in told
    assert run_id in told
    assert "Traceback" not in told
    assert SECRET not in told + Path("log.txt").read_text()


def test_a_run_that_waits_for_a_person_is_an_error_that_says_so() -> None:
    source = str(LAB / "human_input.yml")

    async def work(client: Client) -> Any:
        (tool,) = (await client.list_tools()).tools
        return await client.call_tool(tool.name, sample(tool.input_schema))

    with mock_dify(source) as dify:
        told = error_of(talk(work, source, environment=dify.environment))
        assert dify.last_run.workflow_run_id in told
    assert "human input" in told.lower() or "form" in told


def test_calls_go_on_side_by_side() -> None:
    goes_on = threading.Event()

    def hold(inputs: Mapping[str, Any]) -> dict[str, str]:
        goes_on.wait(60)
        return {"result": str(inputs["num"])}

    with mock_dify(CONCAT, handler=hold) as dify:

        async def work(client: Client) -> Any:
            calls = [client.call_tool("concat", {**INPUTS, "num": number}) for number in range(12)]
            results = asyncio.gather(*calls)
            assert await asyncio.to_thread(eventually, lambda: [run.status for run in dify.runs] == ["running"] * 12)
            goes_on.set()
            return await results

        results = talk(work, CONCAT, environment=dify.environment)
    assert [each.structured_content["result"] for each in results] == [str(number) for number in range(12)]


# Keys


def test_a_missing_key_is_told_at_the_start_and_when_it_is_needed() -> None:
    async def work(client: Client) -> Any:
        listed = (await client.list_tools()).tools
        return listed, await client.call_tool("concat", INPUTS)

    with mock_dify(CONCAT) as dify:
        listed, result = talk_to_process(work, CONCAT, environment={"DIFY_BASE_URL": dify.base_url})
    assert "DIFY_CONCAT_API_KEY or DIFY_API_KEY" in Path("log.txt").read_text()
    assert "API_KEY" not in repr(listed)
    assert "DIFY_CONCAT_API_KEY" in error_of(result)


def test_a_key_that_several_apps_share_is_one_apps() -> None:
    for name in ("one", "two"):
        written(f"name: {name}\ninputs: {{}}\noutputs: {{}}\n", f"{name}.yaml")

    async def work(client: Client) -> Any:
        return await client.list_tools()

    environment = {"DIFY_BASE_URL": "http://127.0.0.1:9", "DIFY_API_KEY": SECRET}
    talk(work, "one.yaml", "two.yaml", environment=environment)
    log = Path("log.txt").read_text()
    assert "one and two all use DIFY_API_KEY" in log
    assert SECRET not in log


def test_a_key_that_is_refused_is_an_error_without_the_key() -> None:
    with mock_dify(CONCAT, api_key="app-other") as dify:
        environment = {"DIFY_BASE_URL": dify.base_url, "DIFY_API_KEY": SECRET}
        told = error_of(talk(call("concat", INPUTS), CONCAT, environment=environment))
    assert "401" in told or "key" in told
    assert SECRET not in told + Path("log.txt").read_text()


def test_keys_may_be_in_files() -> None:
    Path("lookup.key").write_text(f"{SECRET}\n")
    written(LOOKUP, "lookup.yaml")
    with mock_dify("lookup.yaml", CONCAT, api_key={"lookup": SECRET, "concat": "app-c"}) as dify:
        environment = {"DIFY_BASE_URL": dify.base_url, "DIFY_CONCAT_API_KEY": "app-c"}
        arguments = ("lookup.yaml", CONCAT, "--api-key-file", "lookup=lookup.key")
        result = talk(call("lookup", {"ke_hu": "a"}), *arguments, environment=environment)
        assert not result.is_error, text_of(result)
        assert not talk(call("concat", INPUTS), *arguments, environment=environment).is_error
    assert "warning" not in Path("log.txt").read_text()
    ran = difygen("mcp", *arguments[:2], "--base-url", "http://x", "--api-key-file", "lookup.key")
    assert ran.err == "Error: With several apps, --api-key-file is NAME=FILE; the names are concat and lookup.\n"
    ran = difygen("mcp", CONCAT, "--base-url", "http://x", "--api-key-file", "a=b", "--api-key-file", "no.key")
    assert ran.err.splitlines() == [
        "Error: --api-key-file is for an app `a` that there is not; there is concat.",
        "Error: Cannot read the API key from b: no such file or directory.",
        "Error: Cannot read the API key from no.key: no such file or directory.",
    ]
    assert ran.code == 2


# Files


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "report.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "secret.pdf").write_bytes(b"secret")
    (folder / "out.pdf").symlink_to(tmp_path / "secret.pdf")
    (folder / "outside").symlink_to(tmp_path)
    (folder / "in.pdf").symlink_to(folder / "inner" / "report.pdf")
    (tmp_path / "papers-2").mkdir()
    (tmp_path / "papers-2" / "a.pdf").write_bytes(b"secret")
    return folder


def test_a_file_below_an_allowed_folder_is_uploaded(papers: Path) -> None:
    names = ["inner/report.pdf", "in.pdf", f"{papers}/inner/report.pdf", f"file://{papers}/inner/report.pdf"]

    async def work(client: Client) -> None:
        (tool,) = (await client.list_tools()).tools
        about = tool.input_schema["properties"]["paper"]["description"]
        assert about == f"The https URL of the file, or its path in {papers}."
        for name in names:
            arguments = {"ke_hu": "a", "paper": name, "papers": [name, "https://example.com/a.png"]}
            result = await client.call_tool("lookup", arguments)
            assert not result.is_error, text_of(result)

    with mock_dify(source := written(LOOKUP)) as dify:
        talk(work, source, "--allow-path", "papers", environment=dify.environment)
        for run in dify.runs:
            assert run.inputs["paper"]["transfer_method"] == "local_file"
            assert [each["transfer_method"] for each in run.inputs["papers"]] == ["local_file", "remote_url"]
        assert len(dify.runs) == len(names)


def test_no_other_file_is_read(papers: Path) -> None:
    names = ["../secret.pdf", "inner/../../secret.pdf", "out.pdf", "outside/secret.pdf", f"{papers}/../secret.pdf"]
    names += [f"{papers}-2/a.pdf", "/etc/hosts", "file:///etc/hosts", f"file://{papers}/%2e%2e/secret.pdf"]
    names += ["inner", "", "no.pdf", "a\0b", "~/secret.pdf", "x" * 5000]

    async def work(client: Client) -> Any:
        calls = [{"ke_hu": "a", "paper": name} for name in names]
        return [error_of(await client.call_tool("lookup", arguments)) for arguments in calls]

    with mock_dify(source := written(LOOKUP)) as dify:
        told = talk(work, source, "--allow-path", "papers", environment=dify.environment)
        assert dify.runs == []
    assert set(told) == {f"paper: there is no such file in {papers}."}


# Progress, and the end before the end


def test_steps_are_told_to_those_who_ask() -> None:
    told: list[tuple[float, str | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async def work(client: Client) -> Any:
        return await client.call_tool("concat", INPUTS, progress_callback=tell)

    with mock_dify(CONCAT, latency=0.1) as dify:
        talk(work, CONCAT, environment=dify.environment)
    numbers = [number for number, _ in told]
    assert numbers == sorted(set(numbers))
    assert "字段拼接 started" in [message for _, message in told]
    assert "End finished" in [message for _, message in told]


IMPATIENT = """\
import sys
from difygen.mcp import calls
calls.SILENCE = 0.2
from difygen.cli import root
root(sys.argv[1:], prog_name="difygen")
"""


def test_silence_is_broken_for_those_who_ask() -> None:
    command = (sys.executable, "-c", IMPATIENT)
    with (
        mock_dify(CONCAT, latency=0.7) as dify,
        raw(CONCAT, environment=dify.environment, command=command) as server,
    ):
        server.greet()
        server.send("tools/call", name="concat", arguments=INPUTS, _meta={"progressToken": "t"})
        told = []
        while "result" not in (message := server.read()):
            assert message["method"] == "notifications/progress"
            assert message["params"]["progressToken"] == "t"
            told.append(message["params"])
        server.send("tools/call", name="concat", arguments=INPUTS)
        assert "result" in server.read()  # nobody asked
    numbers = [each["progress"] for each in told]
    assert numbers == sorted(set(numbers))
    silent = [each["message"] for each in told if " in all" in each["message"]]
    assert len(silent) >= 3
    assert silent[0].startswith("running") or "started, for " in silent[0]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_cancelling_stops_the_run(mode: str) -> None:
    with mock_dify(CONCAT, latency=60) as dify:

        async def work(client: Client) -> Any:
            running = asyncio.create_task(client.call_tool("concat", INPUTS))
            while not dify.runs:
                await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.wait([running])
            assert await asyncio.to_thread(eventually, lambda: dify.last_run.status == "stopped")
            return await client.list_tools()  # the server goes on

        talk_to_process(work, CONCAT, environment=dify.environment, mode=mode)
        assert len(dify.runs) == 1


class RawServer:
    """A server to which JSON-RPC is written as it stands."""

    def __init__(self, *arguments: str, environment: Mapping[str, str], command: tuple[str, ...] = DIFYGEN) -> None:
        self.process = subprocess.Popen(
            [*command, "mcp", *arguments],
            env=importing(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.number = 0

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, method: str, **params: Any) -> None:
        self.number += 1
        message = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        self.write(json.dumps(message).encode())

    def read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def greet(self) -> None:
        self.send("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "t", "version": "1"})
        assert self.read()["result"]["serverInfo"]["name"] == "difygen"
        self.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    def ended(self) -> tuple[int, float, str]:
        """The exit code, the seconds until then, and what was printed to standard error."""
        began = time.monotonic()
        assert self.process.stderr is not None
        errors = self.process.stderr.read().decode()
        return self.process.wait(60), time.monotonic() - began, errors


@contextmanager
def raw(*arguments: str, environment: Mapping[str, str], **options: Any) -> Iterator[RawServer]:
    server = RawServer(*arguments, environment=environment, **options)
    try:
        yield server
    finally:
        server.process.kill()
        for stream in (server.process.stdin, server.process.stdout, server.process.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        server.process.wait(60)


def leave(server: RawServer) -> None:
    assert server.process.stdin is not None
    server.process.stdin.close()


@pytest.mark.parametrize(
    "end",
    [leave, lambda server: server.process.send_signal(signal.SIGTERM), lambda s: s.process.send_signal(signal.SIGINT)],
    ids=["end of input", "SIGTERM", "SIGINT"],
)
def test_it_ends_at_once_and_stops_what_goes_on(end: Callable[[RawServer], None]) -> None:
    with mock_dify(CONCAT, latency=60) as dify, raw(CONCAT, environment=dify.environment) as server:
        server.greet()
        for _ in range(3):
            server.send("tools/call", name="concat", arguments=INPUTS)
        assert eventually(lambda: len(dify.runs) == 3)
        end(server)
        code, seconds, errors = server.ended()
        assert eventually(lambda: [run.status for run in dify.runs] == ["stopped"] * 3)
    assert code == 0
    assert seconds < 50  # a run takes more than a minute
    assert "Traceback" not in errors


def test_a_client_that_is_gone_leaves_no_run_behind() -> None:
    with mock_dify(CONCAT, latency=60) as dify, raw(CONCAT, environment=dify.environment) as server:
        server.greet()
        server.send("tools/call", name="concat", arguments=INPUTS, _meta={"progressToken": 1})
        assert eventually(lambda: len(dify.runs) == 1)
        assert server.process.stdout is not None
        server.process.stdout.close()  # what the system does to both when it kills a client
        leave(server)
        code, seconds, errors = server.ended()
        assert eventually(lambda: dify.last_run.status == "stopped")
    assert code == 0
    assert seconds < 50  # a run takes more than a minute
    assert "Traceback" not in errors


def test_a_server_that_is_killed_leaves_no_file_behind(tmp_path: Path) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    with (
        mock_dify(CONCAT) as dify,
        raw(CONCAT, environment={**dify.environment, "TMPDIR": str(temporary)}) as server,
    ):
        server.greet()
        server.send("tools/call", name="concat", arguments=INPUTS)
        assert server.read()["result"]["structuredContent"] == {"result": "mock result"}
        server.process.kill()
        server.process.wait(60)
    assert [*temporary.iterdir()] == []


def test_a_run_whose_events_are_late_is_stopped_as_well() -> None:
    """Nobody knows what to stop until an event tells it."""
    started = event("workflow_started", id="run-1", workflow_id="w")

    def handler(connection: Connection, request: Request) -> None:
        connection.stream_head()
        connection.pause(0.5)
        connection.chunk(started)
        connection.hold()

    with Server({RUN: handler, STOP: as_json({"result": "success"})}) as dify:
        environment = {"DIFY_BASE_URL": dify.url, "DIFY_API_KEY": "app-x"}
        with raw(CONCAT, environment=environment) as server:
            server.greet()
            server.send("tools/call", name="concat", arguments=INPUTS)
            assert eventually(lambda: dify.runs == 1)
            params = b'{"requestId": 2, "reason": "enough"}'
            server.write(b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": %b}' % params)
            assert eventually(lambda: dify.count(STOP) == 1)
            server.send("ping")
            assert server.read()["id"] == 3  # a call that was cancelled is not answered
        assert dify.count(STOP) == dify.runs == 1


def event(name: str, **data: Any) -> bytes:
    ids = {"event": name, "task_id": "task-1", "workflow_run_id": "run-1"}
    return f"data: {json.dumps({**ids, 'data': data})}\n\n".encode()


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_server_whom_nobody_can_speak_with_does_not_start(closed: str) -> None:
    command = ["bash", "-c", f'exec "$@" {closed}', "-", *DIFYGEN, "mcp", CONCAT]
    environment = importing(DIFY_BASE_URL="http://127.0.0.1:9")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: Standard input and output are closed")


def test_a_log_that_nobody_reads_changes_nothing() -> None:
    command = ("bash", "-c", 'exec "$@" 2>&-', "-", *DIFYGEN)
    with mock_dify(CONCAT) as dify, raw(CONCAT, environment=dify.environment, command=command) as server:
        server.greet()
        server.send("tools/call", name="concat", arguments=INPUTS)
        assert server.read()["result"]["structuredContent"] == {"result": "mock result"}
    with mock_dify(CONCAT) as dify, raw(CONCAT, environment=dify.environment) as server:
        server.greet()
        assert server.process.stderr is not None
        server.process.stderr.close()
        server.send("tools/call", name="concat", arguments=INPUTS)
        assert server.read()["result"]["structuredContent"] == {"result": "mock result"}


def test_what_is_no_message_is_passed_over() -> None:
    with mock_dify(CONCAT) as dify, raw(CONCAT, environment=dify.environment) as server:
        for line in (b"hello", b"{", b"\xff\xfe\x00", b"[]", b'{"jsonrpc": "2.0"}', b"", b"9" * 100_000):
            server.write(line)
        server.greet()
        for line in (b"hello", b'{"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": 3}}'):
            server.write(line)
        assert server.read()["error"]["code"] == -32602
        server.send("tools/call", name="concat", arguments=INPUTS)
        assert server.read()["result"]["structuredContent"] == {"result": "mock result"}
        leave(server)
        assert server.ended()[0] == 0


def test_halves_of_characters_are_answered() -> None:
    with mock_dify(CONCAT) as dify, raw(CONCAT, environment=dify.environment) as server:
        server.greet()
        for text in ("cut \ud83d", "\ude00", "whole \U0001f600"):
            server.send("tools/call", name="concat", arguments={**INPUTS, "string": text})
            assert server.read()["result"]["structuredContent"] == {"result": "mock result"}
        assert [run.inputs["string"] for run in dify.runs] == ["cut ?", "?", "whole \U0001f600"]


def test_the_last_requests_before_the_end_are_answered() -> None:
    with raw(CONCAT, environment={"DIFY_BASE_URL": "http://127.0.0.1:9"}) as server:
        server.greet()
        server.send("tools/list")
        leave(server)
        assert [each["name"] for each in server.read()["result"]["tools"]] == ["concat"]
        assert server.process.stdout is not None
        assert server.process.stdout.read() == b""


@pytest.mark.slow
def test_a_reader_that_stopped_reading_does_not_keep_it() -> None:
    with mock_dify(CONCAT, latency=60) as dify, raw(CONCAT, environment=dify.environment) as server:
        server.greet()
        server.send("tools/call", name="concat", arguments=INPUTS)
        for _ in range(1000):  # more answers than a pipe holds
            server.send("tools/list")
        assert server.process.stdout is not None
        unread, output = bytearray(4), server.process.stdout.fileno()
        assert eventually(
            lambda: not fcntl.ioctl(output, termios.FIONREAD, unread) and int.from_bytes(unread, sys.byteorder) > 60_000
        )
        server.process.send_signal(signal.SIGTERM)
        assert server.ended()[0] in (0, 1)  # 1 where it was in the middle of writing
        assert eventually(lambda: dify.last_run.status == "stopped")


STRAY = """\
import sys
from difygen.mcp import calls
first = calls.Calls.call
async def call(self, *arguments):
    print("stray print")
    import os
    os.write(1, b"stray bytes")
    os.system("echo stray child")
    return await first(self, *arguments)
calls.Calls.call = call
from difygen.cli import root
root(sys.argv[1:], prog_name="difygen")
"""


def test_what_else_is_printed_does_not_reach_the_client() -> None:
    with (
        mock_dify(CONCAT) as dify,
        raw(CONCAT, environment=dify.environment, command=(sys.executable, "-c", STRAY)) as server,
    ):
        server.greet()
        server.send("tools/call", name="concat", arguments=INPUTS)
        assert server.read()["result"]["structuredContent"] == {"result": "mock result"}
        leave(server)
        _, _, errors = server.ended()
    assert "stray bytes" in errors
    assert "stray child" in errors


# Long runs


def test_a_long_run_is_started_and_looked_up() -> None:
    goes_on = threading.Event()

    def hold(inputs: Mapping[str, Any]) -> Any:
        goes_on.wait(60)
        return NotImplemented

    with mock_dify(CONCAT, handler=hold) as dify:

        async def work(client: Client) -> Any:
            names = [each.name for each in (await client.list_tools()).tools]
            started = await client.call_tool("start_concat", INPUTS)
            assert dify.last_run.status == "running"
            assert started.structured_content is not None
            run_id = started.structured_content["run_id"]
            early = await client.call_tool("concat_result", {"run_id": run_id, "wait": 1})
            goes_on.set()
            late = await client.call_tool("concat_result", {"run_id": run_id})
            unknown = await client.call_tool("concat_result", {"run_id": "../../parameters"})
            wrong = await client.call_tool("concat_result", {"wait": 70, "id": 1})
            return names, started, early, late, unknown, wrong

        names, started, early, late, unknown, wrong = talk(work, CONCAT, "--long-runs", environment=dify.environment)
        run_id = dify.last_run.workflow_run_id
        assert len(dify.runs) == 1
    assert names == ["concat", "start_concat", "concat_result"]
    assert started.structured_content == {"run_id": run_id, "status": "running"}
    assert early.structured_content == {"run_id": run_id, "status": "running"}
    assert late.structured_content == {
        "run_id": run_id,
        "status": "succeeded",
        "outputs": {"result": "mock result"},
    }
    assert error_of(unknown)
    assert error_of(wrong).splitlines() == [
        "There is no argument `id`. There is `run_id` and `wait`.",
        "run_id: the id of a run is required.",
        "wait: a number of seconds from 1 to 50 is required.",
    ]


@pytest.mark.slow
def test_another_server_knows_the_result_of_a_long_run() -> None:
    with mock_dify(CONCAT, latency=0.3) as dify:
        started = talk_to_process(call("start_concat", INPUTS), CONCAT, "--long-runs", environment=dify.environment)
        asked = call("concat_result", {"run_id": started.structured_content["run_id"]})
        result = talk_to_process(asked, CONCAT, "--long-runs", environment=dify.environment)
    assert result.structured_content["outputs"] == {"result": "mock result"}


# HTTP


@contextmanager
def over_http(dify: MockDify, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of a server over HTTP, and its process."""
    process = subprocess.Popen(
        [*DIFYGEN, "mcp", *arguments, "--transport", "http", "--port", "0"],
        env=importing(**dify.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://\S+/mcp", line):
                yield found[0], process
                return
        raise AssertionError("it did not start")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_it_works_over_http(mode: str) -> None:
    told: list[str | None] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async def work(url: str) -> Any:
        async with asyncio.timeout(200), Client(url, mode=mode) as one, Client(url, mode=mode) as other:  # type: ignore[arg-type]
            names = [each.name for each in (await one.list_tools()).tools]
            return names, await asyncio.gather(
                one.call_tool("concat", INPUTS, progress_callback=tell), other.call_tool("concat", INPUTS)
            )

    with mock_dify(CONCAT, latency=0.1) as dify, over_http(dify, CONCAT) as (url, process):
        names, results = asyncio.run(work(url))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert names == ["concat"]
    assert [each.structured_content for each in results] == [{"result": "mock result"}] * 2
    assert "字段拼接 started" in told


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_cancelling_over_http_stops_the_run(mode: str) -> None:
    async def work(url: str, dify: MockDify) -> None:
        async with asyncio.timeout(200), Client(url, mode=mode) as client:  # type: ignore[arg-type]
            running = asyncio.create_task(client.call_tool("concat", INPUTS))
            while not dify.runs:
                await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.wait([running])
            assert await asyncio.to_thread(eventually, lambda: dify.last_run.status == "stopped")

    with mock_dify(CONCAT, latency=60) as dify, over_http(dify, CONCAT) as (url, _):
        asyncio.run(work(url, dify))


def test_a_server_over_http_that_ends_stops_its_runs() -> None:
    async def work(url: str, dify: MockDify, process: subprocess.Popen[str]) -> None:
        async with Client(url) as client:
            running = asyncio.create_task(client.call_tool("concat", INPUTS))
            while not dify.runs:
                await asyncio.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            done, _ = await asyncio.wait([running], timeout=60)
            assert done
            running.exception()

    with mock_dify(CONCAT, latency=60) as dify, over_http(dify, CONCAT) as (url, process):
        try:
            asyncio.run(work(url, dify, process))
        except* (httpx.HTTPError, OSError, MCPError):
            pass  # the server is gone
        assert process.wait(60) == 0
        assert eventually(lambda: dify.last_run.status == "stopped")


LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


ASKED_BY = [
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "http://127.0.0.1.evil.example"}, 403),
    ({"Origin": "http://localhost:1"}, 403),
    ({"Origin": "null"}, 403),
    ({"Host": "evil.example"}, 421),
    ({"Host": "evil.example:{port}"}, 421),
    ({"Host": "127.0.0.1.evil.example:{port}"}, 421),
    ({"Origin": "http://localhost:{port}"}, 400),  # a session is wanted: it got that far
    ({"Host": "work.example"}, 400),
    ({"Origin": "https://work.example", "Host": "work.example"}, 400),
    ({}, 400),
]


def test_a_page_from_elsewhere_is_refused() -> None:
    with mock_dify(CONCAT) as dify, over_http(dify, CONCAT, "--allow-host", "work.example") as (url, _):
        port = url.rpartition(":")[2].partition("/")[0]
        for version in ("2025-06-18", "2026-07-28"):
            for headers, status in ASKED_BY:
                sent = {name: value.format(port=port) for name, value in headers.items()}
                sent |= {**ACCEPT, "MCP-Protocol-Version": version}
                answer = httpx.post(url, json=LIST, headers=sent, trust_env=False, timeout=60)
                assert answer.status_code == status, (headers, answer.text)
                assert "app-" not in answer.text


def test_a_token_is_wanted_where_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFYGEN_MCP_TOKEN", "t0ken")
    with mock_dify(CONCAT) as dify, over_http(dify, CONCAT) as (url, _):
        for given, status in ((None, 401), ("Bearer other", 401), ("Bearer t0ken\u00e9", 401), ("Bearer t0ken", 400)):
            headers = {**ACCEPT, **({"Authorization": given.encode("latin-1")} if given else {})}
            answer = httpx.post(url, json=LIST, headers=headers, trust_env=False, timeout=60)
            assert answer.status_code == status
            assert "t0ken" not in answer.text


def test_only_this_machine_reaches_it_unless_asked() -> None:
    with mock_dify(CONCAT) as dify:
        with over_http(dify, CONCAT) as (url, _):
            assert url.startswith("http://127.0.0.1:")
        process = subprocess.Popen(
            [*DIFYGEN, "mcp", CONCAT, "--transport", "http", "--host", "0.0.0.0", "--port", "0"],
            env=importing(**dify.environment),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert "Whoever reaches this address can run the apps" in process.stderr.readline()
        process.kill()
        process.communicate()


# What does not start


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["app.yaml"], {}, "No base URL. Give --base-url or set DIFY_BASE_URL"),
        (["app.yaml"], {"DIFY_BASE_URL": "nonsense"}, "Cannot use the base URL 'nonsense': it has no scheme"),
        (["-"], {"DIFY_BASE_URL": "http://x"}, "Standard input is the client's: give files, not -."),
        (["app.yaml", "--allow-path", "no"], {"DIFY_BASE_URL": "http://x"}, "--allow-path 'no' is no folder."),
        (
            ["app.yaml", "--allow-path", ".", "--transport", "http"],
            {"DIFY_BASE_URL": "http://x"},
            "--allow-path is for stdio",
        ),
        (["app.yaml", "--port", "0"], {"DIFY_BASE_URL": "http://x"}, "are for HTTP: add --transport http"),
        (["app.yaml", "--allow-host", "a"], {"DIFY_BASE_URL": "http://x"}, "are for HTTP: add --transport http"),
        (["no.yaml"], {"DIFY_BASE_URL": "http://x"}, "no.yaml"),
        (["wrong.yaml"], {"DIFY_BASE_URL": "http://x"}, "wrong.yaml:2"),
        (["app.yaml", "--port", "99999", "--transport", "http"], {"DIFY_BASE_URL": "http://x"}, "Cannot listen on"),
        ([], {"DIFY_BASE_URL": "http://x"}, "No SOURCE was given"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_served(
    arguments: list[str], environment: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(LOOKUP)
    written("name: wrong\ninputs: {a: strnig}\n", "wrong.yaml")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ran = difygen("mcp", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_a_missing_sdk_is_a_hint() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HINDER, "mcp", CONCAT], env=importing(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "The MCP server needs more packages: pip install 'difygen[mcp]'\n"


def configurations() -> list[dict[str, Any]]:
    """The servers that the page configures, for several clients."""
    page = (ROOT / "docs" / "mcp.md").read_text("utf-8")
    found = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    return [server for each in found for server in (each.get("mcpServers") or each["servers"]).values()]


def test_the_configurations_of_the_page_are_ones(tmp_path: Path) -> None:
    Path("concat.key").write_text("app-c")
    places = {"/home/ada/apps/concat.yaml": CONCAT, "/home/ada/.config/dify/concat.key": str(tmp_path / "concat.key")}
    found = configurations()
    assert len(found) == 4
    assert {(server["command"], server["args"][0]) for server in found} == {("difygen", "mcp")}
    distinct = {(*server["args"][1:], *server["env"]): server for server in found}.values()
    assert len(distinct) == 2
    with mock_dify(CONCAT, api_key="app-c") as dify:
        values = {"DIFY_BASE_URL": dify.base_url, "DIFY_CONCAT_API_KEY": "app-c"}
        for server in distinct:
            arguments = [places.get(each, each) for each in server["args"][1:]]
            environment = {name: values[name] for name in server["env"]}
            assert not talk(call("concat", INPUTS), *arguments, environment=environment).is_error


def test_hostile_labels_stay_text() -> None:
    evil = "</tool> ${HOME} {{x}} `rm -rf` \\u0000 \u202e {0.__class__} %s"
    spec = {
        "name": "evil",
        "title": evil,
        "description": f"{evil}\n\n# Ignore",
        "inputs": {"a": {"type": "text-input", "label": evil}, "b": {"type": "select", "options": [evil, "x"]}},
        "outputs": {"o": "string"},
    }
    source = written(json.dumps(spec), "evil.yaml")

    async def work(client: Client) -> Any:
        (tool,) = (await client.list_tools()).tools
        return tool, await client.call_tool("evil", {"a": evil, "b": evil})

    with mock_dify(source, handler=lambda inputs: {"o": inputs["a"] + inputs["b"]}) as dify:
        tool, result = talk(work, source, environment=dify.environment)
    assert result.structured_content == {"o": evil + evil}
    assert json.loads(text_of(result)) == result.structured_content
    assert tool.input_schema["properties"]["b"]["enum"] == [evil, "x"]
    assert "${HOME}" in tool.title
    assert "{0.__class__}" in tool.description
