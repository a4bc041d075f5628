"""What a server says by saying little: streams that fall silent or only ping, refusals in events, stopped runs."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import runtime
from runtime import _operations, _protocol, _session
from support.both_clients import Using, both_clients
from support.driving import DRIVES, Drive
from support.fault_events import FINISHED, FIRST_HALF, RUN_ID, TASK_ID, broken, detail, fin, frame, pings, silence
from support.servers import DETAIL, EVENTS, PING, RUN, STOP, Server, as_json, html

KINDS = pytest.mark.parametrize("drive", [pytest.param(DRIVES[kind], id=kind) for kind in DRIVES])
MODES = pytest.mark.parametrize("mode", ["streamed", "collected"])
REPLAY = [frame({**json.loads(piece[6:]), "task_id": RUN_ID}) for piece in FIRST_HALF]
"""What the events endpoint replays of a run that was stopped: its id stands in the place of the task's."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are many seconds long in earnest."""
    for module, name, seconds in (
        (_protocol, "REFUSAL_PATIENCE", 0.4),
        (_session, "LOOK_AFTER", 0.2),
        (_session, "REPLAY_TIME", 30.0),
        (_session, "STALLED_AFTER", 0.5),
        (_session, "STALLED_AFTER_WAITING", 1.0),
        (_session, "STOP_PATIENCE", 0.1),
        (_operations, "STOP_PATIENCE", 0.1),
    ):
        monkeypatch.setattr(module, name, seconds)


class TestRefusals:
    @KINDS
    @MODES
    def test_silence_after_one_ping_is_named_long_before_the_server_hangs_up(
        self, drive: Drive, mode: str, impatient: None
    ) -> None:
        began = time.monotonic()
        with Server({RUN: broken([PING], silence)}) as server:
            seen = drive(server.url, mode, {})
            assert server.runs == 1
        assert time.monotonic() - began < 25
        assert isinstance(seen.error, runtime.StreamInterruptedError)
        assert "fell silent after its first ping" in str(seen.error)
        assert "refuses the inputs or the files" in str(seen.error)

    def test_it_is_waited_for_as_long_as_two_pings_of_a_run_take_and_no_longer(self) -> None:
        assert 2 * 10 < _protocol.REFUSAL_PATIENCE <= 25

    @KINDS
    def test_a_run_that_begins_late_or_only_pings_is_no_refusal(
        self, drive: Drive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_protocol, "REFUSAL_PATIENCE", 1.5)
        late = [PING, *[PING] * 16, *FIRST_HALF, *[PING] * 8, FINISHED]
        with Server({RUN: broken(late, fin, every=0.1)}) as server:
            seen = drive(server.url, "streamed", {})
        assert seen.error is None
        assert seen.run is not None and seen.run.status == "succeeded"

    @KINDS
    @pytest.mark.parametrize(
        ("message", "kind"),
        [
            ("string in input form must be less than 48 characters", runtime.InvalidParamError),
            ("num is required in input form", runtime.InvalidParamError),
            ("Invalid upload file", runtime.InvalidParamError),
            ("Conversation Not Exists.", runtime.ConversationNotFoundError),
            ("(psycopg2.OperationalError) could not connect to server", runtime.ServerError),
        ],
    )
    def test_an_error_event_with_status_500_is_what_its_message_says(
        self, drive: Drive, message: str, kind: type[runtime.APIError]
    ) -> None:
        refused = frame({"event": "error", "message": message, "status": 500})
        began = time.monotonic()
        with Server({RUN: broken([PING, refused], silence)}) as server:
            seen = drive(server.url, "collected", {})
        assert time.monotonic() - began < 25, "the server leaves the connection open"
        assert type(seen.error) is kind
        assert (seen.error.status, seen.error.message) == (500, message)


