"""A conversation: its inputs are sent with every turn, its id once it is known, and one turn goes on at a time."""

import asyncio
import json
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from runtime import (
    ClosedError,
    ConfigurationError,
    ConversationMismatchError,
    ConversationNotFoundError,
    DeadlineExceededError,
    DifyError,
)
from support.lab_clients import OPTIONS, AsyncLabClient, LabClient
from support.replay import recording, replay
from support.servers import Connection, Handler, Request, Server, answer, as_json

POST = "POST /v1/chat-messages"
TALK = "8853df43-c541-4f4d-9f08-74a39b19ce3d"
OTHER = "70ff03ad-0d8c-4078-9de7-a7b13b6b69dd"


def event(name: str, talk: str = TALK, **members: Any) -> bytes:
    ids = {"conversation_id": talk, "message_id": "m1", "created_at": 1795638773, "task_id": "t1"}
    return b"data: " + json.dumps({"event": name, **ids, **members}).encode() + b"\n\n"


def turn_of(talk: str, text: str) -> Iterable[bytes]:
    yield b"event: ping\n\n"
    run = {"workflow_run_id": "r1", "data": {"id": "r1", "status": "succeeded", "outputs": {"answer": text}}}
    yield event("workflow_started", talk, workflow_run_id="r1", data={"id": "r1"})
    yield event("message", talk, answer=text, from_variable_selector=["llm", "text"])
    yield event("message_end", talk, metadata={})
    yield event("workflow_finished", talk, **run)


