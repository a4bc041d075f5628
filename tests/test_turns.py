"""What a caller does with turns of chat-type apps: what is sent, what is refused before, what one does with a turn."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import runtime
from support.chat_clients import Agent, AnyInputs, AsyncChat, AsyncFlow, Chat, Completion, Flow
from support.fault_events import broken, fin, silence
from support.servers import DETAIL, EVENTS, Connection, Request, Routes, Server, answer, as_json, by_mode, html, stream
from support.turn_cases import (
    AGENT_TURN,
    ANSWER,
    BODY,
    CHAT,
    CHAT_TURN,
    COMPLETION,
    CONVERSATION_ID,
    END,
    FLOW_HEAD,
    FLOW_TURN,
    FORM,
    HALF,
    MESSAGE_ID,
    PAUSED,
    PIECES,
    PING,
    RUN_ID,
    SNAPSHOT,
    STARTED,
    TASK_ID,
    TEXT,
    finished,
    node,
    said,
    thought,
    told,
)
from support.turn_cases import detail as stored_run

KEY = "app-SecretThatMustNotLeak"
OPTIONS: dict[str, Any] = {"api_key": KEY, "user": "u1", "timeout": 60.0, "idle_timeout": 20.0, "max_retries": 0}
INPUTS = AnyInputs(name="Ada")
FEEDBACK = f"POST /v1/messages/{MESSAGE_ID}/feedbacks"
SUGGESTED = f"GET /v1/messages/{MESSAGE_ID}/suggested"
STOP = f"POST /v1/chat-messages/{TASK_ID}/stop"
UPLOAD = "POST /v1/files/upload"
DONE = as_json({"result": "success"})
ROUTES: Routes = {CHAT: by_mode(streaming=stream(CHAT_TURN), blocking=as_json(BODY)), FEEDBACK: DONE, STOP: DONE}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that takes turns of a chat."""
    uploaded = as_json({"id": "upload1", "name": "a.pdf", "extension": "pdf"}, 201)
    questions = as_json({"result": "success", "data": ["And now?"]})
    with Server({**ROUTES, UPLOAD: uploaded, SUGGESTED: questions}) as server:
        yield server


@contextmanager
def served(kind: Any, routes: Routes, **options: Any) -> Iterator[tuple[Server, Any]]:
    """A server with these routes, and a client of it."""
    with Server(routes) as server, kind(base_url=server.url, **{**OPTIONS, **options}) as client:
        yield server, client


class TestWhatIsSent:
    def test_the_least(self, server: Server) -> None:
        with Chat(base_url=server.url, **OPTIONS) as client:
            client.chat_inputs("Who?", INPUTS)
        body = {"inputs": {"name": "Ada"}, "query": "Who?", "response_mode": "streaming", "user": "u1"}
        assert server.requests[0].json == body

    def test_all_there_is(self, server: Server) -> None:
        with Flow(base_url=server.url, **OPTIONS) as client:
            client.chat_inputs(
                "Who?",
                INPUTS,
                user="u2",
                conversation_id=CONVERSATION_ID,
                files=["https://dify.example/a.pdf"],
                response_mode="blocking",
                workflow_id="w1",
                trace_id="t-1",
                parent_message_id="m1",
                auto_generate_name=False,
            )
        file = {"type": "document", "transfer_method": "remote_url", "url": "https://dify.example/a.pdf"}
        assert server.requests[0].json == {
            "inputs": {"name": "Ada"},
            "query": "Who?",
            "response_mode": "blocking",
            "user": "u2",
            "conversation_id": CONVERSATION_ID,
            "files": [file],
            "workflow_id": "w1",
            "parent_message_id": "m1",
            "auto_generate_name": False,
        }
        assert server.requests[0].headers["x-trace-id"] == "t-1"

    def test_a_blank_conversation_is_a_new_one(self, server: Server) -> None:
        with Chat(base_url=server.url, **OPTIONS) as client:
            client.chat_inputs("Who?", INPUTS, conversation_id="")
        assert "conversation_id" not in server.requests[0].json

    def test_local_files_are_uploaded_for_the_same_user(self, server: Server, tmp_path: Path) -> None:
        (tmp_path / "a.pdf").write_bytes(b"%PDF")
        with Chat(base_url=server.url, **OPTIONS) as client:
            client.chat_inputs("Who?", INPUTS, user="u2", files=[tmp_path / "a.pdf", ("b.pdf", b"%PDF")])
        upload, _, turn = server.requests
        assert b"u2" in upload.body
        assert [file["upload_file_id"] for file in turn.json["files"]] == ["upload1", "upload1"]


