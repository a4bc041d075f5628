"""Runs in progress and past: drives simulations, lets streams and waiting requests follow, and keeps what detail and logs show."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from difygen.mock.definition import Definition, JsonObject
from difygen.mock.faults import Faults
from difygen.mock.files import FileStore
from difygen.mock.nodes import Form
from difygen.mock.scheduler import Compute, Delay, Pause
from difygen.mock.simulation import Identity, Simulation
from difygen.mock.values import Handler, call_handler, example_outputs

_LOGGER = logging.getLogger(__name__)

STOPPED = "Stopped by user."
_ERROR_EVENT_MESSAGE = "[mock] Server Unavailable Error, this failure was asked for"
_STALLING = ("ping-forever", "silent")
_STALLS_AFTER = 3
KEPT = 10_000
"""How many runs a server remembers."""


@dataclass(slots=True)
class Run:
    """One run. `events` is everything that has happened; whoever follows keeps a position in it."""

    definition: Definition
    simulation: Simulation
    faults: Faults
    id: str
    task_id: str
    user: str
    given: JsonObject
    events: list[JsonObject] = field(default_factory=list)
    forms: dict[str, Form] = field(default_factory=dict)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    finished_at: int | None = None
    elapsed: float = 0.0
    log_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _submitted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def inputs(self) -> JsonObject:
        """What the run got: the checked inputs."""
        return self.simulation.inputs

    @property
    def outputs(self) -> JsonObject:
        """What the run gave."""
        return self.simulation.outputs

    @property
    def status(self) -> str:
        """Dify's word for how the run is going."""
        return self.simulation.status

    def publish(self, event: JsonObject) -> None:
        """Append an event and wake up everybody who follows."""
        self.events.append(event)
        self._wake()

    def close(self) -> None:
        """Nothing will happen any more."""
        self.over = True
        self.finished_at = int(time.time())
        self.elapsed = self.simulation.elapsed()
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def follow(self, position: int) -> AsyncIterator[JsonObject]:
        """The events from a position on, as they happen, until the run is over."""
        while True:
            while position < len(self.events):
                position += 1
                yield self.events[position - 1]
            if self.over:
                return
            await self._changed.wait()

    def submit(self, token: str, action: str, answers: JsonObject) -> None:
        """Answer a form that the run waits for, or refuse the answer."""
        self.forms[token] = self.forms[token].submit(action, answers)
        self._submitted.set()

    async def pause(self, pause: Pause) -> Form:
        """Wait until the form is submitted."""
        self.forms[pause.form.token] = pause.form
        self._submitted.clear()
        self.elapsed = self.simulation.elapsed()
        self.publish(pause.event)
        await self._submitted.wait()
        return self.forms[pause.form.token]

    def stored_inputs(self) -> str:
        """The inputs as run detail has them: JSON text, `sys.*` included (seen on 1.12.1)."""
        extra = {"sys.timestamp": self.simulation.created_at}
        return json.dumps(self.inputs | self.simulation.system | extra)

    def stored_status(self) -> str:
        """The status as the database has it: a stopped run stays `running` for ever (seen on 1.12.1)."""
        return "running" if self.status == "stopped" else self.status


@dataclass(slots=True)
class Settings:
    """How runs go unless a request says otherwise."""

    latency: float = 0.0
    handler: Handler | None = None


