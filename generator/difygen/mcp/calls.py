"""One call of a tool: started, followed to its end, stopped where the client does not wait for that.

What the client is told while it waits is a line for each step of a run, and one now and then where nothing happens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Self

import anyio
from mcp_types import CallToolResult, TextContent

from difygen.console import OutputError, compact_json, duration, say
from difygen.mcp.tools import FileFolders, ServedApp, ServedTool, app_call, run_arguments
from difygen.servers import Connection
from difygen.servers.generated_client import GeneratedClient, about_values, is_late, is_validation_error, sentences
from difygen.tools import ToolError, tool_result
from difygen.wording import one_line, shorten

SILENCE = 20.0
"""Seconds without a step after which the client is told that the run goes on: it would give it up otherwise."""

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Tells the client how far a call is; does nothing where the client has not asked for it."""

_STARTED = {"node_started", "iteration_started", "loop_started"}
_FINISHED = {"node_finished", "iteration_completed", "loop_completed"}
_MAX_TITLE = 80

FIRST_EVENT = 1.0
"""Seconds that a call which is to be stopped may take to tell what there is to stop."""

STOPPING = 1.5
"""Seconds that the server may take to stop it."""

_LOGGER = logging.getLogger(__name__)


class Progress:
    """Tells a client about the steps of a call as long as the block lasts.

    A step that is over before the one before it was told takes its place: a client that reads slowly holds nothing up.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._step = "running"
        self._news = asyncio.Event()
        self._began = time.monotonic()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tell())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    def take(self, event: Mapping[str, Any]) -> None:
        """Take note of an event of the run."""
        if step := _step(event):
            self._step = step
            self._news.set()

    async def _tell(self) -> None:
        number = 0
        while True:
            number += 1
            text = self._step
            try:
                async with asyncio.timeout(SILENCE):
                    await self._news.wait()
                text = self._step
            except TimeoutError:
                text = f"{text}, for {duration(time.monotonic() - self._began)} in all"
            self._news.clear()
            await self._report(number, None, text)


def _step(event: Mapping[str, Any]) -> str:
    """Return what an event says of how far a run is; nothing for most events."""
    name = event.get("event")
    if name == "agent_thought" and event.get("tool"):
        return f"uses {_title(event.get('tool'))}"
    data = event.get("data")
    if not isinstance(data, Mapping):
        return ""
    title = _title(data.get("title") or data.get("node_type"))
    if name in _STARTED:
        return f"{title} started"
    if name in _FINISHED:
        return f"{title} {'failed' if data.get('status') == 'failed' else 'finished'}"
    return f"{title} is tried again" if name == "node_retry" else ""


def _title(value: object) -> str:
    return shorten(one_line(value), _MAX_TITLE) if isinstance(value, str) and value.strip() else "a step"


class RunningCall:
    """A call that goes on. Its `stream` knows the run's task, once an event has told it."""

    def __init__(self) -> None:
        self.stream: Any = None

    async def end(self, task: asyncio.Task[Any]) -> None:
        """Stop the run, if there is one, and wait for the end of the call, but not for long."""
        give_up = time.monotonic() + FIRST_EVENT
        while self.stream is not None and self.stream.task_id is None and time.monotonic() < give_up:
            if (await asyncio.wait([task], timeout=0.02))[0]:
                return
        task.cancel()
        await asyncio.wait([task], timeout=STOPPING)