class Talks:
    """Answers turns with a conversation's id, the given one or a new one, and counts how many go on at once."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds = seconds
        self.inside = 0
        self.most = 0
        self.lock = threading.Lock()
        self.made = 0

    def __call__(self, connection: Connection, request: Request) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            talk = request.json.get("conversation_id") or f"talk-{self.made}"
            self.made += not request.json.get("conversation_id")
        connection.stream_head()
        time.sleep(self.seconds)
        *first, last = turn_of(talk, f"to {request.json['query']}")
        for piece in first:
            connection.chunk(piece)
        with self.lock:
            self.inside -= 1
        connection.chunk(last)
        connection.end()


def silent(connection: Connection, request: Request) -> None:
    """Say nothing until the server closes."""
    connection.server.stopping.wait(30)


class TestTurns:
    def test_every_turn_sends_the_inputs_the_user_and_the_id(self) -> None:
        with Server({POST: Talks()}) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation()
            assert conversation.id is None
            assert conversation.send("one").answer == "to one"
            assert conversation.id == "talk-0"
            assert conversation.send("two", response_mode="streaming").answer == "to two"
            bodies = [request.json for request in server.requests]
        assert [body.get("conversation_id") for body in bodies] == [None, "talk-0"]
        assert [body["inputs"] for body in bodies] == [{"name": "Ada"}] * 2
        assert [body["user"] for body in bodies] == ["u1"] * 2

    def test_files_go_with_a_turn(self) -> None:
        with Server({POST: Talks(), "POST /v1/files/upload": as_json({"id": "f1", "name": "a.txt"})}) as server:
            with LabClient(base_url=server.url, **OPTIONS) as client:
                client.conversation(TALK).send("look", files=[("a.txt", b"a")])
            body = server.requests[-1].json
        assert body["files"] == [{"type": "document", "transfer_method": "local_file", "upload_file_id": "f1"}]

    def test_recorded_turns_of_one_conversation(self) -> None:
        with Server({POST: [replay("chat_lab_streaming"), replay("chat_lab_second_turn_streaming")]}) as server:
            first = recording("chat_lab_streaming").events[-1]["conversation_id"]
            second = recording("chat_lab_second_turn_streaming").events[-1]["conversation_id"]
            with LabClient(base_url=server.url, **OPTIONS) as client:
                conversation = client.conversation()
                assert conversation.send("hello").conversation_id == conversation.id == first
                if first == second:
                    conversation.send("again")
                else:
                    with pytest.raises(ConversationMismatchError):
                        conversation.send("again")
                assert server.requests[-1].json["conversation_id"] == first

    def test_the_first_turn_of_many_threads_makes_one_conversation(self) -> None:
        talks = Talks()
        with Server({POST: talks}) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation()
            with ThreadPoolExecutor(8) as pool:
                turns = list(pool.map(conversation.send, [str(number) for number in range(16)]))
        assert {turn.conversation_id for turn in turns} == {"talk-0"}
        assert (talks.most, talks.made) == (1, 1)
        assert [turn.answer for turn in turns] == [f"to {number}" for number in range(16)]

    def test_so_does_the_first_of_many_tasks(self) -> None:
        async def talk(url: str) -> set[str | None]:
            async with AsyncLabClient(base_url=url, **OPTIONS) as client:
                conversation = client.conversation()
                turns = await asyncio.gather(*(conversation.send(str(number)) for number in range(16)))
                return {turn.conversation_id for turn in turns}

        talks = Talks()
        with Server({POST: talks}) as server:
            assert asyncio.run(talk(server.url)) == {"talk-0"}
            assert [request.json["query"] for request in server.requests] == [str(number) for number in range(16)]
        assert (talks.most, talks.made) == (1, 1)

    def test_two_conversations_do_not_wait_for_each_other(self) -> None:
        both = threading.Barrier(2, timeout=30)

        def together(connection: Connection, request: Request) -> None:
            both.wait()
            Talks()(connection, request)

        with Server({POST: together}) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversations = [client.conversation() for _ in range(2)]
            with ThreadPoolExecutor(2) as pool:
                turns = list(pool.map(lambda conversation: conversation.send("x"), conversations))
        assert [turn.answer for turn in turns] == ["to x"] * 2

    def test_a_stream_keeps_others_waiting_until_it_is_left(self) -> None:
        goes_on = threading.Event()

        def held(connection: Connection, request: Request) -> None:
            connection.stream_head()
            for piece in list(turn_of(TALK, "to one"))[:3]:
                connection.chunk(piece)
            goes_on.wait(30)

        with Server({POST: [held, Talks()]}) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation(TALK)
            with conversation.stream("one") as stream:
                assert next(iter(stream.text())) == "to one"
                with pytest.raises(DeadlineExceededError, match="one at a time"):
                    conversation.send("two", timeout=0.1)
            assert conversation.send("three").answer == "to three"
            goes_on.set()
            assert [request.json["query"] for request in server.requests] == ["one", "three"]

    def test_a_stream_that_was_never_read_keeps_nobody_waiting(self) -> None:
        with Server({POST: Talks()}) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation(TALK)
            stream = conversation.stream("one")
            assert conversation.send("two").answer == "to two"
            stream.close()
            assert len(server.requests) == 1

    def test_a_cancelled_turn_keeps_nobody_waiting(self) -> None:
        async def talk(url: str) -> None:
            async with AsyncLabClient(base_url=url, **OPTIONS) as client:
                conversation = client.conversation(TALK)
                first = asyncio.ensure_future(conversation.send("one"))
                while not server.requests:
                    await asyncio.sleep(0.001)
                first.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await first
                assert (await conversation.send("two")).answer == "to two"

        with Server({POST: [silent, Talks()]}) as server:
            asyncio.run(talk(server.url))

    def test_a_failed_first_turn_leaves_a_conversation(self) -> None:
        broken = [b"event: ping\n\n", event("workflow_started", workflow_run_id="r1", data={"id": "r1"})]
        failed = event("workflow_finished", workflow_run_id="r1", data={"id": "r1", "status": "failed", "error": "x"})

        def fail(connection: Connection, request: Request) -> None:
            connection.stream_head()
            for piece in [*broken, failed]:
                connection.chunk(piece)
            connection.end()

        with Server({POST: [fail, Talks()]}) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation()
            with pytest.raises(DifyError):
                conversation.send("one")
            assert conversation.id == TALK
            assert conversation.send("two").conversation_id == TALK


class TestWrongOnes:
    def test_an_answer_in_another_conversation_is_an_error(self) -> None:
        def elsewhere(connection: Connection, request: Request) -> None:
            connection.stream_head()
            for piece in turn_of(OTHER, "hello"):
                connection.chunk(piece)
            connection.end()

        with Server({POST: elsewhere}) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation(TALK)
            with pytest.raises(ConversationMismatchError) as caught:
                conversation.send("one")
            assert caught.value.conversation_id == OTHER
            assert conversation.id == TALK
            assert len(server.requests) == 1

    def test_one_that_the_server_does_not_know(self) -> None:
        with Server({POST: replay("chat_lab_wrong_conversation_id")}) as server:
            with LabClient(base_url=server.url, **OPTIONS) as client, pytest.raises(ConversationNotFoundError):
                client.conversation(TALK).send("one", response_mode="blocking")
            assert len(server.requests) == 1

    def test_one_that_was_deleted_sends_no_turn(self) -> None:
        routes: dict[str, Handler] = {POST: Talks(), "DELETE *": answer(b"", 204)}
        with Server(routes) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation()
            conversation.send("one")
            conversation.delete()
            for call in (conversation.send, lambda query: conversation.stream(query).result()):
                with pytest.raises(ConfigurationError, match="was deleted"):
                    call("two")
            assert len(server.requests) == 2

    def test_a_delete_waits_for_the_turn_that_goes_on(self) -> None:
        order: list[str] = []
        talks = Talks(0.2)

        def talk(connection: Connection, request: Request) -> None:
            talks(connection, request)
            order.append("turn")

        def delete(connection: Connection, request: Request) -> None:
            order.append("delete")
            answer(b"", 204)(connection, request)

        with Server({POST: talk, "DELETE *": delete}) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation(TALK)
            thread = threading.Thread(target=conversation.send, args=("one",))
            thread.start()
            while not server.requests:
                time.sleep(0.001)
            conversation.delete()
            thread.join(30)
        assert order == ["turn", "delete"]

    def test_closing_the_client_ends_whoever_waits(self) -> None:
        raised: list[BaseException] = []

        def send(query: str) -> None:
            try:
                conversation.send(query)
            except BaseException as error:  # noqa: BLE001
                raised.append(error)

        with Server({POST: silent}) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation(TALK)
            threads = [threading.Thread(target=send, args=(query,)) for query in ("one", "two")]
            for thread in threads:
                thread.start()
            while not server.requests or not conversation._flows.state._turnstile._waiting:
                time.sleep(0.001)
            client.close()
            for thread in threads:
                thread.join(30)
            assert len(server.requests) == 1
        assert [type(error) for error in raised] == [ClosedError, ClosedError]


AROUND: dict[str, Any] = {
    POST: Talks(),
    "GET /v1/messages/m1/suggested": replay("chat_lab_suggested"),
    "POST /v1/messages/m1/feedbacks": as_json({"result": "success"}),
}


class TestOfATurn:
    def test_questions_and_feedback(self) -> None:
        with Server(AROUND) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            turn = client.conversation(user="u7").send("one")
            assert turn.suggested_questions()[0] == "What comes next?"
            turn.like("good")
            turn.dislike()
            turn.revoke_feedback()
            bodies = [request.json for request in server.requests[2:]]
        assert bodies == [
            {"rating": "like", "content": "good", "user": "u7"},
            {"rating": "dislike", "content": None, "user": "u7"},
            {"rating": None, "content": None, "user": "u7"},
        ]

    def test_of_an_async_client(self) -> None:
        async def talk(url: str) -> tuple[str, ...]:
            async with AsyncLabClient(base_url=url, **OPTIONS) as client:
                turn = await client.conversation().send("one")
                await turn.like()
                return await turn.suggested_questions()

        with Server(AROUND) as server:
            assert len(asyncio.run(talk(server.url))) == 3
            assert server.requests[1].json == {"rating": "like", "content": None, "user": "u1"}
