"""What a client of a chat-type app can do beside what all can: turns, in either mode.

Flows like those of `_operations`: written once, run by the blocking and the async client.
"""

import dataclasses
from math import inf
from typing import Any, Generic, Unpack

from ._answers import json_object, unexpected
from ._errors import (
    ConfigurationError,
    ConversationMismatchError,
    DifyError,
    InvalidParamError,
    StreamInterruptedError,
)
from ._file_inputs import FilesInput, PreparedFile, Uploads
from ._gateways import Answer
from ._headers import HeaderValues
from ._http import Call
from ._models import Inputs, ResponseMode, WorkflowInfo, prepared_files
from ._operations import ClientOptions, Operations, remember
from ._protocol import start_call
from ._responses import to_objects, to_text
from ._session import StreamSession, collect, is_blocking
from ._settings import Settings
from ._transport import Slot, Transport, TurnSlot
from ._turns import (
    AnswerOutputs,
    ConversationState,
    TurnDetails,
    TurnFailedError,
    TurnInfo,
    TurnState,
    TurnT,
    blocking_turn,
    settle_turn,
)

RUN_FAILED = "Run failed"
"""How the answer begins that a blocking turn of a chatflow gets where the run failed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TurnRequest:
    """What a turn is asked for with."""

    inputs: Inputs
    conversation: ConversationState
    query: str | None = None
    files: tuple[PreparedFile, ...] = ()
    workflow_id: str | None = None
    trace_id: str | None = None
    parent_message_id: str | None = None
    auto_generate_name: bool | None = None

    def body(self, user: str, response_mode: str, uploads: Uploads) -> dict[str, Any]:
        """Return what is sent, without what was left out."""
        fields = {
            "inputs": self.inputs.to_wire(uploads),
            "query": self.query,
            "response_mode": response_mode,
            "user": user,
            "conversation_id": self.conversation.id,
            "files": [file.wire_with(uploads) for file in self.files] or None,
            "workflow_id": self.workflow_id,
            "parent_message_id": self.parent_message_id,
            "auto_generate_name": self.auto_generate_name,
        }
        return {name: value for name, value in fields.items() if value is not None}


class TurnOperations(Operations[AnswerOutputs]):
    """The operations of one client of a chat-type app."""

    def __init__(
        self, app: TurnInfo, options: ClientOptions, transport: Transport
    ) -> None:
        workflow = WorkflowInfo(
            name=app.name,
            outputs=AnswerOutputs,
            api_key_variables=app.api_key_variables,
        )
        super().__init__(workflow, options, transport)
        self.app = app
        self.path = "/chat-messages"
        if app.kind == "completion":
            self.path = "/completion-messages"
        self.tasks_path = self.path
        self.stopped: dict[str, None] = {}

    def request(
        self,
        conversation: ConversationState,
        inputs: Inputs,
        query: str | None,
        files: FilesInput | None,
        **details: Unpack[TurnDetails],
    ) -> TurnRequest:
        """Return what a turn is asked for with.

        Raises:
            ConfigurationError: The server would refuse it, or overlook a part of it.
        """
        chats = self.app.kind != "completion"
        if chats and not (isinstance(query, str) and query):
            raise ConfigurationError(
                f"query must be a text that is not empty: {query!r}"
            )
        if details.get("workflow_id") is not None and self.app.kind != "chatflow":
            raise ConfigurationError(
                "workflow_id is for chatflows: other apps have no versions to choose from"
            )
        return TurnRequest(
            inputs=inputs,
            conversation=conversation,
            query=query,
            files=self.app.prepare_files(files),
            **details,
        )

    async def begin(
        self,
        request: TurnRequest,
        settings: Settings,
        user: str,
        response_mode: str,
        deadline: float,
    ) -> Call:
        """Upload the local files of a turn; the request that starts it."""
        files = [*prepared_files(request.inputs), *request.files]
        uploads = await self.upload_files(files, user, deadline)
        body = request.body(user, response_mode, uploads)
        return start_call(settings, self.path, body, request.trace_id)

    async def turn_blocking(
        self,
        request: TurnRequest,
        kind: type[TurnT],
        *,
        user: str | None,
        timeout: float | None,
    ) -> TurnT:
        """Make a turn, waiting for one answer."""
        if self.app.kind == "agent":
            raise ConfigurationError(
                'Agents have no blocking mode: leave response_mode out, or "streaming"'
            )
        deadline = self.deadline(timeout)
        settings, name = self.settings(), self.user(user)
        turn_slot = await request.conversation.acquire(self.transport, deadline)
        slot: Slot | None = None
        try:
            slot = await self.transport.acquire(deadline)
            call = await self.begin(request, settings, name, "blocking", deadline)
            answer = await self._answer(call, kind, deadline)
        finally:
            turn_slot.release()
            if slot is not None:
                slot.release()
        members = blocking_turn(answered(answer, call), settings.api_url)
        turn = kind(_operations=self, _user=name, **members)
        try:
            request.conversation.see(turn.conversation_id)
        except ConversationMismatchError as error:
            error.message_id, error.task_id = turn.message_id, turn.task_id
            error.answer = turn.answer
            raise
        return settle_turn(turn)

    async def _answer(self, call: Call, kind: type[TurnT], deadline: float) -> Answer:
        """Send what asks for a turn.

        Raises:
            TurnFailedError: The run of a chatflow failed: an HTTP error in this mode.
        """
        try:
            return await self.send(call, deadline, idle=inf)
        except InvalidParamError as error:
            has_run = error.message.startswith(RUN_FAILED)
            if self.app.kind != "chatflow" or not has_run:
                raise
            turn = kind(status="failed", error=error.message)
            raise TurnFailedError(error.message, turn=turn) from error

    async def stop_by(self, task_id: str, user: str, deadline: float) -> None:
        remember(self.stopped, task_id)
        await super().stop_by(task_id, user, deadline)

    async def stored_message(
        self, conversation_id: str, message_id: str, user: str
    ) -> dict[str, Any]:
        """Return what is stored of a message among the newest of a conversation; {} for nothing."""
        query = {"user": user, "conversation_id": conversation_id, "limit": "100"}
        page = await self.ask("/messages", query)
        for message in to_objects(page.get("data")):
            if message.get("id") == message_id:
                return message
        return {}


def answered(answer: Answer, call: Call) -> dict[str, Any]:
    """Return the body of a blocking answer, if it is one."""
    payload = json_object(answer, call)
    if not isinstance(payload.get("answer"), str) or not to_text(
        payload.get("message_id")
    ):
        raise unexpected(answer, call)
    return payload


class TurnSource(Generic[TurnT]):
    """A turn, for a session to follow: begun here, or (a chatflow's run) before."""

    def __init__(
        self,
        operations: TurnOperations,
        kind: type[TurnT],
        *,
        request: TurnRequest | None = None,
        workflow_run_id: str | None = None,
    ) -> None:
        self.operations = operations
        self.state = TurnState(
            operations.app.kind,
            conversation=request.conversation if request else ConversationState(),
            workflow_run_id=workflow_run_id,
            auto_play=operations.app.auto_play,
            submitted=operations.submitted,
            stopped=operations.stopped,
        )
        self._kind = kind
        self._request = request
        self._turn_slot: TurnSlot | None = None
        self._turn: TurnT | None = None

    @property
    def is_resumed(self) -> bool:
        return self._request is None

    async def enter(self, deadline: float) -> None:
        if self._request is not None:
            conversation = self._request.conversation
            transport = self.operations.transport
            self._turn_slot = await conversation.acquire(transport, deadline)

    def leave(self) -> None:
        slot, self._turn_slot = self._turn_slot, None
        if slot is not None:
            slot.release()

    async def begin(self, settings: Settings, user: str, deadline: float) -> Call:
        assert self._request is not None
        return await self.operations.begin(
            self._request, settings, user, "streaming", deadline
        )

    async def complete(self, user: str, deadline: float) -> None:
        """Read text and citations that no event told, where a connection broke."""
        state, stored = self.state, dict[str, Any]()
        lacks_text = state.may_lack_text
        if not (lacks_text or state.lacks_ending) or state.conversation_id is None:
            return
        try:
            stored = await self.operations.stored_message(
                state.conversation_id, state.message_id or "", user
            )
        except DifyError as error:
            is_good = state.finished is None or state.finished.status == "succeeded"
            if lacks_text and is_good:
                state.end_with(
                    StreamInterruptedError(
                        "Text was lost with a connection, and could not be read from the "
                        f"messages of the conversation: {error}"
                    )
                )
                return
        state.complete_with(stored)

    def result(self, settings: Settings, user: str) -> TurnT:
        if self._turn is None:
            members = self.state.members(settings.api_url)
            self._turn = self._kind(_operations=self.operations, _user=user, **members)
        return settle_turn(self._turn)


async def take_turn(
    operations: TurnOperations,
    kind: type[TurnT],
    conversation: ConversationState,
    inputs: Inputs,
    *,
    query: str | None = None,
    files: FilesInput | None = None,
    user: str | None = None,
    response_mode: ResponseMode = "auto",
    timeout: float | None = None,
    stop_on_exit: bool = False,
    headers: HeaderValues | None = None,
    **details: Unpack[TurnDetails],
) -> TurnT:
    """Make a turn: by collecting its stream, or for one answer."""
    operations = operations.with_headers(headers)
    request = operations.request(conversation, inputs, query, files, **details)
    if is_blocking(response_mode, stop_on_exit):
        return await operations.turn_blocking(request, kind, user=user, timeout=timeout)
    source = TurnSource(operations, kind, request=request)
    session = StreamSession(
        source, user=user, timeout=timeout, stop_on_exit=stop_on_exit
    )
    return await collect(session)


def follow_turn(
    operations: TurnOperations,
    kind: type[TurnT],
    conversation: ConversationState,
    inputs: Inputs,
    *,
    query: str | None = None,
    files: FilesInput | None = None,
    user: str | None = None,
    timeout: float | None = None,
    stop_on_exit: bool = False,
    headers: HeaderValues | None = None,
    **details: Unpack[TurnDetails],
) -> tuple[StreamSession[TurnT], TurnState]:
    """Return a session that will make a turn, and what its events will say."""
    operations = operations.with_headers(headers)
    request = operations.request(conversation, inputs, query, files, **details)
    source = TurnSource(operations, kind, request=request)
    session = StreamSession(
        source, user=user, timeout=timeout, stop_on_exit=stop_on_exit
    )
    return session, source.state
