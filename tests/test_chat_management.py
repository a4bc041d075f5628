"""What a client of a chat-type app does beside turns, against recordings of a real server: the request that is sent,
and what comes of the answer."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import runtime
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime._errors import (
    APIError,
    BadRequestError,
    ConfigurationError,
    ConversationNotFoundError,
    DifyError,
    InvalidParamError,
    NotFoundError,
    ServerError,
    UnexpectedResponseError,
    UnsupportedFileTypeError,
    VariableError,
)
from support.chat_clients import AnyInputs, Completion
from support.lab_clients import LAB, OPTIONS, PLAIN, LabClient, LabVariables, chat_clients
from support.replay import recording, replay
from support.servers import Connection, Request, Server, abort, answer, as_json, html

Using = Callable[..., Any]
TALK = "8853df43-c541-4f4d-9f08-74a39b19ce3d"
TALK_2 = "70ff03ad-0d8c-4078-9de7-a7b13b6b69dd"
FIRST = "0e307680-be19-4aad-b55f-577e70377fab"
SECOND = "40b1b57e-5726-4679-9921-4bd0f77236cb"


def sent(request: Request) -> tuple[str, dict[str, str], Any]:
    """Method and path, query, and JSON body of a request."""
    return request.line, request.query, json.loads(request.body) if request.body else None


def recorded_request(case: str) -> tuple[str, dict[str, str], Any]:
    """The same of a recorded one."""
    was = recording(case).request
    body = json.dumps(was["json"]).encode() if "json" in was else b""
    return sent(Request(was["method"], was["path"], {}, body))


def is_like_recorded(request: Request, case: str) -> bool:
    """Whether a request is as the recorded one, but for the size of pages."""
    line, query, body = sent(request)
    query.pop("limit", None)
    was_line, was_query, was_body = recorded_request(case)
    was_query.pop("limit", None)
    return (line, query, body) == (was_line, was_query, was_body)


CALLS: dict[str, Callable[[Any], Any]] = {
    "chat_lab_messages": lambda client: client.messages(TALK),
    "chat_lab_delete": lambda client: client.conversation("bfed563f-d176-4d37-ae1b-90ea959f7e96").delete(),
    "chat_lab_rename": lambda client: client.conversation(TALK).rename("数学作业 😀"),
    "chat_lab_rename_auto": lambda client: client.conversation(TALK).rename(auto=True),
    "chat_lab_variables": lambda client: client.conversation(TALK).variables(),
    "chat_lab_feedback_None": lambda client: client.feedback(SECOND, None),
    "chat_lab_suggested": lambda client: client.suggested_questions(SECOND),
    "chat_lab_file_preview_attachment": lambda client: client.preview(
        "c36079bf-98f6-4c41-9919-71d9202c14a2", as_attachment=True
    ),
    "chat_basic_text_to_audio": lambda client: client.text_to_audio(text="hello"),
}


@chat_clients
@pytest.mark.parametrize("case", CALLS)
def test_the_request_is_the_recorded_one(using: Using, case: str) -> None:
    with Server(replay(case)) as server:
        using(server.url, CALLS[case])
        (request,) = server.requests
    if case == "chat_lab_rename":
        assert request.json["user"] == "u1"
        assert recorded_request(case)[0] == request.line
    else:
        assert is_like_recorded(request, case), sent(request)


class TestMessages:
    @chat_clients
    def test_come_oldest_first_over_all_pages(self, using: Using) -> None:
        pages = [replay("chat_lab_messages_limit_1"), replay("chat_lab_messages_first_id")]
        with Server({"GET /v1/messages": pages}) as server:
            messages = using(server.url, lambda client: client.messages(TALK))
            assert [message.id for message in messages] == [FIRST, SECOND]
            assert [request.query.get("first_id") for request in server.requests] == [None, SECOND]

    @chat_clients
    def test_so_many_of_the_last_ones(self, using: Using) -> None:
        with Server({"GET /v1/messages": replay("chat_lab_messages_limit_1")}) as server:
            messages = using(server.url, lambda client: client.messages(TALK, limit=1))
            assert [message.id for message in messages] == [SECOND]
            assert [request.query["limit"] for request in server.requests] == ["1"]

    @chat_clients
    def test_are_typed(self, using: Using) -> None:
        with Server(replay("chat_basic_messages_with_files")) as server:
            (message,) = using(server.url, lambda client: client.messages("a839b28f-78f7-4425-8c60-90523c3b113f"))
        assert (message.query, message.status, message.rating) == ("look at this", "normal", None)
        assert message.created_at == datetime.fromtimestamp(1795638543, UTC)
        (file,) = message.files
        assert (file.filename, file.mime_type, file.size) == ("red.png", "image/png", 73)
        assert file.model_extra["belongs_to"] == "user"
        assert message.inputs["count"] == 3

    @chat_clients
    def test_have_an_agents_thoughts(self, using: Using) -> None:
        with Server(replay("agent_lab_tool_messages")) as server:
            (message,) = using(server.url, lambda client: client.messages("017d7890-7b40-43be-9bf1-be6d717af988"))
        assert [(step.position, step.tools) for step in message.thoughts] == [(1, ("weather",)), (2, ())]

    @chat_clients
    def test_have_forms(self, using: Using) -> None:
        with Server(replay("chat_hitl_approve_messages_after")) as server:
            (message,) = using(server.url, lambda client: client.messages("a6fc715f-1b46-42f4-92cb-9cfb60520e37"))
        (form,) = message.forms
        assert form.submitted and form.submission["action_id"] == "approve"
        assert form.form is None
        with Server(replay("chat_hitl_approve_messages_paused")) as server:
            (message,) = using(server.url, lambda client: client.messages("a6fc715f-1b46-42f4-92cb-9cfb60520e37"))
        assert message.status == "paused"
        assert message.forms[0].form is not None

    @chat_clients
    def test_have_the_users_rating(self, using: Using) -> None:
        with Server(replay("chat_lab_messages_with_feedback")) as server:
            messages = using(server.url, lambda client: client.messages(TALK))
        assert "like" in [message.rating for message in messages]

    @chat_clients
    def test_of_nothing_said_yet_are_none_and_ask_nobody(self, using: Using) -> None:
        with Server(html(404)) as server:
            assert using(server.url, lambda client: client.conversation().messages()) == []
            assert server.requests == []

    @chat_clients
    @pytest.mark.parametrize("case", ["chat_lab_messages_unknown", "chat_lab_messages_other_user"])
    def test_of_an_unknown_conversation_are_an_error(self, using: Using, case: str) -> None:
        with Server(replay(case)) as server, pytest.raises(ConversationNotFoundError):
            using(server.url, lambda client: client.messages(TALK))

    @chat_clients
    def test_that_a_server_repeats_for_ever_come_once(self, using: Using) -> None:
        with Server(replay("chat_lab_messages_limit_1")) as server:
            messages = using(server.url, lambda client: client.messages(TALK))
            assert [message.id for message in messages] == [SECOND]
            assert len(server.requests) == 2


class TestConversations:
    @chat_clients
    def test_are_read_page_by_page(self, using: Using) -> None:
        pages = [replay("chat_lab_conversations_limit_1"), replay("chat_lab_conversations")]
        with Server({"GET /v1/conversations": pages}) as server:
            conversations = using(server.url, lambda client: client.conversations())
            first, second = server.requests
        assert first.query == {"user": "u1", "sort_by": "-updated_at", "limit": "100"}
        assert second.query["last_id"] == conversations[0].id
        ids = [item["id"] for item in json.loads(recording("chat_lab_conversations").body)["data"]]
        assert sorted(each.id for each in conversations) == sorted({*ids, conversations[0].id})
        assert conversations[-1].introduction.startswith("Hello ")

    @chat_clients
    def test_whose_last_one_was_deleted_meanwhile_go_on(self, using: Using) -> None:
        pages = [
            replay("chat_lab_conversations_limit_1"),
            replay("chat_lab_conversations_bad_last_id"),
            replay("chat_lab_conversations"),
        ]
        with Server({"GET /v1/conversations": pages}) as server:
            conversations = using(server.url, lambda client: client.conversations())
            assert ["last_id" in request.query for request in server.requests] == [False, True, False]
        assert len(conversations) == len({each.id for each in conversations}) > 10

    @chat_clients
    def test_by_an_order_that_there_is_not(self, using: Using) -> None:
        with Server(replay("chat_lab_conversations_bad_sort")) as server, pytest.raises(InvalidParamError):
            using(server.url, lambda client: client.conversations(sort_by="name"))

    @chat_clients
    def test_of_a_repeating_server_end(self, using: Using) -> None:
        with Server(replay("chat_lab_conversations_limit_1")) as server:
            assert len(using(server.url, lambda client: client.conversations())) == 1
            assert len(server.requests) < 20


class TestOneConversation:
    @chat_clients
    def test_is_renamed(self, using: Using) -> None:
        with Server(replay("chat_lab_rename")) as server:
            renamed = using(server.url, lambda client: client.conversation(TALK).rename("x"))
        assert renamed.id == TALK

    @chat_clients
    @pytest.mark.parametrize("arguments", [{}, {"name": "x", "auto": True}, {"name": "  "}])
    def test_is_renamed_in_one_way(self, using: Using, arguments: dict[str, Any]) -> None:
        with Server(html(404)) as server, pytest.raises(ConfigurationError, match="rename|blank"):
            using(server.url, lambda client: client.conversation(TALK).rename(**arguments))
        assert server.requests == []

    @chat_clients
    def test_that_is_another_users_is_not_there(self, using: Using) -> None:
        with Server(replay("chat_lab_rename_other_user")) as server, pytest.raises(ConversationNotFoundError):
            using(server.url, lambda client: client.conversation(TALK, user="u2").rename("x"))
        with Server(replay("chat_lab_delete_other_user")) as server, pytest.raises(ConversationNotFoundError):
            using(server.url, lambda client: client.conversation(TALK, user="u2").delete())

    def test_that_is_deleted_is_over(self) -> None:
        with Server(replay("chat_lab_delete")) as server, LabClient(base_url=server.url, **OPTIONS) as client:
            conversation = client.conversation(TALK)
            conversation.delete()
            with pytest.raises(ConfigurationError, match="was deleted"):
                conversation.delete()
            with pytest.raises(ConfigurationError, match="was deleted"):
                list(conversation.messages())
            assert len(server.requests) == 1

    @chat_clients
    def test_that_has_not_begun_cannot_be_changed(self, using: Using) -> None:
        with Server(html(404)) as server:
            for call in ("delete", "rename"):
                with pytest.raises(ConfigurationError, match="begins with its first turn"):
                    arguments = {"auto": True} if call == "rename" else {}
                    using(
                        server.url,
                        lambda client, call=call, args=arguments: getattr(client.conversation(), call)(**args),
                    )
            assert server.requests == []

    def test_says_what_it_is(self) -> None:
        conversation = LabClient(base_url="http://127.0.0.1:9/v1", **OPTIONS).conversation(TALK)
        assert (conversation.id, conversation.user, conversation.inputs.to_wire()) == (TALK, "u1", {"name": "Ada"})
        assert repr(conversation) == f"Conversation(id='{TALK}', user='u1')"


class TestVariables:
    @chat_clients
    def test_are_typed(self, using: Using) -> None:
        with Server(replay("chat_lab_variables")) as server:
            variables = using(server.url, lambda client: client.conversation(TALK).variables())
        assert isinstance(variables, LabVariables)
        assert (variables.turns, variables.last_query, variables.notes) == (2, "次の質問 第二", {"a": 1})
        assert variables.queries == ["hello there", "次の質問 第二"]
        assert variables.model_rows["turns"].description == "conversation variable turns"

    @chat_clients
    def test_have_initial_values_before_the_first_turn(self, using: Using) -> None:
        with Server(html(404)) as server:
            assert using(server.url, lambda client: client.conversation().variables()).turns == 0
            assert server.requests == []

    @chat_clients
    def test_are_set_by_name(self, using: Using) -> None:
        routes = {"GET *": replay("chat_lab_variables"), "PUT *": replay("chat_lab_variable_put")}
        with Server(routes) as server:
            using(server.url, lambda client: client.conversation(TALK).set_variable("turns", 40))
            assert is_like_recorded(server.requests[-1], "chat_lab_variable_put")

    @chat_clients
    def test_of_another_type_are_refused_before_anything_is_sent(self, using: Using) -> None:
        with Server(html(404)) as server, pytest.raises(VariableError, match="does not take 'many'"):
            using(server.url, lambda client: client.conversation(TALK).set_variable("turns", "many"))
        assert server.requests == []

    @chat_clients
    def test_that_the_server_refuses(self, using: Using) -> None:
        routes = {"GET *": replay("chat_lab_variables"), "PUT *": replay("chat_lab_variable_put_wrong_type")}
        with Server(routes) as server, pytest.raises(BadRequestError, match="Type mismatch"):
            using(server.url, lambda client: client.conversation(TALK).set_variable("turns", 1))

    @chat_clients
    def test_that_the_server_does_not_have_yet(self, using: Using) -> None:
        with (
            Server(replay("chat_basic_variables")) as server,
            pytest.raises(ConfigurationError, match="Nothing was changed"),
        ):
            using(server.url, lambda client: client.conversation(TALK).set_variable("turns", 1))

    @chat_clients
    def test_of_an_app_without_any(self, using: Using) -> None:
        with (
            Server(html(404)) as server,
            pytest.raises(ConfigurationError, match="'plain' has no conversation variables"),
        ):
            using(server.url, lambda client: client.conversation(TALK).variables(), PLAIN)
        assert server.requests == []


class TestFeedback:
    @chat_clients
    def test_is_given_and_taken_back(self, using: Using) -> None:
        with Server(replay("chat_lab_feedback_like")) as server:
            using(server.url, lambda client: client.feedback(SECOND, "like", "很好"))
            (request,) = server.requests
        assert sent(request) == (
            f"POST /v1/messages/{SECOND}/feedbacks",
            {},
            {"rating": "like", "content": "很好", "user": "u1"},
        )

    @chat_clients
    @pytest.mark.parametrize(
        ("case", "kind"),
        [("chat_lab_feedback_unknown", NotFoundError), ("chat_lab_feedback_null_again", InvalidParamError)],
    )
    def test_that_the_server_refuses(self, using: Using, case: str, kind: type[APIError]) -> None:
        with Server(replay(case)) as server, pytest.raises(kind):
            using(server.url, lambda client: client.feedback(SECOND, None))

    @chat_clients
    def test_of_another_kind_is_refused_before(self, using: Using) -> None:
        with Server(html(404)) as server, pytest.raises(ConfigurationError, match="rating is 'like'"):
            using(server.url, lambda client: client.feedback(SECOND, "love"))
        assert server.requests == []

    @chat_clients
    def test_of_all_users_is_read(self, using: Using) -> None:
        with Server(replay("chat_lab_app_feedbacks")) as server:
            (found,) = using(server.url, lambda client: client.feedbacks())
            assert [request.query["page"] for request in server.requests] == ["1"]
        assert (found.message_id, found.rating, found.content) == (SECOND, "like", "很好")
        assert found.created_at == datetime(2026, 11, 25, 20, 32, 56, tzinfo=UTC)


class TestQuestions:
    @chat_clients
    def test_are_suggested(self, using: Using) -> None:
        with Server(replay("chat_lab_suggested")) as server:
            questions = using(server.url, lambda client: client.suggested_questions(SECOND))
        assert questions == ("What comes next?", "Why is that?", "Is there more?")

    @chat_clients
    def test_that_are_off_ask_nobody(self, using: Using) -> None:
        with Server(html(404)) as server, pytest.raises(ConfigurationError, match="is off in 'plain'"):
            using(server.url, lambda client: client.suggested_questions(SECOND), PLAIN)
        assert server.requests == []

    @chat_clients
    @pytest.mark.parametrize(
        ("case", "kind"),
        [("chat_plain_suggested_disabled", BadRequestError), ("chat_lab_suggested_unknown", NotFoundError)],
    )
    def test_that_the_server_refuses(self, using: Using, case: str, kind: type[APIError]) -> None:
        with Server(replay(case)) as server, pytest.raises(kind):
            using(server.url, lambda client: client.suggested_questions(SECOND))

    @chat_clients
    def test_cost_a_model_call_and_are_asked_for_once(self, using: Using) -> None:
        with Server(as_json({"code": "internal_server_error", "message": "x", "status": 500}, 500)) as server:
            with pytest.raises(ServerError):
                using(server.url, lambda client: client.suggested_questions(SECOND))
            assert len(server.requests) == 1


class TestSpeech:
    @chat_clients
    def test_is_heard_by_the_name_that_the_server_wants(self, using: Using) -> None:
        with Server(replay("chat_basic_audio_to_text")) as server:
            assert using(server.url, lambda client: client.audio_to_text(("a.MP3", b"ID3"))) == "what was heard"
            (request,) = server.requests
        assert request.line == "POST /v1/audio-to-text"
        assert b"Content-Type: audio/mp3\r\n" in request.body and b'name="user"\r\n\r\nu1\r\n' in request.body

    @chat_clients
    def test_that_is_no_audio(self, using: Using) -> None:
        with Server(replay("chat_basic_audio_to_text_bad_type")) as server, pytest.raises(UnsupportedFileTypeError):
            using(server.url, lambda client: client.audio_to_text(("a.txt", b"hello")))

    @chat_clients
    def test_is_made(self, using: Using) -> None:
        with Server(replay("chat_basic_text_to_audio")) as server:
            speech = using(server.url, lambda client: client.text_to_audio(text="hello"))
        assert speech == recording("chat_basic_text_to_audio").body

    @chat_clients
    def test_of_nothing_is_null_in_json(self, using: Using) -> None:
        with Server(as_json(None)) as server, pytest.raises(NotFoundError, match="no such message"):
            using(server.url, lambda client: client.text_to_audio(message_id=FIRST))

    @chat_clients
    @pytest.mark.parametrize("handler", [as_json({}), html(200), answer(b"")])
    def test_is_no_json_and_no_page(self, using: Using, handler: Any) -> None:
        with Server(handler) as server, pytest.raises(UnexpectedResponseError):
            using(server.url, lambda client: client.text_to_audio(text="hello"))

    @chat_clients
    @pytest.mark.parametrize("arguments", [{}, {"text": "a", "message_id": "b"}, {"text": " "}])
    def test_needs_one_thing_to_say(self, using: Using, arguments: dict[str, str]) -> None:
        with Server(html(404)) as server, pytest.raises(ConfigurationError, match="text"):
            using(server.url, lambda client: client.text_to_audio(**arguments))
        assert server.requests == []

    @chat_clients
    def test_that_is_off_asks_nobody(self, using: Using) -> None:
        with Server(html(404)) as server:
            with pytest.raises(ConfigurationError, match="Speech to text is off in 'plain'"):
                using(server.url, lambda client: client.audio_to_text(("a.mp3", b"")), PLAIN)
            with pytest.raises(ConfigurationError, match="Text to speech is off in 'plain'"):
                using(server.url, lambda client: client.text_to_audio(text="a"), PLAIN)
            assert server.requests == []


class TestPreview:
    @chat_clients
    def test_is_the_content(self, using: Using) -> None:
        with Server(replay("chat_lab_file_preview")) as server:
            content = using(server.url, lambda client: client.preview("c36079bf-98f6-4c41-9919-71d9202c14a2"))
        assert content == recording("chat_lab_file_preview").body

    @chat_clients
    def test_of_a_file_of_a_message(self, using: Using) -> None:
        file = runtime.File.model_validate({"id": "d47", "upload_file_id": "3b8ca996", "filename": "red.png"})
        with Server(answer(b"png")) as server:
            assert using(server.url, lambda client: client.preview(file)) == b"png"
            assert server.requests[0].line == "GET /v1/files/3b8ca996/preview"


ITEM = {"id": "a1", "question": "q", "answer": "a", "hit_count": 2, "created_at": 1795638543}


class TestAnnotations:
    @chat_clients
    def test_are_listed(self, using: Using) -> None:
        page = {"data": [ITEM], "has_more": False, "limit": 100, "total": 1, "page": 1}
        with Server(as_json(page)) as server:
            (found,) = using(server.url, lambda client: client.annotations(keyword="q"))
            assert sent(server.requests[0])[:2] == (
                "GET /v1/apps/annotations",
                {"keyword": "q", "page": "1", "limit": "100"},
            )
        assert (found.id, found.question, found.answer, found.hit_count) == ("a1", "q", "a", 2)

    @chat_clients
    def test_are_written_and_deleted(self, using: Using) -> None:
        body = {"question": "q", "answer": "a"}
        with Server({"DELETE *": answer(b"", 204), "*": as_json(ITEM, 201)}) as server:
            assert using(server.url, lambda client: client.create_annotation("q", "a")).id == "a1"
            assert using(server.url, lambda client: client.update_annotation("a1", "q", "a")).id == "a1"
            using(server.url, lambda client: client.delete_annotation("a1"))
            assert [(request.line, request.json) for request in server.requests] == [
                ("POST /v1/apps/annotations", body),
                ("PUT /v1/apps/annotations/a1", body),
                ("DELETE /v1/apps/annotations/a1", {}),
            ]

    @chat_clients
    def test_are_switched(self, using: Using) -> None:
        settings = {"score_threshold": 0.9, "embedding_provider_name": "p", "embedding_model_name": "m"}
        with Server(as_json({"job_id": "j", "job_status": "waiting"})) as server:
            job = using(server.url, lambda client: client.annotation_reply("disable", **settings))
            assert (job.job_id, job.job_status) == ("j", "waiting")
            using(server.url, lambda client: client.annotation_reply_status("disable", "j"))
            assert [sent(request) for request in server.requests] == [
                ("POST /v1/apps/annotation-reply/disable", {}, settings),
                ("GET /v1/apps/annotation-reply/disable/status/j", {}, None),
            ]
            with pytest.raises(ConfigurationError, match="'enable' or 'disable'"):
                using(server.url, lambda client: client.annotation_reply_status("stop", "j"))


class Kept:
    """The messages or conversations of a server, paged as Dify pages them."""

    def __init__(self, count: int, page: int) -> None:
        self.items = [{"id": f"i{number}"} for number in range(count)]
        self.page = page

    def __call__(self, connection: Connection, request: Request) -> None:
        size = min(self.page, int(request.query["limit"]))
        if request.path.endswith("/messages"):  # backwards in time, each page forwards
            end = self._place(request.query.get("first_id"), len(self.items))
            start = max(0, end - size)
            data, has_more = self.items[start:end], start > 0
        else:
            start = self._place(request.query.get("last_id"), -1) + 1
            data, has_more = self.items[start : start + size], start + size < len(self.items)
        as_json({"limit": size, "has_more": has_more, "data": data})(connection, request)

    def _place(self, item_id: str | None, default: int) -> int:
        return default if item_id is None else self.items.index({"id": item_id})


@settings(max_examples=25)
@given(st.integers(0, 12), st.integers(1, 5), st.none() | st.integers(1, 14))
def test_pages_of_any_size_give_everything_in_order(count: int, page: int, limit: int | None) -> None:
    kept = Kept(count, page)
    ids = [item["id"] for item in kept.items]
    with Server(kept) as server, LabClient(base_url=server.url, **OPTIONS) as client:
        messages = [message.id for message in client.messages(TALK, limit=limit)]
        conversations = [each.id for each in client.conversations()]
    assert messages == (ids if limit is None else ids[-limit:])
    assert conversations == ids


class TestTextGenerators:
    def test_take_feedback_and_speak_and_suggest_nothing(self) -> None:
        body = {"answer": "x", "message_id": SECOND, "task_id": "t", "metadata": {}, "created_at": 1}
        routes = {"POST /v1/completion-messages": as_json(body), "*": replay("completion_lab_feedback_like")}
        with Server(routes) as server, Completion(base_url=server.url, **OPTIONS) as client:
            turn = client.complete_inputs(AnyInputs(), response_mode="blocking")
            turn.like()
            with pytest.raises(ConfigurationError, match="'a text' suggests no questions"):
                turn.suggested_questions()
            assert [request.line for request in server.requests[1:]] == [f"POST /v1/messages/{SECOND}/feedbacks"]
        for name in ("conversations", "messages", "suggested_questions", "conversation_of"):
            assert not hasattr(client, name)


def lose(connection: Connection, request: Request) -> None:
    """Break the connection once the request is there."""
    connection.closed = True
    abort(connection.sock)


REPEATED: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "rename": (lambda client: client.conversation(TALK).rename("x"), True),
    "rename by a model": (lambda client: client.conversation(TALK).rename(auto=True), False),
    "delete": (lambda client: client.conversation(TALK).delete(), False),
    "like": (lambda client: client.feedback(SECOND, "like"), True),
    "take back": (lambda client: client.feedback(SECOND, None), False),
    "messages": (lambda client: client.messages(TALK), True),
    "conversations": (lambda client: client.conversations(), True),
    "questions": (lambda client: client.suggested_questions(SECOND), False),
    "speech": (lambda client: client.text_to_audio(text="a"), False),
    "hearing": (lambda client: client.audio_to_text(("a.mp3", b"x")), False),
    "new annotation": (lambda client: client.create_annotation("q", "a"), False),
    "annotation": (lambda client: client.update_annotation("i", "q", "a"), True),
    "no annotation": (lambda client: client.delete_annotation("i"), False),
}


@chat_clients
@pytest.mark.parametrize("name", REPEATED)
def test_a_request_whose_answer_was_lost_is_sent_again_only_where_that_is_harmless(using: Using, name: str) -> None:
    call, is_harmless = REPEATED[name]
    with Server(lose) as server:
        with pytest.raises(DifyError):
            using(server.url, call, max_retries=1)
        assert len(server.requests) == (2 if is_harmless else 1)


@chat_clients
@pytest.mark.parametrize("name", REPEATED)
@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"x"', b"{", b'{"data":[1,null,{"id":7},{"id":"a","inputs":[]}],"has_more":1}']
)
def test_an_answer_of_any_shape_is_typed_or_an_error(using: Using, name: str, body: bytes) -> None:
    call, _ = REPEATED[name]
    with Server(answer(body, 200, **{"Content-Type": "application/json"})) as server, contextlib.suppress(DifyError):
        repr(using(server.url, call))


def test_the_lab_has_everything() -> None:
    assert LAB.hears and LAB.speaks and LAB.suggests_questions and LAB.variables is LabVariables