@dataclass(slots=True)
class Runs:
    """The runs of a server, newest last; very old ones are forgotten."""

    settings: Settings
    store: FileStore
    by_id: dict[str, Run] = field(default_factory=dict)
    users: dict[tuple[str, str], str] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def user_id(self, definition: Definition, user: str) -> str:
        """The end user of an app and a `user`: the same one every time."""
        return self.users.setdefault((definition.workflow.name, user), str(uuid.uuid4()))

    def start(
        self,
        definition: Definition,
        user: str,
        given: JsonObject,
        inputs: JsonObject,
        files: list[JsonObject],
        faults: Faults,
    ) -> Run:
        """Start a run; it goes on by itself, whether anybody follows or not. `given` are the inputs before they were checked."""
        run_id, task_id = str(uuid.uuid4()), str(uuid.uuid4())
        system = {
            "sys.files": files,
            "sys.user_id": user,
            "sys.app_id": definition.id("app"),
            "sys.workflow_id": definition.id("workflow"),
            "sys.workflow_run_id": run_id,
        }
        identity = Identity(run_id, task_id, user, self.user_id(definition, user))
        simulation = Simulation(definition, identity, inputs, system, self.store, faults, self.settings.latency)
        run = Run(definition, simulation, faults, run_id, task_id, user, given)
        self._keep(run)
        task = asyncio.create_task(self._drive(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run

    def _keep(self, run: Run) -> None:
        self.by_id[run.id] = run
        while len(self.by_id) > KEPT:
            del self.by_id[next(iter(self.by_id))]

    def of(self, definition: Definition) -> Iterator[Run]:
        """The runs of one app, newest first."""
        return (run for run in reversed(self.by_id.values()) if run.definition is definition)

    def find(self, definition: Definition, run_id: str) -> Run | None:
        """The app's run of that id."""
        run = self.by_id.get(run_id)
        return run if run is not None and run.definition is definition else None

    def by_token(self, definition: Definition, token: str) -> Run | None:
        """The app's run that has, or had, a form of that token."""
        return next((run for run in self.of(definition) if token in run.forms), None)

    def stop(self, task_id: str) -> None:
        """Stop a run by its task id, whoever asks (seen on 1.12.1: any user, any app's key, unknown ids too)."""
        for run in self.by_id.values():
            if run.task_id == task_id:
                run.stopped.set()

    async def aclose(self) -> None:
        """End what is still going."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drive(self, run: Run) -> None:
        example = example_outputs(run.definition.workflow, run.inputs | run.given)
        if example is not None:
            run.simulation.prescribe(example)
        body = asyncio.ensure_future(self._body(run))
        stopped = asyncio.ensure_future(run.stopped.wait())
        try:
            await asyncio.wait({body, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not body.done():
                await _cancelled(body)
                run.publish(run.simulation.finish("stopped", STOPPED))
            else:
                self._settle(run, body)
        finally:
            await _cancelled(stopped)
            await _cancelled(body)
            run.close()

    def _settle(self, run: Run, body: asyncio.Future[None]) -> None:
        error = body.exception()
        if error is None or isinstance(error, _EndedError):
            return
        _LOGGER.error("the mock server broke in the middle of a run", exc_info=error)
        run.publish(run.simulation.finish("failed", f"difygen mock broke: {type(error).__name__}: {error}"))

    async def _body(self, run: Run) -> None:
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

    async def _compute(self, run: Run) -> Any:
        if self.settings.handler is None:
            return None
        try:
            return await call_handler(self.settings.handler, run.inputs, run.definition.key_name)
        except Exception as error:  # noqa: BLE001 - it is the user's function: its failure is the run's
            return error

    async def _disturb(self, run: Run) -> None:
        """The faults that end or hold up a run in the middle."""
        await asyncio.sleep(0)
        if len(run.events) < _STALLS_AFTER or run.over:
            return
        if "stopped" in run.faults:
            run.stopped.set()
        if "error-event" in run.faults:
            error = {"code": "completion_request_error", "status": 400, "message": _ERROR_EVENT_MESSAGE}
            run.simulation.status = "failed"
            run.publish({"event": "error", "workflow_run_id": run.id, **error})
            run.simulation.error = _ERROR_EVENT_MESSAGE
            raise _EndedError
        if any(word in run.faults for word in (*_STALLING, "stopped")):
            await asyncio.Event().wait()


class _EndedError(Exception):
    """The run ends here without a `workflow_finished`."""


async def _cancelled(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it is done, however it ends."""
    task.cancel()
    await asyncio.wait({task})