class TestWhatIsRefused:
    """Before anything is sent."""

    @pytest.mark.parametrize(
        ("call", "says"),
        [
            (lambda chat: chat.chat_inputs("", INPUTS), "query"),
            (lambda chat: chat.chat_inputs(None, INPUTS), "query"),
            (lambda chat: chat.chat_inputs("Who?", INPUTS, conversation_id=5), "conversation_id"),
            (lambda chat: chat.chat_inputs("Who?", INPUTS, files=["https://x.example/a.pdf"] * 4), "takes 3 files"),
            (lambda chat: chat.chat_inputs("Who?", INPUTS, files=["no-such-file.pdf"]), "no-such-file"),
            (lambda chat: chat.chat_inputs("Who?", INPUTS, files="a.pdf"), "list"),
            (lambda chat: chat.chat_inputs("Who?", INPUTS, workflow_id="w"), "chatflows"),
            (lambda chat: chat.stream_inputs("", INPUTS), "query"),
        ],
    )
    def test_mistakes(self, server: Server, call: Any, says: str) -> None:
        with Chat(base_url=server.url, **OPTIONS) as client, pytest.raises(runtime.ConfigurationError, match=says):
            call(client)
        assert server.requests == []

    def test_files_where_there_are_none(self, server: Server) -> None:
        with Agent(base_url=server.url, **OPTIONS) as client:
            with pytest.raises(runtime.ConfigurationError, match="file upload is off"):
                client.chat_inputs("Who?", INPUTS, files=["https://x.example/a.pdf"])
            with pytest.raises(runtime.ConfigurationError, match="no blocking mode"):
                client.chat_inputs("Who?", INPUTS, response_mode="blocking")
        assert server.requests == []

    def test_options_of_no_kind(self, server: Server) -> None:
        with Chat(base_url=server.url, **OPTIONS) as client:
            with pytest.raises(TypeError):
                client.chat_inputs("Who?", INPUTS, colour="red")  # type: ignore[call-arg]
            with pytest.raises(ValueError, match="response_mode"):
                client.chat_inputs("Who?", INPUTS, response_mode="slow")  # type: ignore[arg-type]


