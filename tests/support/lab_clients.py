"""The client of `chat_lab`, a chatflow with everything switched on, written by hand the way difygen writes it."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import Field
from runtime import (
    AsyncChatflowClient,
    AsyncConversation,
    ChatflowClient,
    ChatInfo,
    Conversation,
    FileRules,
    Inputs,
    Variables,
)

KEY = "app-SecretThatMustNotLeak"
OPTIONS: dict[str, Any] = {"api_key": KEY, "user": "u1", "timeout": 60.0, "idle_timeout": 20.0}


class LabInputs(Inputs):
    """What `chat_lab` takes."""

    name: str = "Ada"


class LabVariables(Variables):
    """The conversation variables of `chat_lab`."""

    turns: int | float = 0
    last_query: str = ""
    queries: list[str] = Field(default_factory=list)
    notes: dict[str, Any] = Field(default_factory=dict)


LAB = ChatInfo(
    kind="chatflow",
    name="chat_lab",
    inputs=LabInputs,
    variables=LabVariables,
    files=FileRules(),
    suggests_questions=True,
    hears=True,
    speaks=True,
)
PLAIN = ChatInfo(kind="chatflow", name="plain", inputs=LabInputs)


class LabClient(ChatflowClient[LabInputs, LabVariables]):
    """Calls `chat_lab`."""

    _app = LAB

    def conversation(
        self, conversation_id: str | None = None, *, user: str | None = None
    ) -> Conversation[LabVariables]:
        """Hold a conversation."""
        return self.conversation_of(LabInputs(), conversation_id=conversation_id, user=user)


class PlainClient(LabClient):
    """Calls an app with nothing switched on."""

    _app = PLAIN


class AsyncLabClient(AsyncChatflowClient[LabInputs, LabVariables]):
    """Calls `chat_lab` from async code."""

    _app = LAB

    def conversation(
        self, conversation_id: str | None = None, *, user: str | None = None
    ) -> AsyncConversation[LabVariables]:
        """Hold a conversation."""
        return self.conversation_of(LabInputs(), conversation_id=conversation_id, user=user)


class AsyncPlainClient(AsyncLabClient):
    """Calls an app with nothing switched on."""

    _app = PLAIN


def with_sync(url: str, call: Callable[[Any], Any], app: ChatInfo = LAB, **options: Any) -> Any:
    """What `call` gives for a blocking client; of something to iterate, a list."""
    with (LabClient if app is LAB else PlainClient)(base_url=url, **{**OPTIONS, **options}) as client:
        result = call(client)
        return list(result) if hasattr(result, "__next__") else result


def with_async(url: str, call: Callable[[Any], Any], app: ChatInfo = LAB, **options: Any) -> Any:
    """The same for an async client, whose method is awaited or iterated."""

    async def use() -> Any:
        async with (AsyncLabClient if app is LAB else AsyncPlainClient)(
            base_url=url, **{**OPTIONS, **options}
        ) as client:
            result: Any = call(client)
            if inspect.isawaitable(result):
                return await result
            return [item async for item in result] if hasattr(result, "__aiter__") else result

    return asyncio.run(use())


chat_clients = pytest.mark.parametrize("using", [with_sync, with_async])
"""One test for both clients: the call is written once, and made with the blocking and with the async client."""
