"""The rest of the API through both clients: stored runs, logs, stopping, forms, following a run, text, and the app
itself.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import runtime
from support.both_clients import Using, both_clients, with_sync
from support.concat_client import AsyncConcatClient, ConcatClient, ConcatInputs
from support.fault_events import (
    FIRST_HALF,
    FORM,
    NO_SUCH_RUN,
    NORMAL,
    PAUSED,
    RESULT,
    RESUMED,
    RUN_ID,
    SECOND_HALF,
    STARTED,
    TASK_ID,
    blocking,
    broken,
    detail,
    event,
    fin,
    finished,
    text_chunk,
)
from support.replay import cases, recording, replay
from support.servers import DETAIL, EVENTS, PING, RUN, STOP, Connection, Request, Server, as_json, by_mode, html, stream

LOGS = "GET /v1/workflows/logs"
FORMS = "* /v1/form/human_input/*"
INPUTS = ConcatInputs(string="a", num=1, list="list_a")


class TestStoredRuns:
    @both_clients
    @pytest.mark.parametrize("as_text", [True, False], ids=["JSON text", "an object"])
    def test_inputs_and_outputs_of_all_releases(self, using: Using, as_text: bool) -> None:
        with Server({DETAIL: as_json(detail(as_text=as_text))}) as server:
            run = using(server.url, lambda client: client.get_run(RUN_ID))
        assert server.requests[0].path == f"/v1/workflows/run/{RUN_ID}"
        assert run.outputs.result == RESULT
        assert run.inputs == {"string": "text", "sys.user_id": "tester"}
        assert (run.workflow_run_id, run.task_id, run.status) == (RUN_ID, None, "succeeded")

    @both_clients
    @pytest.mark.parametrize("status", ["running", "paused", "failed", "stopped"])
    def test_however_it_ended_it_is_returned(self, using: Using, status: str) -> None:
        with Server({DETAIL: as_json(detail(status) | {"outputs": None})}) as server:
            run = using(server.url, lambda client: client.get_run(RUN_ID))
        assert (run.status, run.raw_outputs) == (status, {})

    @both_clients
    @pytest.mark.parametrize(
        "handler",
        [as_json(NO_SUCH_RUN), as_json({"code": "not_found", "message": "Workflow run not found", "status": 404}, 404)],
        ids=["200 and nulls, up to 1.13.0", "404"],
    )
    def test_an_unknown_run(self, using: Using, handler: Any) -> None:
        with Server({DETAIL: handler}) as server, pytest.raises(runtime.NotFoundError):
            using(server.url, lambda client: client.get_run(RUN_ID))

    @both_clients
    def test_reading_is_tried_again(self, using: Using) -> None:
        with Server({DETAIL: [html(502), broken([], fin), as_json(detail())]}) as server:
            run = using(server.url, lambda client: client.get_run(RUN_ID), max_retries=2)
        assert run.outputs.result == RESULT
        assert len(server.requests) == 3

    @both_clients
    def test_an_id_cannot_lead_elsewhere(self, using: Using) -> None:
        with Server({"*": as_json({"result": "success"})}) as server:
            using(server.url, lambda client: client.stop("../../info?x=1#"))
            for nothing in ("", ".", ".."):
                with pytest.raises(runtime.ConfigurationError):
                    using(server.url, lambda client, nothing=nothing: client.stop(nothing))
        assert [request.target for request in server.requests] == ["/v1/workflows/tasks/..%2F..%2Finfo%3Fx%3D1%23/stop"]

    @pytest.mark.parametrize("case", [*cases("run_detail_*"), *cases("*_detail*")])
    def test_recorded_details(self, case: str) -> None:
        recorded = recording(case)
        body = json.loads(recorded.body)
        with Server({DETAIL: replay(case)}) as server:
            try:
                outcome = with_sync(server.url, lambda client: client.get_run(body.get("id") or RUN_ID))
            except runtime.APIError as error:
                outcome = error
        if recorded.status != 200:
            assert isinstance(outcome, runtime.APIError)
            assert outcome.status == recorded.status
        elif body["id"] is None:
            assert isinstance(outcome, runtime.NotFoundError)
        else:
            stored = body["outputs"]
            stored = json.loads(stored) if isinstance(stored, str) else stored or {}
            assert (outcome.workflow_run_id, outcome.status, outcome.raw_outputs) == (
                body["id"],
                body["status"],
                stored,
            )
            assert outcome.inputs["sys.workflow_run_id"] == body["id"]


def entry(number: int) -> dict[str, Any]:
    run = {"id": f"run {number}", "status": "succeeded", "elapsed_time": 0.5, "created_at": 1795362329}
    return {"id": f"log {number}", "workflow_run": run, "created_from": "service-api", "created_at": 1795362329}


def paged(total: int, *, shift: int = 0) -> Callable[[Connection, Request], None]:
    """Logs of so many runs; `shift` new ones begin between two pages."""
    asked = 0

    def handle(connection: Connection, request: Request) -> None:
        nonlocal asked
        page, limit = int(request.query["page"]), int(request.query["limit"])
        numbers = range(total + asked * shift, 0, -1)
        asked += 1
        chosen = [entry(number) for number in numbers[(page - 1) * limit : page * limit]]
        more = page * limit < len(numbers)
        body = {"page": page, "limit": limit, "total": len(numbers), "has_more": more, "data": chosen}
        as_json(body)(connection, request)

    return handle


class TestLogs:
    @both_clients
    def test_pages_are_read_as_one_goes_through_the_entries(self, using: Using) -> None:
        with Server({LOGS: paged(45)}) as server:
            entries = using(server.url, lambda client: client.logs())
        assert [entry.id for entry in entries] == [f"log {number}" for number in range(45, 0, -1)]
        assert len(server.requests) == 3
        assert entries[0].workflow_run_id == "run 45"
        assert entries[0].workflow_run.elapsed_time == 0.5

    @both_clients
    def test_runs_that_begin_meanwhile_repeat_no_entry(self, using: Using) -> None:
        with Server({LOGS: paged(10, shift=1)}) as server:
            entries = using(server.url, lambda client: client.logs(limit=4))
        assert [entry.id for entry in entries] == [f"log {number}" for number in range(10, 0, -1)]

    @both_clients
    def test_a_cache_that_gives_the_same_page_for_ever(self, using: Using) -> None:
        with Server({LOGS: as_json({"page": 1, "limit": 1, "has_more": True, "data": [entry(1)]})}) as server:
            entries = using(server.url, lambda client: client.logs(limit=1))
        assert [entry.id for entry in entries] == ["log 1"]
        assert len(server.requests) < 20

    @both_clients
    def test_one_page(self, using: Using) -> None:
        with Server({LOGS: paged(45)}) as server:
            page = using(server.url, lambda client: client.logs(limit=10).page(2))
        assert (page.page, page.limit, page.total, page.has_more) == (2, 10, 45, True)
        assert [entry.id for entry in page.data] == [f"log {number}" for number in range(35, 25, -1)]

    @both_clients
    def test_all_pages(self, using: Using) -> None:
        with Server({LOGS: paged(25)}) as server:
            pages = using(server.url, lambda client: client.logs(limit=10).pages())
        assert [len(page.data) for page in pages] == [10, 10, 5]

    @both_clients
    def test_every_filter(self, using: Using) -> None:
        berlin = timezone(timedelta(hours=1))
        with Server({LOGS: paged(0)}) as server:
            entries = using(
                server.url,
                lambda client: client.logs(
                    keyword="a b&c",
                    status="failed",
                    created_at_after=datetime(2026, 11, 22, 1, tzinfo=UTC),
                    created_at_before=datetime(2026, 11, 23, 1, tzinfo=berlin),
                    created_by_end_user_session_id="木乐乐",
                    created_by_account="a@b.c",
                    limit=7,
                ),
            )
        assert entries == []
        query = server.requests[0].query
        moments = [datetime.fromisoformat(query.pop(f"created_at__{side}")) for side in ("after", "before")]
        assert moments == [datetime(2026, 11, 22, 1, tzinfo=UTC), datetime(2026, 11, 23, 0, tzinfo=UTC)]
        assert query == {
            "keyword": "a b&c",
            "status": "failed",
            "created_by_end_user_session_id": "木乐乐",
            "created_by_account": "a@b.c",
            "limit": "7",
            "page": "1",
        }

    @pytest.mark.parametrize("case", cases("logs_*"))
    def test_recorded_pages(self, case: str) -> None:
        recorded = recording(case)
        with Server({LOGS: replay(case)}) as server:
            if recorded.status == 200:
                page = with_sync(server.url, lambda client: client.logs().page())
                assert page.raw == json.loads(recorded.body)
                assert len(page.data) == len(page.raw["data"])
                assert all(entry.created_by_role == "end_user" for entry in page.data)
            else:
                with pytest.raises(runtime.APIError):
                    with_sync(server.url, lambda client: client.logs().page())


class TestTheApp:
    @both_clients
    def test_info(self, using: Using) -> None:
        with Server({"GET /v1/info": replay("info_files")}) as server:
            info = using(server.url, lambda client: client.info())
        assert (info.name, info.mode, info.author_name, info.tags) == ("files", "workflow", "labadmin", ())

    @both_clients
    def test_parameters(self, using: Using) -> None:
        with Server({"GET /v1/parameters": replay("parameters_files")}) as server:
            parameters = using(server.url, lambda client: client.parameters())
        doc, pics, custom = parameters.variables
        assert (doc.variable, doc.type, doc.required, doc.allowed_file_types) == ("doc", "file", True, ("document",))
        assert (pics.variable, pics.type, pics.max_length) == ("pics", "file-list", 3)
        assert custom.allowed_file_extensions == (".xyz",)
        assert parameters.system_parameters["file_size_limit"] == 15

    @both_clients
    def test_site(self, using: Using) -> None:
        with Server({"GET /v1/site": replay("site_concat")}) as server:
            site = using(server.url, lambda client: client.site())
        assert (site.title, site.icon, site.show_workflow_steps) == ("concat", "🤖", True)

    @both_clients
    @pytest.mark.parametrize("case", ["unpublished_parameters", "auth_bad_key"])
    def test_errors(self, using: Using, case: str) -> None:
        with Server({"GET *": replay(case)}) as server, pytest.raises(runtime.APIError) as caught:
            using(server.url, lambda client: client.parameters())
        assert caught.value.code == json.loads(recording(case).body)["code"]


class TestStop:
    @both_clients
    def test_a_user_is_sent(self, using: Using) -> None:
        with Server({STOP: as_json({"result": "success"})}) as server:
            assert using(server.url, lambda client: client.stop(TASK_ID)) is None
            using(server.url, lambda client: client.stop(TASK_ID, user="other"))
        assert [request.json for request in server.requests] == [{"user": "tester"}, {"user": "other"}]
        assert server.requests[0].path == f"/v1/workflows/tasks/{TASK_ID}/stop"


class TestRunRequests:
    @both_clients
    @pytest.mark.parametrize("mode", ["blocking", "streaming"])
    def test_exactly_this_is_sent(self, using: Using, mode: str) -> None:
        with Server({RUN: by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))}) as server:
            using(server.url, lambda client: client.run_inputs(INPUTS, response_mode=mode))
        [request] = server.requests
        assert request.json == {
            "inputs": {"string": "a", "num": 1, "list": "list_a"},
            "response_mode": mode,
            "user": "tester",
        }
        assert request.headers["content-type"] == "application/json"
        assert b'"num":1,' in request.body
        assert "x-trace-id" not in request.headers

    @both_clients
    @pytest.mark.parametrize("mode", ["blocking", "streaming"])
    def test_a_version_and_a_trace(self, using: Using, mode: str) -> None:
        routes = {"POST /v1/workflows/*/run": by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))}
        version = "e738cb06-a46a-45bf-b230-e3532103efdf"
        with Server(routes) as server:
            options = {"response_mode": mode, "workflow_id": version, "trace_id": "trace-1_A"}
            using(server.url, lambda client: client.run_inputs(INPUTS, **options))
        [request] = server.requests
        assert request.path == f"/v1/workflows/{version}/run"
        assert request.headers["x-trace-id"] == "trace-1_A"

    @both_clients
    def test_another_response_mode(self, using: Using) -> None:
        with pytest.raises(ValueError, match="'blocking' or 'streaming'"):
            using("http://127.0.0.1:1", lambda client: client.run_inputs(INPUTS, response_mode="batch"))

    @both_clients
    def test_a_server_in_maintenance_goes_on_with_the_run_later(self, using: Using) -> None:
        accepted = as_json(
            {"event": "workflow_maintenance_paused", "workflow_run_id": RUN_ID}, 202, **{"Retry-After": "1"}
        )
        with Server({RUN: accepted, DETAIL: [as_json(detail("running")), as_json(detail())]}) as server:
            run = using(server.url, lambda client: client.run_inputs(INPUTS))
        assert run.outputs.result == RESULT
        assert server.runs == 1


def resume_routes(*streams: Any, **more: Any) -> dict[str, Any]:
    return {EVENTS: list(streams), FORMS: as_json({}), **more}


class TestHumanInput:
    @both_clients
    def test_a_pause_leads_to_forms(self, using: Using) -> None:
        with Server({RUN: stream(PAUSED)}) as server, pytest.raises(runtime.RunPausedError, match="Approve") as caught:
            using(server.url, lambda client: client.run_inputs(INPUTS, response_mode="streaming"))
        [form] = caught.value.forms
        assert (form.form_token, form.node_title, form.form_content) == (
            FORM["form_token"],
            "Approve",
            "Please review **T1**",
        )
        assert [(action.id, action.title) for action in form.actions] == [("approve", "Approve")]
        assert form.expiration_time == datetime.fromtimestamp(1795492872, UTC)
        assert caught.value.workflow_run_id == RUN_ID

    def test_events_lead_to_the_same_form(self) -> None:
        with (
            Server({RUN: stream(PAUSED)}) as server,
            ConcatClient(base_url=server.url, api_key="app-x") as client,
            client.stream() as events,
        ):
            forms = []
            for happened in events:
                match happened:
                    case runtime.HumanInputRequired(form=form):
                        forms.append(form)
                    case runtime.WorkflowPaused(forms=(form,), paused_nodes=("human1",)):
                        forms.append(form)
        assert [form.form_token for form in forms] == [FORM["form_token"]] * 2

    def test_the_recorded_pause(self) -> None:
        with (
            Server({RUN: replay("hitl_pause_streaming_approve")}) as server,
            pytest.raises(runtime.RunPausedError) as caught,
        ):
            with_sync(server.url, lambda client: client.run_inputs(INPUTS, response_mode="streaming"))
        [form] = caught.value.forms
        assert [(field.name, field.type, field.default["value"]) for field in form.inputs] == [
            ("comment", "paragraph", "looks fine")
        ]
        assert [action.id for action in form.actions] == ["approve", "reject"]

    @both_clients
    def test_a_form_is_read(self, using: Using) -> None:
        with Server({FORMS: replay("hitl_pause_streaming_approve_form_get")}) as server:
            form = using(server.url, lambda client: client.get_form("QOcgBIw5k1huNx1B6S2ovR"))
        assert form.form_token == "QOcgBIw5k1huNx1B6S2ovR"
        assert [action.id for action in form.actions] == ["approve", "reject"]
        assert server.requests[0].line == "GET /v1/form/human_input/QOcgBIw5k1huNx1B6S2ovR"

    @both_clients
    def test_a_form_is_submitted(self, using: Using) -> None:
        field = {"type": "paragraph", "output_variable_name": "comment"}
        form = runtime.Form({**FORM, "inputs": [field]})
        with Server({FORMS: replay("hitl_pause_streaming_approve_form_post")}) as server:
            using(server.url, lambda client: client.submit_form(form, action="approve", inputs={"comment": "ok"}))
        [request] = server.requests
        assert request.line == f"POST /v1/form/human_input/{FORM['form_token']}"
        assert request.json == {"action": "approve", "inputs": {"comment": "ok"}, "user": "tester"}

    @both_clients
    @pytest.mark.parametrize(
        ("case", "error"),
        [
            ("hitl_pause_streaming_approve_form_post_again", runtime.FormClosedError),
            ("hitl_pause_streaming_approve_form_post_bad_action", runtime.APIError),
            ("hitl_pause_streaming_approve_form_post_missing_input", runtime.APIError),
        ],
    )
    def test_a_form_that_cannot_be_submitted(self, using: Using, case: str, error: type[Exception]) -> None:
        form = runtime.Form(FORM)
        with Server({FORMS: replay(case)}) as server, pytest.raises(error):
            using(server.url, lambda client: client.submit_form(form, action="approve"), max_retries=3)
        assert len(server.requests) == 1

    def test_a_form_without_a_token(self) -> None:
        with pytest.raises(runtime.ConfigurationError, match="no token"):
            with_sync("http://127.0.0.1:1", lambda client: client.submit_form(runtime.Form({}), action="approve"))

    def test_from_the_pause_back_into_the_stream(self) -> None:
        """The server still tells the answered pause for a moment, until a worker takes the run up."""
        still_paused = [PING, STARTED, PAUSED[-1], RESUMED, *SECOND_HALF]
        with (
            Server({RUN: stream(PAUSED), **resume_routes(stream(still_paused))}) as server,
            ConcatClient(base_url=server.url, api_key="app-x", user="tester") as client,
        ):
            with pytest.raises(runtime.RunPausedError) as caught:
                client.run(response_mode="streaming")
            client.submit_form(caught.value.forms[0], action="approve")
            with client.resume(caught.value) as events:
                names = [type(happened).__name__ for happened in events]
                assert events.result().outputs.result == RESULT
        assert names == ["Ping", "WorkflowStarted", "WorkflowStarted", "TextChunk", "NodeFinished", "WorkflowFinished"]
        query = server.requests[-1].query
        assert query == {"user": "tester", "include_state_snapshot": "true", "continue_on_pause": "true"}

    def test_the_same_from_async_code(self) -> None:
        async def call(url: str) -> str:
            async with AsyncConcatClient(base_url=url, api_key="app-x", user="tester") as client:
                async with client.stream() as events:
                    paused = [happened async for happened in events if isinstance(happened, runtime.WorkflowPaused)]
                await client.submit_form(paused[0].forms[0], action="approve")
                async with client.resume(RUN_ID) as events:
                    return (await events.result()).outputs.result

        routes = {RUN: stream(PAUSED), **resume_routes(stream([PAUSED[-1], RESUMED, *SECOND_HALF]))}
        with Server(routes) as server:
            assert asyncio.run(call(server.url)) == RESULT

    @both_clients
    def test_a_pause_that_nobody_has_answered_ends_the_stream_again(self, using: Using) -> None:
        with Server(resume_routes(stream(PAUSED))) as server, pytest.raises(runtime.RunPausedError):
            using(server.url, lambda client: client.resume(RUN_ID).result())


class TestFollowingARun:
    @both_clients
    def test_a_run_that_is_over(self, using: Using) -> None:
        with Server({EVENTS: stream([finished()])}) as server:
            run = using(server.url, lambda client: client.resume(RUN_ID).result())
        assert run.outputs.result == RESULT
        assert server.runs == 0

    @both_clients
    def test_an_unknown_run(self, using: Using) -> None:
        missing = as_json({"code": "not_found", "message": "Workflow run not found", "status": 404}, 404)
        with Server({EVENTS: missing}) as server, pytest.raises(runtime.NotFoundError):
            using(server.url, lambda client: client.resume(RUN_ID).result())

    @both_clients
    def test_a_server_that_is_too_old(self, using: Using) -> None:
        with Server({}) as server, pytest.raises(runtime.UnexpectedResponseError):
            using(server.url, lambda client: client.resume(RUN_ID).result())

    @both_clients
    def test_it_survives_a_cut_as_well(self, using: Using) -> None:
        with Server({EVENTS: [broken(FIRST_HALF, fin), stream([*FIRST_HALF, *SECOND_HALF])]}) as server:
            events = using(server.url, lambda client: aiter_or_iter(client.resume(RUN_ID)))
        names = [type(happened).__name__ for happened in events]
        assert names.count("WorkflowStarted") == 1
        assert names[-1] == "WorkflowFinished"

    @both_clients
    def test_the_last_event_id_goes_along(self, using: Using) -> None:
        first = [b"id: 1-0\n" + piece for piece in FIRST_HALF]
        with Server({RUN: broken(first, fin), EVENTS: stream(SECOND_HALF)}) as server:
            run = using(server.url, lambda client: client.run_inputs(INPUTS, response_mode="streaming"))
        assert run.outputs.result == RESULT
        assert server.requests[-1].headers["last-event-id"] == "1-0"


def aiter_or_iter(stream: Any) -> Any:
    return aiter(stream) if hasattr(stream, "__aiter__") else iter(stream)


CHUNKS = [
    STARTED,
    text_chunk("Hel"),
    event("text_chunk", text="\n", from_variable_selector=["end1", "answer"]),
    event("text_chunk", text="other", from_variable_selector=["llm", "text"]),
    event("text_chunk", text="no source"),
    text_chunk("lo"),
    text_chunk(""),
    event("text_chunk", text="!", from_variable_selector=["code1", "more"]),
    finished(),
]


class Code(runtime.WorkflowNode):
    CODE1 = ("code1", "code", "Join")


class TestText:
    @both_clients
    @pytest.mark.parametrize(
        ("source", "pieces"),
        [
            (("code1", "result"), ["Hel", "lo"]),
            (["llm", "text"], ["other"]),
            ("code1", ["Hel", "lo", "!"]),
            (Code.CODE1, ["Hel", "lo", "!"]),
            ("nobody", []),
        ],
    )
    def test_only_the_pieces_of_one_source(self, using: Using, source: Any, pieces: list[str]) -> None:
        with Server({RUN: stream(CHUNKS)}) as server:
            assert using(server.url, lambda client: aiter_or_iter(client.stream().text(source))) == pieces

    def test_an_output_has_the_sources_that_the_definition_tells(self) -> None:
        class Known(ConcatClient):
            _workflow = runtime.WorkflowInfo(
                name="known", outputs=ConcatClient._workflow.outputs, text_sources={"llm": [["code1", "result"]]}
            )

        with (
            Server({RUN: stream(CHUNKS)}) as server,
            Known(base_url=server.url, api_key="app-x") as client,
            client.stream() as events,
        ):
            assert list(events.text("llm")) == ["Hel", "lo"]
            assert events.result().outputs.result == RESULT


class TestStreams:
    def test_ids_are_known_from_the_first_event_on(self) -> None:
        with (
            Server({RUN: stream(NORMAL)}) as server,
            ConcatClient(base_url=server.url, api_key="app-x") as client,
            client.stream() as events,
        ):
            assert (events.workflow_run_id, events.task_id) == (None, None)
            next(events)
            assert (events.workflow_run_id, events.task_id) == (RUN_ID, TASK_ID)

    def test_the_result_can_be_asked_for_at_any_time(self) -> None:
        with Server({RUN: stream(NORMAL)}) as server, ConcatClient(base_url=server.url, api_key="app-x") as client:
            assert client.stream().result().outputs.result == RESULT
            with client.stream() as events:
                for _ in events:
                    break
                assert next(events).event == "node_started"
                assert events.result() == events.result()
                assert list(events) == []
            assert events.result().outputs.result == RESULT

    def test_a_stream_that_was_left_has_no_result(self) -> None:
        with Server({RUN: stream(NORMAL)}) as server, ConcatClient(base_url=server.url, api_key="app-x") as client:
            with client.stream() as events:
                next(events)
            with pytest.raises(runtime.StreamInterruptedError, match="closed before the run ended") as caught:
                events.result()
        assert caught.value.workflow_run_id == RUN_ID

    def test_events_around_a_broken_one_are_delivered(self) -> None:
        pieces = [STARTED + NORMAL[1] + b"data: {oops}\n\n" + NORMAL[2]]
        with Server({RUN: stream(pieces)}) as server, ConcatClient(base_url=server.url, api_key="app-x") as client:
            seen = []
            with client.stream() as events, pytest.raises(runtime.StreamInterruptedError) as caught:
                for happened in events:
                    seen.append(happened.event)
        assert seen == ["workflow_started", "node_started", "node_finished"]
        assert caught.value.workflow_run_id == RUN_ID

    def test_events_before_a_broken_one_are_delivered(self) -> None:
        pieces = [STARTED + NORMAL[1] + b"data: {oops}\n\n"]
        with Server({RUN: stream(pieces)}) as server, ConcatClient(base_url=server.url, api_key="app-x") as client:
            seen = []
            with client.stream() as events, pytest.raises(runtime.StreamDecodeError) as caught:
                for happened in events:
                    seen.append(happened.event)
        assert seen == ["workflow_started", "node_started"]
        assert caught.value.data == b"{oops}"
        assert caught.value.workflow_run_id == RUN_ID

    def test_data_that_is_empty_or_of_another_shape(self) -> None:
        for data in (b"[1]", b'"text"', b"1", b"null"):
            pieces = [STARTED, b"data:\n\n", b"data: " + data + b"\n\n"]
            with (
                Server({RUN: stream(pieces)}) as server,
                pytest.raises(runtime.StreamDecodeError, match="no JSON object"),
            ):
                with_sync(server.url, lambda client: client.stream().result())

    def test_blanks_around_the_json(self) -> None:
        pieces = [b"data:  " + piece.removeprefix(b"data: ").rstrip(b"\n") + b" \n\n" for piece in NORMAL]
        with Server({RUN: stream(pieces)}) as server:
            assert with_sync(server.url, lambda client: client.stream().result()).outputs.result == RESULT

    def test_an_async_stream_can_be_asked_for_one_event(self) -> None:
        async def call(url: str) -> list[str]:
            async with AsyncConcatClient(base_url=url, api_key="app-x") as client, client.stream() as events:
                return [(await anext(events)).event, (await anext(aiter(events))).event, (await events.result()).status]

        with Server({RUN: stream(NORMAL)}) as server:
            assert asyncio.run(call(server.url)) == ["workflow_started", "node_started", "succeeded"]
