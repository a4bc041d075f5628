"""A conversation with the mock, in any order of what a user may do with it, against a model of what must hold."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from runtime import ConfigurationError, StreamInterruptedError, TurnFailedError
from support.lab_clients import OPTIONS, LabClient
from support.mock_chat_player import chat_server, say

MODES = st.sampled_from(["streaming", "blocking"])


class Talk(RuleBasedStateMachine):
    """One conversation at a time. `sent` are the queries of its turns, `posted` what left the client, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.serving = chat_server("chat_lab", handler=say)
        server = self.serving.__enter__()
        self.fault = ""
        self.asked = 0
        self.arrived: list[str] = []
        self.http = httpx.Client(event_hooks={"request": [self._leave]}, trust_env=False)
        self.client = LabClient(
            **{**OPTIONS, "base_url": server.origin, "api_key": "app-chat_lab", "http_client": self.http}
        )

    def _leave(self, request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path.endswith("/chat-messages"):
            self.arrived.append(request.content.decode())
            if self.fault:
                request.headers["X-Mock-Fault"] = self.fault

    def _query(self) -> str:
        self.asked += 1
        return f"query-{self.asked}."

    @initialize()
    def begin(self) -> None:
        self.conversation = self.client.conversation()
        self.id: str | None = None
        self.sent: list[str] = []
        self.name: str | None = None
        self.deleted = False

    def _keep(self, query: str) -> None:
        self.sent.append(query)
        assert self.conversation.id is not None
        self.id = self.id or self.conversation.id

    @precondition(lambda self: not self.deleted)
    @rule(mode=MODES)
    def ask(self, mode: Any) -> None:
        query = self._query()
        turn = self.conversation.send(query, response_mode=mode)
        assert turn.answer.endswith(query)
        self._keep(query)
        assert turn.conversation_id == self.id

    @precondition(lambda self: not self.deleted)
    @rule()
    def ask_in_vain(self) -> None:
        query, self.fault = self._query(), "failed"
        with pytest.raises(TurnFailedError):
            self.conversation.send(query)
        self.fault = ""
        self._keep(query)

    @precondition(lambda self: not self.deleted)
    @rule(after=st.integers(1, 12))
    def ask_through_a_bad_line(self, after: int) -> None:
        """A cut stream is taken up again, or ends with an error that has the ids; it is never asked anew."""
        query, self.fault = self._query(), f"cut={after}"
        try:
            assert self.conversation.send(query).answer.endswith(query)
        except StreamInterruptedError as error:
            assert error.conversation_id in (None, self.conversation.id)
        self.fault = ""
        if self.conversation.id is not None:
            self._keep(query)

    @precondition(lambda self: not self.deleted)
    @rule()
    def leave_a_turn(self) -> None:
        """A stream that is left after its first text lets the next turn come, and is in the same conversation."""
        query = self._query()
        with self.conversation.stream(query, stop_on_exit=True) as stream:
            next(stream.text())
        self._keep(query)

    @precondition(lambda self: self.id is not None and not self.deleted)
    @rule(name=st.sampled_from(["mine", "other", "\u578b"]))
    def rename(self, name: str) -> None:
        assert self.conversation.rename(name).name == name
        self.name = name

    @precondition(lambda self: self.id is not None and not self.deleted)
    @rule(value=st.integers(0, 99))
    def remember(self, value: int) -> None:
        self.conversation.set_variable("turns", value)
        assert self.conversation.variables().turns == value

    @precondition(lambda self: self.id is not None and not self.deleted)
    @rule()
    def delete(self) -> None:
        self.conversation.delete()
        self.deleted = True

    @precondition(lambda self: self.deleted)
    @rule()
    def ask_what_is_deleted(self) -> None:
        posted = len(self.arrived)
        for use in (lambda: self.conversation.send(self._query()), lambda: list(self.conversation.messages())):
            with pytest.raises(ConfigurationError, match="was deleted"):
                use()
        assert len(self.arrived) == posted

    @precondition(lambda self: self.deleted)
    @rule()
    def begin_another(self) -> None:
        self.begin()

    @invariant()
    def no_turn_is_sent_twice(self) -> None:
        for number in range(1, self.asked + 1):
            assert sum(f"query-{number}." in body for body in self.arrived) <= 1

    @invariant()
    def the_conversation_is_one(self) -> None:
        if self.id is None:
            return
        assert self.conversation.id == self.id
        listed = {each.id: each.name for each in self.client.conversations()}
        if self.deleted:
            assert self.id not in listed
            return
        assert self.name in (None, listed[self.id])
        assert [message.query for message in self.conversation.messages()] == self.sent

    def teardown(self) -> None:
        self.client.close()
        self.http.close()
        self.serving.__exit__(None, None, None)


TestTalk = Talk.TestCase
TestTalk.settings = settings(max_examples=5, stateful_step_count=15, deadline=None)