class TestATurn:
    def test_what_it_says(self, server: Server) -> None:
        with Chat(base_url=server.url, **OPTIONS) as client:
            turn = client.chat_inputs("Who?", INPUTS)
        assert (turn.answer, turn.status, turn.succeeded) == (ANSWER, "succeeded", True)
        assert (turn.conversation_id, turn.message_id, turn.task_id) == (CONVERSATION_ID, MESSAGE_ID, TASK_ID)
        assert turn.usage is not None and turn.usage.total_tokens == 10
        assert str(turn.usage.total_price) == "9E-7"
        assert turn.citations[0].document_name == "a.md"
        assert turn.created_at is not None and turn.workflow_run_id is None

    def test_the_steps_of_an_agent(self) -> None:
        with served(Agent, {CHAT: stream(AGENT_TURN)}) as (server, client):
            turn = client.chat_inputs("Who?", INPUTS)
        (step,) = turn.thoughts
        assert (step.tools, step.observation, step.message_files) == (("draw", "paint"), "done", ("file1",))
        (file,) = turn.files
        assert (file.related_id, file.type) == ("file1", "image")
        assert file.download_url == f"{server.origin}/files/tools/x.png"

    def test_its_files_are_downloaded_by_the_client_whatever_told_them(self, tmp_path: Path) -> None:
        picture = answer(b"PNG", 200, **{"Content-Type": "image/png"})
        with served(Agent, {CHAT: stream(AGENT_TURN), "GET /files/tools/x.png": picture}) as (server, client):
            turn = client.chat_inputs("Who?", INPUTS)
            with client.stream_inputs("Who?", INPUTS) as events:
                (told_of,) = [event for event in events if isinstance(event, runtime.MessageFile)]
            written = [
                client.download(turn.files[0], tmp_path / "turn.png"),
                client.download(told_of.url, tmp_path / "event.png"),
                turn.files[0].download(tmp_path),
            ]
            fetched = [request for request in server.requests if request.path.startswith("/files/")]
        assert [path.read_bytes() for path in written] == [b"PNG"] * 3
        assert [path.parent for path in written] == [tmp_path] * 3
        assert len(fetched) == 3 and all("authorization" not in request.headers for request in fetched)

    def test_feedback_and_questions(self, server: Server) -> None:
        with Chat(base_url=server.url, **OPTIONS) as client:
            turn = client.chat_inputs("Who?", INPUTS, user="u2")
            turn.like()
            turn.dislike("wrong order")
            turn.revoke_feedback()
            assert turn.suggested_questions() == ("And now?",)
        names = ("rating", "content", "user")
        sent = [tuple(request.json[name] for name in names) for request in server.requests[1:4]]
        assert sent == [("like", None, "u2"), ("dislike", "wrong order", "u2"), (None, None, "u2")]
        assert server.requests[4].query == {"user": "u2"}

    def test_feedback_and_questions_async(self, server: Server) -> None:
        async def use() -> None:
            async with AsyncChat(base_url=server.url, **OPTIONS) as client:
                turn = await client.chat_inputs("Who?", INPUTS)
                await turn.like("good")
                assert await turn.suggested_questions() == ("And now?",)

        asyncio.run(use())
        assert server.requests[1].json == {"rating": "like", "content": "good", "user": "u1"}

    def test_questions_of_an_app_that_suggests_none(self) -> None:
        with served(Flow, {CHAT: stream(FLOW_TURN)}) as (_server, client):
            turn = client.chat_inputs("Who?", INPUTS)
            with pytest.raises(runtime.ConfigurationError, match="questions after an answer"):
                turn.suggested_questions()

    def test_a_stop_by_this_client_is_known_in_a_chat(self) -> None:
        """The server's stream ends as any other does, without usage."""
        ended = told("message_end", id=MESSAGE_ID, metadata={"usage": {"total_tokens": 0}}, files=None)
        with (
            served(Chat, {**ROUTES, CHAT: broken([*TEXT[:2], ended], silence, every=0.2)}) as (_server, client),
            client.stream_inputs("Who?", INPUTS) as events,
        ):
            next(events)
            assert events.task_id is not None
            client.stop(events.task_id)
            with pytest.raises(runtime.TurnStoppedError) as caught:
                events.result()
        assert (caught.value.turn.status, caught.value.answer) == ("stopped", HALF)

    def test_a_stream_that_is_left_stops_the_turn_where_that_is_wanted(self) -> None:
        with served(Chat, {**ROUTES, CHAT: broken(TEXT[:2], silence)}) as (server, client):
            for stops in (False, True):
                with client.stream_inputs("Who?", INPUTS, stop_on_exit=stops) as events:
                    next(events)
        assert [request.line for request in server.requests] == [CHAT, CHAT, STOP]

    def test_a_stop_goes_where_the_turn_came_from(self) -> None:
        stops = "POST /v1/completion-messages/t1/stop"
        with served(Completion, {stops: DONE}) as (server, client):
            client.stop("t1", user="u2")
        assert [(request.line, request.json) for request in server.requests] == [(stops, {"user": "u2"})]

    def test_the_run_of_a_chatflow_can_be_read(self) -> None:
        with served(Flow, {DETAIL: stored_run()}) as (_server, client):
            run = client.get_run(RUN_ID)
        assert (run.status, run.outputs.answer) == ("succeeded", ANSWER)