class Calls:
    """All calls of a server, by one client for each app, which is made with the first of them."""

    def __init__(
        self, load: Callable[[str], GeneratedClient], connect: Callable[[str], Connection], folders: FileFolders
    ) -> None:
        self._load, self._connect, self._folders = load, connect, folders
        self._clients: dict[str, tuple[GeneratedClient, Any]] = {}
        self._running: dict[asyncio.Task[CallToolResult], RunningCall] = {}

    async def call(self, tool: ServedTool, arguments: Mapping[str, Any], report: Report) -> CallToolResult:
        """Make a call, and return what came of it, whatever that is. Cancelling stops its run at the server."""
        running = RunningCall()
        task = asyncio.create_task(self._answer(tool, arguments, report, running))
        self._running[task] = running
        task.add_done_callback(self._running.pop)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):  # the scope of the request would cancel the stopping, too
                await running.end(task)
            raise
        return failure("The server shuts down: the call was stopped.") if task.cancelled() else task.result()

    async def close(self) -> None:
        """Stop all runs that calls wait for, and close all connections."""
        await asyncio.gather(*(running.end(task) for task, running in [*self._running.items()]))
        for _, client in self._clients.values():
            await client.aclose()

    async def _answer(
        self, tool: ServedTool, arguments: Mapping[str, Any], report: Report, running: RunningCall
    ) -> CallToolResult:
        began, outcome = time.monotonic(), "stopped"
        try:
            found = await self._do(tool, arguments, report, running)
            outcome = str(found.get("status", "succeeded")) if tool.action != "call" else "succeeded"
            return CallToolResult(content=[TextContent(text=compact_json(found))], structured_content=found)
        except ToolError as error:
            outcome = "failed"
            return failure(str(error))
        except Exception:
            outcome = "failed"
            _LOGGER.exception("a mistake of difygen's own, in a call of %s", tool.tool.name)
            return failure("The tool failed by a mistake of difygen's own, which the log of this server tells.")
        finally:
            with suppress(OutputError):  # nobody reads the log
                say(f"{tool.tool.name}: {outcome} after {duration(time.monotonic() - began)}")

    async def _do(
        self, tool: ServedTool, arguments: Mapping[str, Any], report: Report, running: RunningCall
    ) -> dict[str, Any]:
        """Return what the call gives, in JSON's types. Raises `ToolError` with a text for the model."""
        loaded, client = self._client(tool.app)
        try:
            async with Progress(report) as progress:
                if tool.action == "result":
                    return await _result(client, *run_arguments(arguments))
                call = app_call(tool.app, arguments, self._folders)
                inputs = loaded.inputs.model_validate(call.values)
                positional = (inputs,) if call.query is None else (call.query, inputs)
                running.stream = client.stream_inputs(*positional, **call.options, stop_on_exit=True)
                if tool.action == "start":
                    started = await running.stream.detach()
                    return {"run_id": started.run_id, "status": "running"}
                async with running.stream as stream:
                    async for event in stream:
                        progress.take(event.raw)
                    return tool_result(await stream.result(), is_conversation=call.query is not None)
        except loaded.failures as error:
            raise ToolError(_explanation(error, tool.app, loaded)) from error

    def _client(self, app: ServedApp) -> tuple[GeneratedClient, Any]:
        if app.name not in self._clients:
            loaded = self._load(app.name)
            self._clients[app.name] = loaded, loaded.async_client(**self._connect(app.name).arguments())
        return self._clients[app.name]


def failure(text: str) -> CallToolResult:
    """Return the result of a call that failed. The text is for the model, which may try again, or not."""
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


async def _result(client: Any, run_id: str, wait: float) -> dict[str, Any]:
    """Return what is known of a run that was started before, once it has ended or `wait` seconds are over."""
    try:
        run = await client.wait(run_id, timeout=wait)
    except Exception as error:
        if is_late(error):
            return {"run_id": run_id, "status": "running"}
        raise
    return {"run_id": run_id, "status": run.status, "outputs": tool_result(run, is_conversation=False)}


def _explanation(error: Exception, app: ServedApp, loaded: GeneratedClient) -> str:
    """Return what went wrong: inputs by the names of their properties, and the run, where there is one."""
    if is_validation_error(error):
        properties = {wire: name for name, wire in app.wire_names.items()}
        names = properties | {python: properties[wire] for python, wire in loaded.wire_names.items()}
        return "\n".join(about_values(error.errors(include_url=False), names))  # type: ignore[attr-defined]
    text = "\n".join(sentences(error, loaded))
    run_id = getattr(error, "workflow_run_id", None)
    return text if not run_id or run_id in text else f"{text}\nRun: {run_id}"
