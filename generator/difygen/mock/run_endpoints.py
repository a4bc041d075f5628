"""The endpoints that run workflows: run, stop, and taking up a stream again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

from starlette.responses import Response

from difygen.mock import pages
from difygen.mock.definition import JsonObject
from difygen.mock.errors import RefusedError, bad_request, not_found
from difygen.mock.faults import Cut, Faults
from difygen.mock.files import is_uuid
from difygen.mock.request import Call, answer
from difygen.mock.runs import Run
from difygen.mock.streams import CutResponse, DroppedResponse, StreamResponse, escaped_frame, frame, with_pings
from difygen.mock.validation import WorkflowRunPayload, checked, checked_inputs, required_user, system_files

_TERMINAL = ("workflow_finished", "workflow_paused", "error")
_BLOCKING_JSON = "application/json; charset=utf-8"


async def run_workflow(call: Call) -> Response:
    """`POST /workflows/run` and `POST /workflows/{workflow_id}/run`."""
    body = await call.json()
    user = required_user(body)
    call.workflow_only()
    payload = checked(WorkflowRunPayload, body)
    _known_workflow_id(call)
    files = system_files(payload.files, call.state.files)
    inputs = checked_inputs(call.definition.variables, payload.inputs, call.state.files)
    faults = call.faults
    if call.state.fail_rate.next_fails():
        faults = Faults({"failed": "", **faults.words})
    run = call.state.runs.start(call.definition, user, payload.inputs, inputs, files, faults)
    if payload.response_mode == "streaming":
        return _stream(call, _frames(run.follow(0)), faults.cut or call.state.cut, pings="silent" not in faults)
    return await _blocking(call, run)


def _known_workflow_id(call: Call) -> None:
    workflow_id = call.request.path_params.get("workflow_id")
    if workflow_id is None:
        return
    if not is_uuid(workflow_id):
        raise bad_request(f"Invalid workflow_id format: '{workflow_id}'. ")
    if workflow_id.lower() != call.definition.id("workflow"):
        raise not_found(f"Workflow not found with id: {workflow_id}")


async def _blocking(call: Call, run: Run) -> Response:
    last = None
    async with aclosing(_until_closing(run.follow(0), call.state.closing)) as events:
        async for last in events:
            if last["event"] == "workflow_paused":  # the other ends are the end of the events too
                break
    if last is None or last["event"] not in _TERMINAL:  # the server is shutting down
        return DroppedResponse()
    if last["event"] == "error":
        raise RefusedError(last["status"], last["code"], last["message"])
    body = {"task_id": run.task_id, "workflow_run_id": run.id, "data": pages.blocking_data(run)}
    whole = Response(json.dumps(body), media_type=_BLOCKING_JSON)
    whole.headers["content-type"] = _BLOCKING_JSON
    if cut := run.faults.cut or call.state.cut:
        return CutResponse(
            whole, min(len(whole.body) - 1, cut.bytes if cut.bytes is not None else len(whole.body) // 2)
        )
    return whole


async def _until_closing(events: AsyncIterator[JsonObject], closing: asyncio.Event) -> AsyncGenerator[JsonObject, None]:
    """The events, until the server shuts down: then nothing more."""
    stop = asyncio.ensure_future(closing.wait())
    try:
        while True:
            upcoming = asyncio.ensure_future(_next(events))
            await asyncio.wait({upcoming, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not upcoming.done():
                upcoming.cancel()
                return
            event = upcoming.result()
            if event is None:
                return
            yield event
    finally:
        stop.cancel()


async def _next(events: AsyncIterator[JsonObject]) -> JsonObject | None:
    return await anext(events, None)


async def _frames(
    events: AsyncIterator[JsonObject], closing_events: tuple[str, ...] = _TERMINAL
) -> AsyncGenerator[bytes, None]:
    async for event in events:
        yield frame(event)
        if event["event"] in closing_events:
            return


def _stream(call: Call, frames: AsyncGenerator[bytes, None], cut: Cut | None, *, pings: bool = True) -> StreamResponse:
    paced = with_pings(frames, call.state.ping_interval) if pings else frames
    return StreamResponse(paced, call.state.closing, cut)


async def stop_task(call: Call) -> Response:
    """`POST /workflows/tasks/{task_id}/stop`: always a success (seen on 1.12.1)."""
    required_user(await call.json())
    call.workflow_only()
    call.state.runs.stop(call.request.path_params["task_id"])
    return answer({"result": "success"})


async def run_events(call: Call) -> Response:
    """`GET /workflow/{workflow_run_id}/events`, as the sources of 1.14 have it."""
    query = call.request.query_params
    user = required_user(query)
    call.workflow_only("advanced-chat")
    run = call.state.runs.find(call.definition, call.request.path_params["workflow_run_id"])
    if run is None or run.user != user:
        raise not_found("Workflow run not found")
    response = _events_of(call, run, query)
    response.headers["cache-control"] = "no-cache"
    return response


def _events_of(call: Call, run: Run, query: Mapping[str, str]) -> StreamResponse:
    if run.over:
        return StreamResponse(_finished(run), call.state.closing)
    snapshot = query.get("include_state_snapshot", "").lower() == "true"
    stays = query.get("continue_on_pause", "").lower() == "true"
    terminal = () if stays and not snapshot else tuple(e for e in _TERMINAL if not (stays and e == "workflow_paused"))
    return _stream(call, _joined(run, snapshot, terminal), call.faults.cut)


async def _finished(run: Run) -> AsyncGenerator[bytes, None]:
    last = {key: value for key, value in run.events[-1].items() if key != "event"}
    yield escaped_frame(last | {"task_id": run.id, "event": run.events[-1]["event"]})


async def _joined(run: Run, snapshot: bool, terminal: tuple[str, ...]) -> AsyncGenerator[bytes, None]:
    """A snapshot of what has happened, if asked for, then what happens from now on; a pause that lasts is told again."""
    position = len(run.events)
    past = [_stripped(event) for event in run.events if event["event"] in _IN_SNAPSHOTS] if snapshot else []
    if run.status == "paused" and snapshot:
        past += [event for event in run.events[-2:] if event["event"] in ("human_input_required", "workflow_paused")]
    for event in past:
        yield frame(event)
        if event["event"] in terminal:
            return
    async for piece in _frames(run.follow(position), terminal):
        yield piece
    if not terminal:  # nothing closes a stream that continues on pause and has no snapshot: not even the run's end
        await asyncio.Event().wait()


_IN_SNAPSHOTS = ("workflow_started", "node_started", "node_finished")


def _stripped(event: JsonObject) -> JsonObject:
    """A node event without its inputs and outputs, which a snapshot does not have."""
    data: JsonObject = event["data"]
    if event["event"] == "node_finished":
        nothing = {"inputs": None, "process_data": None, "outputs": None, "outputs_truncated": True}
        data = data | nothing
    return event | {"data": data}