class TestStoppedRuns:
    @both_clients
    def test_a_run_that_a_stranger_stopped_is_given_up(self, using: Using, impatient: None) -> None:
        routes = {EVENTS: broken([PING, *REPLAY], pings), DETAIL: as_json(detail("running", as_text=False))}
        with Server(routes) as server, pytest.raises(runtime.StreamInterruptedError) as caught:
            using(server.url, lambda client: collected(client.resume(RUN_ID)))
        assert caught.value.workflow_run_id == RUN_ID
        assert "stored as running, and nothing but pings" in str(caught.value)

    @both_clients
    def test_waiting_for_it_takes_longer_and_ends_too(self, using: Using, impatient: None) -> None:
        routes = {EVENTS: broken([PING, *REPLAY], pings), DETAIL: as_json(detail("running"))}
        with Server(routes) as server, pytest.raises(runtime.StreamInterruptedError):
            using(server.url, lambda client: client.wait(RUN_ID))
        with Server(routes) as server, pytest.raises(runtime.DeadlineExceededError) as caught:
            using(server.url, lambda client: client.wait(RUN_ID, timeout=1.6))
        assert f"The run {RUN_ID} may go on: resume() follows it" in str(caught.value)

    @both_clients
    @pytest.mark.parametrize("events", [503, 404], ids=["reconnecting", "polling"])
    def test_what_goes_on_is_said_when_the_time_is_up_between_connections(self, using: Using, events: int) -> None:
        routes = {EVENTS: html(events), DETAIL: as_json(detail("running"))}
        with Server(routes) as server, pytest.raises(runtime.DeadlineExceededError) as caught:
            using(server.url, lambda client: client.wait(RUN_ID, timeout=0.3))
        assert f"The run {RUN_ID} may go on: resume() follows it" in str(caught.value)

    @both_clients
    @pytest.mark.parametrize("has_events", [True, False], ids=["1.14", "1.12"])
    def test_a_run_that_this_client_stopped_has_ended_as_stopped(
        self, using: Using, has_events: bool, impatient: None
    ) -> None:
        """Whatever the server keeps saying of it."""
        routes = {
            STOP: as_json({"result": "success"}),
            EVENTS: broken([PING, *REPLAY], pings) if has_events else html(404),
            DETAIL: as_json(detail("running")),
        }

        def stop_and_wait(client: Any) -> Any:
            started = runtime.StartedRun(RUN_ID, TASK_ID)
            return in_turn(client.stop(TASK_ID), lambda: client.wait(started))

        with Server(routes) as server, pytest.raises(runtime.RunStoppedError) as caught:
            using(server.url, stop_and_wait)
        assert (caught.value.run.status, caught.value.run.workflow_run_id) == ("stopped", RUN_ID)

    @both_clients
    @pytest.mark.parametrize("status", ["succeeded", "failed", "stopped"])
    def test_an_end_that_no_stream_told_is_read_from_the_stored_run(
        self, using: Using, status: str, impatient: None
    ) -> None:
        """Later servers store a stopped run as that; and of 1.13 to 1.16 it is reported that events get lost."""
        ended = detail(status, as_text=False)
        routes = {EVENTS: broken([PING, *REPLAY], pings), DETAIL: as_json(ended)}
        with Server(routes) as server:
            if status == "succeeded":
                run = using(server.url, lambda client: collected(client.resume(RUN_ID)))
                assert run.outputs.result == ended["outputs"]["result"]
                return
            with pytest.raises(runtime.RunError) as caught:
                using(server.url, lambda client: collected(client.resume(RUN_ID)))
        assert caught.value.run.status == status

    @both_clients
    def test_a_run_that_is_alive_is_waited_for_through_a_long_node(
        self, using: Using, impatient: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_session, "REPLAY_TIME", 0.1)
        monkeypatch.setattr(_session, "STALLED_AFTER", 1.2)
        live = [PING, *REPLAY[:2], *FIRST_HALF[2:], *[PING] * 10, FINISHED]
        routes = {EVENTS: broken(live, fin, every=0.15), DETAIL: as_json(detail("running"))}
        with Server(routes) as server:
            run = using(server.url, lambda client: collected(client.resume(RUN_ID)))
        assert run.status == "succeeded"


class TestIds:
    @both_clients
    @pytest.mark.parametrize("run_id", ["", "not-a-uuid", "../../info", "12345", f"{RUN_ID}0", RUN_ID[:-1], 7, None])
    @pytest.mark.parametrize("use", ["get_run", "wait", "resume"])
    def test_what_is_no_id_of_a_run_is_refused_before_anything_is_sent(
        self, using: Using, run_id: Any, use: str
    ) -> None:
        def call(client: Any) -> Any:
            result = getattr(client, use)(run_id)
            return collected(result) if use == "resume" else result

        with Server({}) as server, pytest.raises(runtime.ConfigurationError, match="is a UUID"):
            using(server.url, call)
        assert not server.requests

    @both_clients
    @pytest.mark.parametrize("spelled", [RUN_ID, RUN_ID.upper(), RUN_ID.replace("-", "")])
    def test_any_spelling_of_a_uuid_is_sent(self, using: Using, spelled: str) -> None:
        with Server({DETAIL: as_json(detail())}) as server:
            assert using(server.url, lambda client: client.get_run(spelled)).status == "succeeded"


def collected(stream: Any) -> Any:
    """The result of a stream, or what is awaited for it."""
    if hasattr(stream, "__enter__"):
        with stream:
            return stream.result()

    async def collect() -> Any:
        async with stream:
            return await stream.result()

    return collect()


def in_turn(first: Any, then: Callable[[], Any]) -> Any:
    """What the second call gives once the first is over."""
    if not hasattr(first, "__await__"):
        return then()

    async def both() -> Any:
        await first
        return await then()

    return both()
