"""Runs and turns in progress and past: starts and drives them, lets requests follow, and keeps what is shown of them.

Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from difygen.mock.conversations import ConversationRow, ConversationStore
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.engine import Identity, Simulation
from difygen.mock.engine.chatflow import ChatflowTurn
from difygen.mock.engine.nodes import ServedForm
from difygen.mock.engine.scheduler import Compute, Delay, Pause
from difygen.mock.engine.turns import FormTurn, ServedTurn
from difygen.mock.engine.values import Handler, call_handler, example_outputs, judge_outputs
from difygen.mock.errors import Faults
from difygen.mock.files import FileStore
from difygen.servers.releases import Release

_LOGGER = logging.getLogger(__name__)

KEPT = 10_000
"""How many runs a server remembers."""

DETAIL_KEYS = (
    "id",
    "workflow_id",
    "status",
    "inputs",
    "outputs",
    "error",
    "total_steps",
    "total_tokens",
    "created_at",
    "finished_at",
    "elapsed_time",
)
_STOPPED = "Stopped by user."
_ERROR_EVENT_MESSAGE = "[mock] Server Unavailable Error, this failure was asked for"
_STALLS_AFTER = 3


@dataclass(slots=True)
class ServedRun:
    """One run. `events` is everything that has happened; whoever follows keeps a position in it."""

    definition: Definition
    simulation: Simulation
    faults: Faults
    id: str
    task_id: str
    user: str
    given: JsonObject
    events: list[JsonObject] = field(default_factory=list)
    forms: dict[str, ServedForm] = field(default_factory=dict)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    finished_at: int | None = None
    elapsed: float = 0.0
    log_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _submitted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def inputs(self) -> JsonObject:
        """The inputs as they were checked."""
        return self.simulation.inputs

    @property
    def outputs(self) -> JsonObject:
        """The outputs, empty while there are none."""
        return self.simulation.outputs

    @property
    def status(self) -> str:
        """Dify's word for how the run is going."""
        return self.simulation.status

    def publish(self, event: JsonObject) -> None:
        """Append an event and wake up everybody who follows."""
        self.events.append(event)
        if event["event"] == "workflow_finished":
            self._settle()
        self._wake()

    def stop(self, *, is_strangers: bool = False) -> None:
        """End it as stopped; or as failed once its node has ended, as up to 1.15 a chatflow that another user stops.

        One that waits for a person goes on waiting (seen on 1.14.2), but for those of 1.12, where nobody can answer.
        """
        if self.has_ended or self.status == "paused" and not self.release.has("no-human-input"):
            return
        has_nodes = self.definition.workflow.kind.has_runs
        if has_nodes and ("stop-fails" in self.faults or is_strangers and self.release.has("stop-may-fail")):
            self.simulation.is_aborted = True
        else:
            self.stopped.set()

    def end(self, status: str, error: str) -> None:
        """Let what tells of its end happen."""
        for event in self.simulation.ends(status, error):
            self.publish(event)

    def close(self) -> None:
        """Let nothing happen any more."""
        self.over = True
        if self.finished_at is None:
            self._settle()
        self._wake()

    def _settle(self) -> None:
        self.finished_at, self.elapsed = int(time.time()), self.simulation.elapsed()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def follow(self, position: int) -> AsyncGenerator[JsonObject, None]:
        """Yield the events from a position on, as they happen, until the run is over."""
        while True:
            while position < len(self.events):
                position += 1
                yield self.events[position - 1]
            if self.over:
                return
            await self._changed.wait()

    def submit(self, token: str, action: str, answers: JsonObject) -> None:
        """Answer a form that the run waits for, or refuse the answer."""
        self.forms[token] = self.forms[token].submit(action, answers, self.simulation.store)
        self._submitted.set()

    async def pause(self, pause: Pause) -> ServedForm:
        """Wait until the form is submitted, or expires."""
        form = self.forms[pause.form.token] = pause.form
        self._submitted.clear()
        self.elapsed = self.simulation.elapsed()
        self.publish(pause.event)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._submitted.wait(), form.deadline - time.time())
        if not self.forms[form.token].branch:
            self.forms[form.token] = form.expire()
        return self.forms[form.token]

    # What answers say of it

    def data(self) -> JsonObject:
        """Return the `data` of a blocking answer. A paused run also says who is asked what, since 1.14."""
        simulation = self.simulation
        data = {
            "id": self.id,
            "workflow_id": self.definition.id("workflow"),
            "status": self.status,
            "outputs": self.outputs if self.over else {},
            "error": simulation.error,
            "elapsed_time": self.elapsed,
            "total_tokens": simulation.totals.tokens,
            "total_steps": simulation.totals.steps,
            "created_at": simulation.created_at,
            "finished_at": self.finished_at,
        }
        if self.status == "paused" and not self.release.has("bare-pauses"):
            paused = self.events[-1]["data"]
            data |= {"paused_nodes": paused["paused_nodes"], "reasons": paused["reasons"]}
        return data

    def answer(self) -> JsonObject:
        """Return what a blocking call gets. A turn that paused says so, and who is asked what (seen on 1.14.2)."""
        if not isinstance(self.simulation, ServedTurn):
            return {"task_id": self.task_id, "workflow_run_id": self.id, "data": self.data()}
        turn, row = self.simulation, self.simulation.row
        end = next((each for each in self.events if each["event"] == "message_end"), None)
        metadata = end["metadata"] if end else turn.metadata(0, 0) | {"usage": None}
        body: JsonObject = {
            "event": "message",
            "task_id": self.task_id,
            "id": row.id,
            "message_id": row.id,
            "conversation_id": row.conversation_id,
            "mode": self.definition.workflow.mode,
            "answer": row.answer,
            "metadata": metadata,
            "created_at": row.created_at,
        }
        if not row.conversation_id:
            del body["conversation_id"]
        if self.status != "paused":
            return body
        paused = self.events[-1]["data"]
        shared = {key: body[key] for key in ("id", "mode", "conversation_id", "message_id", "answer", "metadata")}
        kept = ("paused_nodes", "reasons", "status", "elapsed_time", "total_tokens", "total_steps")
        data = shared | {"workflow_run_id": self.id, "created_at": row.created_at} | {key: paused[key] for key in kept}
        return body | {"event": "workflow_paused", "workflow_run_id": self.id, "data": data}

    @property
    def has_ended(self) -> bool:
        """Whether its last event has been sent, whatever else is tidied up."""
        return self.over or bool(self.events) and self.events[-1]["event"] == "workflow_finished"

    @property
    def release(self) -> Release:
        """The release of Dify that the run is one of."""
        return self.simulation.release

    @property
    def stored_status(self) -> str:
        """The status as the database has it: up to 1.14 a stopped run stays `running` for ever, or `paused` on 1.12."""
        if not self.has_ended:
            return "paused" if self.status == "paused" else "running"
        if self.simulation.is_aborted:
            return "stopped"  # whatever its last event says
        if self.status != "stopped" or not self.release.has("stopped-stays-running"):
            return self.status
        return "paused" if self.simulation.has_asked and self.release.has("no-human-input") else "running"

    @property
    def _is_stored(self) -> bool:
        return self.stored_status not in ("running", "paused")

    def detail(self) -> JsonObject:
        """Return the run's detail. Inputs (`sys.*` included) are JSON text, outputs too up to 1.12."""
        simulation, running = self.simulation, self.stored_status == "running"
        is_turn = not self.definition.workflow.kind.has_outputs
        inputs = self.inputs | simulation.system | ({} if is_turn else {"sys.timestamp": simulation.created_at})
        as_text = (json.dumps(self.outputs) if self.outputs else None) if self._is_stored else "{}"
        as_object = self.outputs if self._is_stored else {}
        values = (
            self.id,
            self.definition.id("workflow"),
            self.stored_status,
            json.dumps(inputs),
            as_text if self.release.has("detail-as-text") else as_object,
            simulation.error if self._is_stored else None,
            0 if running else simulation.totals.steps,
            0 if running else simulation.totals.tokens,
            simulation.created_at,
            self.finished_at if self._is_stored else None,
            self.elapsed if self._is_stored else 0.0,
        )
        return dict(zip(DETAIL_KEYS, values, strict=True))

    def log(self, user_id: str) -> JsonObject:
        """Return the run's row in the logs."""
        stored, totals = self._is_stored, self.simulation.totals
        workflow_run = {
            "id": self.id,
            "version": datetime.fromtimestamp(0, UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
            "status": self.stored_status,
            "triggered_from": "app-run",
            "error": self.simulation.error if stored else None,
            "elapsed_time": self.elapsed if stored else 0.0,
            "total_tokens": totals.tokens if stored else 0,
            "total_steps": totals.steps if stored else 0,
            "created_at": self.simulation.created_at,
            "finished_at": self.finished_at if stored else None,
            "exceptions_count": totals.exceptions if stored else 0,
        }
        return {
            "id": self.log_id,
            "workflow_run": workflow_run,
            "details": None,
            "created_from": "service-api",
            "created_by_role": "end_user",
            "created_by_account": None,
            "created_by_end_user": {
                "id": user_id,
                "type": "service-api",
                "is_anonymous": False,
                "session_id": self.user,
            },
            "created_at": self.simulation.created_at,
        }


class TurnInput(NamedTuple):
    """Who asks what: `inputs` are checked, `given` those that came; `files` are resolved."""

    user: str
    query: str
    inputs: JsonObject
    given: JsonObject
    files: list[JsonObject]


class _RunEndedError(Exception):
    """The run ends here without a `workflow_finished`."""


@dataclass(slots=True)
class RunStore:
    """The runs of a server, newest last; very old ones are forgotten.

    `latency` is how many seconds each node takes; `handler` computes the outputs of every run.
    """

    files: FileStore
    latency: float = 0.0
    handler: Handler | None = None
    by_id: dict[str, ServedRun] = field(default_factory=dict)
    users: dict[tuple[str, str], str] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def user_id(self, definition: Definition, user: str) -> str:
        """Return the id of an app's end user: the same one every time."""
        return self.users.setdefault((definition.workflow.name, user), str(uuid.uuid4()))

    def start(
        self,
        definition: Definition,
        user: str,
        given: JsonObject,
        inputs: JsonObject,
        files: list[JsonObject],
        faults: Faults,
    ) -> ServedRun:
        """Start a run, which goes on by itself, whether anybody follows or not.

        `given` are the inputs before they were checked.
        """
        run_id, task_id = str(uuid.uuid4()), str(uuid.uuid4())
        system = {
            "sys.files": files,
            "sys.user_id": user,
            "sys.app_id": definition.id("app"),
            "sys.workflow_id": definition.id("workflow"),
            "sys.workflow_run_id": run_id,
        }
        identity = Identity(run_id, task_id, user, self.user_id(definition, user))
        simulation = Simulation(definition, identity, inputs, system, self.files, faults, self.latency)
        return self.launch(ServedRun(definition, simulation, faults, run_id, task_id, user, given))

    def launch(self, run: ServedRun) -> ServedRun:
        """Keep a run and let it go on by itself."""
        self.by_id[run.id] = run
        while len(self.by_id) > KEPT:
            del self.by_id[next(iter(self.by_id))]
        task = asyncio.create_task(self._drive(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run

    def of(self, definition: Definition) -> Iterator[ServedRun]:
        """Return the runs of one app, newest first."""
        return (run for run in reversed(self.by_id.values()) if run.definition is definition)

    def find(self, definition: Definition, run_id: str) -> ServedRun | None:
        """Return the app's run of that id."""
        run = self.by_id.get(run_id)
        return run if run is not None and run.definition is definition else None

    def by_token(self, definition: Definition, token: str) -> ServedRun | None:
        """Return the app's run that has, or had, a form of that token which goes to the web app."""
        return next((run for run in self.of(definition) if token in run.forms and run.forms[token].is_delivered), None)

    def stop(self, task_id: str, *, is_strangers: bool = False) -> None:
        """Stop a run by its task id, whoever asks (seen on 1.12.1: any user, any app's key, unknown ids too)."""
        for run in self.by_id.values():
            if run.task_id == task_id:
                run.stop(is_strangers=is_strangers)

    async def aclose(self) -> None:
        """End what is still going."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Driving a run

    async def _drive(self, run: ServedRun) -> None:
        query = run.simulation.system.get("sys.query", "")
        example = example_outputs(run.definition.workflow, run.inputs | run.given, query)
        if example is not None:
            run.simulation.prescribe(example)
        body = asyncio.ensure_future(self._perform(run))
        stopped = asyncio.ensure_future(run.stopped.wait())
        try:
            await asyncio.wait({body, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not body.done():
                await _cancel(body)
                run.end("stopped", _STOPPED)
            elif (error := body.exception()) and not isinstance(error, _RunEndedError):
                _LOGGER.error("the mock server broke in the middle of a run", exc_info=error)
                run.end("failed", f"difygen mock broke: {type(error).__name__}: {error}")
        finally:
            await _cancel(stopped)
            await _cancel(body)
            run.close()

    async def _perform(self, run: ServedRun) -> None:
        """Perform the effects of a simulation, and hand their answers back to it."""
        effects = run.simulation.effects()
        answer: Any = None
        with contextlib.suppress(StopIteration):
            while True:
                effect = effects.send(answer)
                answer = None
                if isinstance(effect, Delay):
                    if effect.seconds:
                        await asyncio.sleep(effect.seconds)
                elif isinstance(effect, Compute):
                    answer = await self._compute(run)
                elif isinstance(effect, Pause):
                    answer = await run.pause(effect)
                else:
                    run.publish(effect)
                    await self._disturb(run)

    async def _compute(self, run: ServedRun) -> Any:
        if self.handler is None:
            return None
        try:
            kind, asked = run.definition.workflow.kind, run.simulation.asked()
            text_key = "" if kind.has_outputs else "answer"
            outputs = await call_handler(self.handler, asked, run.definition.key_name, text_key)
            return None if outputs is None else judge_outputs(outputs, run.definition)
        except Exception as error:  # noqa: BLE001 - it is the user's function: its failure is the run's
            return error

    async def _disturb(self, run: ServedRun) -> None:
        """Commit the faults that end or hold up a run in the middle."""
        await asyncio.sleep(0)
        if len(run.events) < _STALLS_AFTER or run.over:
            return
        if "stopped" in run.faults:
            run.stop()
        if "error-event" in run.faults:
            error = {"code": "completion_request_error", "status": 400, "message": _ERROR_EVENT_MESSAGE}
            run.simulation.status = "failed"
            run.publish(run.simulation.error_event(error))
            run.simulation.error = _ERROR_EVENT_MESSAGE
            raise _RunEndedError
        if run.stopped.is_set() or any(word in run.faults for word in ("ping-forever", "silent")):
            await asyncio.Event().wait()


async def _cancel(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it is done, however it ends."""
    task.cancel()
    await asyncio.wait({task})


def start_turn(
    runs: RunStore,
    chats: ConversationStore,
    definition: Definition,
    turn_input: TurnInput,
    conversation: ConversationRow | None,
    faults: Faults,
) -> ServedRun:
    """Store a turn, of a new conversation unless it goes on with one, and let it go on by itself."""
    user, query, inputs, given, files = turn_input
    row = chats.begin(definition, user, query, inputs, conversation)
    for file in files:
        row.attach(file, "user")
    conversation = chats.conversations.get(row.conversation_id)
    count = len(conversation.messages) if conversation else 1
    is_chatflow = definition.workflow.kind.has_runs
    user_id = runs.user_id(definition, user)
    identity = Identity(str(uuid.uuid4()) if is_chatflow else row.id, str(uuid.uuid4()), user, user_id)
    system = {
        "sys.query": query,
        "sys.files": files,
        "sys.user_id": user,
        "sys.dialogue_count": count,
        "sys.app_id": definition.id("app"),
        "sys.workflow_id": definition.id("workflow"),
        "sys.workflow_run_id": identity.run_id,
    }
    variables = conversation.variables if conversation else {}
    turn: ServedTurn
    arguments = (definition, identity, inputs, system, runs.files, faults, runs.latency)
    annotation = chats.annotation(definition, query)
    if is_chatflow:
        turn = ChatflowTurn(*arguments, row=row, dialogue_count=count, annotation=annotation, variables=variables)
    else:
        turn = FormTurn(*arguments, row=row, dialogue_count=count, annotation=annotation)
    return runs.launch(ServedRun(definition, turn, faults, identity.run_id, identity.task_id, user, given))