class TestText:
    def pieces(self, kind: Any, sent: list[bytes], *nodes: str) -> list[str]:
        with served(kind, {CHAT: stream(sent)}) as (_server, client), client.stream_inputs("Who?", INPUTS) as events:
            return list(events.text(*nodes))

    def test_all_of_it(self) -> None:
        assert self.pieces(Chat, CHAT_TURN) == PIECES[:3]
        assert self.pieces(Flow, FLOW_TURN) == PIECES[:3]

    def test_of_one_node(self) -> None:
        other = told("message", id=MESSAGE_ID, answer="bye", from_variable_selector=["answer1", "answer"])
        sent = [*FLOW_TURN[:-2], other, END, finished(answer=f"{ANSWER}bye")]
        assert self.pieces(Flow, sent, "answer1") == ["bye"]
        assert "".join(self.pieces(Flow, sent, "llm1")) == ANSWER
        assert "".join(self.pieces(Flow, sent, "llm1", "answer1")) == f"{ANSWER}bye"
        assert "".join(self.pieces(Flow, sent)) == f"{ANSWER}bye"

    def test_an_agent_that_repeats_itself_at_its_end(self) -> None:
        sent = [*[said(piece) for piece in PIECES], told("message", id=MESSAGE_ID, answer=f"{ANSWER} Bye."), END]
        assert "".join(self.pieces(Agent, sent)) == f"{ANSWER} Bye."

    def test_the_answer_so_far(self) -> None:
        sent = [*TEXT[:2], told("message_replace", answer="No.", reason=""), END]
        with served(Chat, {CHAT: stream(sent)}) as (_server, client), client.stream_inputs("Who?", INPUTS) as events:
            next(events)
            seen = {events.answer}
            seen |= {events.answer for _ in events}
        assert "No." in seen and seen <= {PIECES[0], HALF, "No."}

    def test_a_text_generator(self) -> None:
        sent = [told("message", answer="Dear"), told("message", answer=" all"), END]
        with served(Completion, {COMPLETION: stream(sent)}) as (server, client), client.stream_inputs(INPUTS) as events:
            assert list(events.text()) == ["Dear", " all"]
        assert "query" not in server.requests[0].json


class TestHumanInput:
    """A chatflow that waits for a person, and goes on."""

    RESUMED = told(
        "workflow_started", workflow_run_id=RUN_ID, data={"id": RUN_ID, "inputs": {}, "reason": "resumption"}
    )

    def events(self, connection: Connection, request: Request) -> None:
        assert request.query["continue_on_pause"] == "true"
        before = [PING, STARTED, told("message_replace", answer=HALF, reason=""), node("node_started"), PAUSED]
        after = [self.RESUMED, *TEXT[2:], END, finished()]
        stream([*before, *after])(connection, request)

    def routes(self) -> Routes:
        form = "POST /v1/form/human_input/token1"
        return {CHAT: stream([*FLOW_HEAD, PAUSED]), EVENTS: self.events, form: as_json({})}

    def test_blocking(self) -> None:
        with served(Flow, self.routes()) as (server, client):
            with pytest.raises(runtime.TurnPausedError) as caught:
                client.chat_inputs("Who?", INPUTS)
            (form,) = caught.value.forms
            client.submit_form(form, action="approve")
            with client.resume(caught.value) as events:
                assert "".join(events.text()) == ANSWER
                turn = events.result()
        assert (turn.answer, turn.message_id) == (ANSWER, MESSAGE_ID)
        assert server.runs == 1
        assert form.form_token == FORM["form_token"]

    def test_async(self) -> None:
        async def use(url: str) -> runtime.AsyncTurn:
            async with AsyncFlow(base_url=url, **OPTIONS) as client:
                with pytest.raises(runtime.TurnPausedError) as caught:
                    await client.chat_inputs("Who?", INPUTS)
                await client.submit_form(caught.value.forms[0], action="approve")
                async with client.resume(str(caught.value.workflow_run_id)) as events:
                    return await events.result()

        with Server(self.routes()) as server:
            assert asyncio.run(use(server.url)).answer == ANSWER

    def test_a_finished_run_is_told_by_its_end(self) -> None:
        """No event tells the conversation or the message then."""
        ended = finished().replace(b'"conversation_id"', b'"c"').replace(b'"message_id"', b'"m"')
        with served(Flow, {EVENTS: stream([ended])}) as (_server, client):
            turn = client.resume(RUN_ID).result()
        assert (turn.answer, turn.workflow_run_id, turn.message_id) == (ANSWER, RUN_ID, "")
        with pytest.raises(runtime.ConfigurationError, match="message_id"):
            turn.like()


