"""Clients of chat-type apps, written by hand the way difygen writes them, so that the runtime is tested alone."""

from typing import Any

from pydantic import ConfigDict
from runtime import (
    AsyncChatClient,
    AsyncChatflowClient,
    AsyncCompletionClient,
    ChatClient,
    ChatflowClient,
    ChatInfo,
    CompletionClient,
    CompletionInfo,
    FileRules,
    Inputs,
    Variables,
)


class AnyInputs(Inputs):
    """Inputs that are sent as they are."""

    model_config = ConfigDict(extra="allow")

    def to_wire(self, *_: object) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class Notes(Variables):
    """Conversation variables."""

    notes: list[str]


FLOW = ChatInfo(name="a flow", kind="chatflow", inputs=AnyInputs, variables=Notes, files=FileRules(), max_files=3)
CHAT = ChatInfo(name="a chat", kind="chat", inputs=AnyInputs, files=FileRules(), max_files=3, suggests_questions=True)
AGENT = ChatInfo(name="an agent", kind="agent", inputs=AnyInputs)
SPEAKER = ChatInfo(name="a speaker", kind="chat", inputs=AnyInputs, auto_play=True)
TEXT = CompletionInfo(name="a text", inputs=AnyInputs)


class Flow(ChatflowClient[AnyInputs, Notes]):
    _app = FLOW


class AsyncFlow(AsyncChatflowClient[AnyInputs, Notes]):
    _app = FLOW


class Chat(ChatClient[AnyInputs]):
    _app = CHAT


class AsyncChat(AsyncChatClient[AnyInputs]):
    _app = CHAT


class Agent(ChatClient[AnyInputs]):
    _app = AGENT


class AsyncAgent(AsyncChatClient[AnyInputs]):
    _app = AGENT


class Speaker(ChatClient[AnyInputs]):
    _app = SPEAKER


class AsyncSpeaker(AsyncChatClient[AnyInputs]):
    _app = SPEAKER


class Completion(CompletionClient[AnyInputs]):
    _app = TEXT


class AsyncCompletion(AsyncCompletionClient[AnyInputs]):
    _app = TEXT


CLIENTS: dict[str, Any] = {"chatflow": Flow, "chat": Chat, "agent": Agent, "completion": Completion, "speaker": Speaker}
ASYNC_CLIENTS: dict[str, Any] = {
    "chatflow": AsyncFlow,
    "chat": AsyncChat,
    "agent": AsyncAgent,
    "completion": AsyncCompletion,
    "speaker": AsyncSpeaker,
}