@pytest.mark.parametrize("ending", [fin, silence], ids=["fin", "silence"])
def test_cut_anywhere_nothing_is_lost_of_a_chatflow(ending: Any) -> None:
    """From the run's id on; what was sent over no connection is in the end of the run."""
    sent = b"".join(FLOW_TURN)
    begun = len(PING + STARTED)
    for size in range(begun, len(sent) + 1, 211):
        events = stream([*SNAPSHOT, *TEXT[3:], END, finished()])
        with served(Flow, {CHAT: broken([sent[:size]], ending), EVENTS: events}, idle_timeout=0.5) as (server, client):
            assert client.chat_inputs("Who?", INPUTS).answer == ANSWER, size
        assert server.runs == 1


@pytest.mark.parametrize("kind", [Chat, Agent, Flow])
def test_cut_anywhere_a_turn_ends_well_or_says_what_came(kind: Any) -> None:
    turn = {Chat: CHAT_TURN, Agent: AGENT_TURN, Flow: FLOW_TURN}[kind]
    sent = b"".join(turn)
    for size in range(0, len(sent), 157):
        with served(kind, {CHAT: broken([sent[:size]] if size else [], fin), EVENTS: html(404)}, max_reconnects=0) as (
            server,
            client,
        ):
            try:
                assert client.chat_inputs("Who?", INPUTS).answer == ANSWER
                assert b"message_end" in sent[:size]
            except runtime.StreamInterruptedError as error:
                assert ANSWER.startswith(error.answer)
                whole = [piece for piece in sent[:size].split(b"\n\n")[:-1] if b'"answer"' in piece]
                pieces = [json.loads(piece[6:])["answer"] for piece in whole]
                assert error.answer == "".join(pieces)
        assert server.runs == 1


class TestPostedOnce:
    """However a stream is used, its turn is asked for once."""

    def test_again_and_again(self, server: Server) -> None:
        with Chat(base_url=server.url, **OPTIONS) as client:
            events = client.stream_inputs("Who?", INPUTS)
            next(events)
            assert [*events] and not [*events]
            assert events.result() is events.result()
            events.close()
        assert server.runs == 1

    def test_after_a_wait_that_was_cancelled(self) -> None:
        """A chat cannot be taken up again; a chatflow is."""

        async def use(kind: Any, url: str, sent: int) -> Any:
            async with kind(base_url=url, **OPTIONS) as client, client.stream_inputs("Who?", INPUTS) as events:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(60) as limit:
                        for _ in range(sent):
                            await anext(events)
                        limit.reschedule(asyncio.get_running_loop().time() + 0.1)
                        await anext(events)
                return await events.result()

        with Server({CHAT: broken(TEXT[:2], silence)}) as server:
            with pytest.raises(runtime.StreamInterruptedError, match="a turn may have been started") as caught:
                asyncio.run(use(AsyncChat, server.url, 2))
            assert caught.value.answer == HALF
        assert server.runs == 1
        with Server({CHAT: broken(FLOW_HEAD, silence), EVENTS: stream([*SNAPSHOT, END, finished()])}) as server:
            assert asyncio.run(use(AsyncFlow, server.url, len(FLOW_HEAD))).answer == ANSWER
        assert server.runs == 1

    def test_a_stream_that_lost_its_answer_is_not_asked_for_again(self) -> None:
        with served(Chat, {CHAT: [answer(b"", 502), stream(CHAT_TURN)]}, max_retries=3) as (server, client):
            events = client.stream_inputs("Who?", INPUTS)
            for _ in range(3):
                with pytest.raises(runtime.ServerError):
                    events.result()
        assert server.runs == 1


def test_a_step_that_fills_counts_once() -> None:
    steps = [thought(id=f"t{number // 3}", position=number // 3, thought="x" * (number % 3)) for number in range(9)]
    with served(Agent, {CHAT: stream([*steps, said(ANSWER), END])}) as (_server, client):
        turn = client.chat_inputs("Who?", INPUTS)
    assert [(step.id, step.thought) for step in turn.thoughts] == [("t0", "xx"), ("t1", "xx"), ("t2", "xx")]


def test_two_turns_of_one_client_at_once_each_get_their_own(server: Server) -> None:
    async def use() -> list[runtime.AsyncTurn]:
        async with AsyncChat(base_url=server.url, **OPTIONS) as client:
            return await asyncio.gather(*(client.chat_inputs(f"{number}?", INPUTS) for number in range(10)))

    assert [turn.answer for turn in asyncio.run(use())] == [ANSWER] * 10
    assert sorted(request.json["query"] for request in server.requests) == [f"{number}?" for number in range(10)]
