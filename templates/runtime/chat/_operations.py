"""What a client of a chat-type app can do beside what all can: turns, conversations, speech.

Flows like those of the core: written once, run by the blocking and the async client.
A request that changes something is sent again only where twice is as good as once.
"""

import dataclasses
from collections.abc import Mapping
from math import inf
from typing import Any, Generic, Literal, Unpack

from .._answers import Answer, json_object, unexpected
from .._errors import (
    AnswerTooLargeError,
    ConfigurationError,
    ConversationMismatchError,
    DifyError,
    InvalidParamError,
    NotFoundError,
    StreamInterruptedError,
)
from .._files import (
    File,
    FilesInput,
    PreparedFile,
    Uploads,
    extension_of,
    named_source,
    upload_body,
)
from .._http import Call
from .._models import Inputs, ResponseMode, WorkflowInfo, check_json, prepared_files
from .._operations import ClientOptions, Operations
from .._payloads import to_flag, to_maybe_text, to_objects, to_text, to_texts
from .._protocol import (
    JSON_HEADERS,
    checked_run_id,
    get_call,
    segment,
    start_call,
    to_json_body,
)
from .._session import StreamSession, collect, is_blocking
from .._settings import HeaderValues, Settings
from .._transport import Slot, Transport, TurnSlot
from ._conversations import (
    PAGE_SIZE,
    Annotation,
    AnnotationJob,
    ConversationVariable,
    Feedback,
    NewItems,
    Pages,
    StoredConversation,
    StoredMessage,
    VariablesT_co,
    check_variable,
    read_variables,
)
from ._turns import (
    AnswerOutputs,
    ChatInfo,
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
            workflow_run_id=None if request else checked_run_id(workflow_run_id),
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


MAX_MESSAGES = 100_000
HEARD_EXTENSIONS = ("mp3", "m4a", "wav", "amr", "mpga")
"""What speech to text takes, by the subtype of `audio/` that it must be sent with: by its
proper name, audio/mpeg, an MP3 is refused."""
Rating = Literal["like", "dislike"]
ConversationOrder = Literal["created_at", "-created_at", "updated_at", "-updated_at"]


class ChatOperations:
    """The operations of one client of a chat-type app, beside turns."""

    def __init__(self, operations: TurnOperations) -> None:
        self.operations = operations
        self.app = operations.app

    def only_if(self, is_on: bool, what: str) -> None:
        """Refuse what the app has switched off.

        Raises:
            ConfigurationError: It is off.
        """
        if not is_on:
            raise ConfigurationError(
                f"{what} is off in {self.app.name!r}. Switch it on in Dify, publish the "
                "app, and generate the client again from its new definition"
            )

    async def change(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        repeatable: bool = False,
        deadline: float | None = None,
    ) -> tuple[Answer, Call]:
        """Send a request that changes something, with a JSON body."""
        operations = self.operations
        settings = operations.settings()
        call = Call(
            method,
            settings.api_url + path,
            key=settings.api_key,
            headers={**JSON_HEADERS, "Accept": "*/*"},
            content=to_json_body(body),
            shown=f"/v1{path}",
            repeatable=repeatable,
        )
        deadline = operations.short_deadline() if deadline is None else deadline
        return await operations.send(call, deadline), call

    async def page(
        self, path: str, query: Mapping[str, str]
    ) -> tuple[tuple[dict[str, Any], ...], bool]:
        """Return the items of a page, and whether there are more."""
        payload = await self.operations.ask(path, query)
        return to_objects(payload.get("data")), to_flag(payload.get("has_more"))

    def conversations(
        self, sort_by: ConversationOrder, user: str | None
    ) -> Pages[StoredConversation]:
        """Return the user's conversations."""
        query = {"user": self.operations.user(user), "sort_by": sort_by}

        async def read(
            number: int, last_id: str
        ) -> tuple[list[StoredConversation], bool]:
            after = {"last_id": last_id} if last_id else {}
            page = {**query, "limit": str(PAGE_SIZE)}
            try:
                items, has_more = await self.page("/conversations", {**page, **after})
            except NotFoundError:  # the last one so far was deleted meanwhile
                if not last_id:
                    raise
                items, has_more = await self.page("/conversations", page)
            return list(map(StoredConversation, items)), has_more

        return Pages(read)

    async def messages(
        self, conversation_id: str, user: str | None, limit: int | None
    ) -> list[StoredMessage]:
        """Return the last turns of a conversation, oldest first.

        Pages go backwards in time, and hold the oldest first each.
        """
        segment(conversation_id)
        query = {"user": self.operations.user(user), "conversation_id": conversation_id}
        api_url = self.operations.settings().api_url
        news: NewItems[StoredMessage] = NewItems()
        pages: list[list[StoredMessage]] = []
        count = 0
        while limit is None or count < limit:
            size = PAGE_SIZE if limit is None else min(PAGE_SIZE, limit - count)
            before = {"first_id": pages[-1][0].id} if pages else {}
            items, has_more = await self.page(
                "/messages", {**query, **before, "limit": str(size)}
            )
            new = news.of(StoredMessage(item, api_url) for item in items)
            if not new:
                break
            pages.append(new)
            count += len(new)
            if count > MAX_MESSAGES:
                raise AnswerTooLargeError(
                    f"The conversation has more than {MAX_MESSAGES:,} messages: ask for "
                    "the last ones with limit="
                )
            if not has_more:
                break
        messages = [message for page in reversed(pages) for message in page]
        return messages if limit is None else messages[max(0, count - limit) :]

    async def rename(
        self, conversation_id: str, name: str | None, auto: bool, user: str | None
    ) -> StoredConversation:
        """Give a conversation a name, or have a model think of one."""
        if auto == (name is not None):
            raise ConfigurationError('rename takes a name, or auto=True: rename("x")')
        if name is not None and not name.strip():
            raise ConfigurationError("The name of a conversation must not be blank")
        body = {"auto_generate": True} if auto else {"name": name}
        answer, call = await self.change(
            "POST",
            f"/conversations/{segment(conversation_id)}/name",
            {**body, "user": self.operations.user(user)},
            repeatable=not auto,  # each try asks a model
        )
        return StoredConversation(json_object(answer, call))

    async def delete(self, conversation_id: str, user: str | None) -> None:
        """Delete a conversation. The body of the answer depends on the release."""
        path = f"/conversations/{segment(conversation_id)}"
        await self.change("DELETE", path, {"user": self.operations.user(user)})

    async def variables(
        self, conversation_id: str, user: str | None
    ) -> list[ConversationVariable]:
        """Return the variables of a conversation. Its first turn makes them."""
        path = f"/conversations/{segment(conversation_id)}/variables"
        query = {"user": self.operations.user(user), "limit": str(PAGE_SIZE)}

        async def read(
            number: int, last_id: str
        ) -> tuple[list[ConversationVariable], bool]:
            after = {"last_id": last_id} if last_id else {}
            items, has_more = await self.page(path, {**query, **after})
            return list(map(ConversationVariable, items)), has_more

        pages, variables = Pages(read), list[ConversationVariable]()
        while new := await pages.next():
            variables.extend(new)
            if len(variables) > MAX_MESSAGES:
                raise AnswerTooLargeError("The server sends variables without end")
        return variables

    async def set_variable(
        self, conversation_id: str, name: str, value: Any, user: str | None
    ) -> ConversationVariable:
        """Set a variable, which the server knows by its id alone."""
        try:
            check_json(value)
        except ValueError as error:
            raise ConfigurationError(
                f"This cannot be sent as {name!r}: {error}"
            ) from None
        variables = await self.variables(conversation_id, user)
        found = next((item for item in variables if item.name == name), None)
        if found is None:
            raise ConfigurationError(
                f"The conversation has no variable {name!r} yet: it gets its variables "
                "with the first turn after they were published. Nothing was changed"
            )
        path = (
            f"/conversations/{segment(conversation_id)}/variables/{segment(found.id)}"
        )
        body = {"value": value, "user": self.operations.user(user)}
        answer, call = await self.change("PUT", path, body, repeatable=True)
        return ConversationVariable(json_object(answer, call))

    async def feedback(
        self,
        message_id: str,
        rating: Rating | None,
        content: str | None,
        user: str | None,
    ) -> None:
        """Say what somebody thinks of an answer, or take it back."""
        if rating not in ("like", "dislike", None):
            raise ConfigurationError(
                f"rating is 'like', 'dislike', or None to take it back, not {rating!r}"
            )
        body = {"rating": rating, "content": content}
        await self.change(
            "POST",
            f"/messages/{segment(message_id)}/feedbacks",
            {**body, "user": self.operations.user(user)},
            repeatable=rating is not None,  # what was taken back is not there again
        )

    def feedbacks(self) -> Pages[Feedback]:
        """Return what was said about answers. No page tells whether it is the last."""

        async def read(number: int, last_id: str) -> tuple[list[Feedback], bool]:
            query = {"page": str(number), "limit": str(PAGE_SIZE)}
            items, _ = await self.page("/app/feedbacks", query)
            return list(map(Feedback, items)), len(items) >= PAGE_SIZE

        return Pages(read)

    async def suggested_questions(
        self, message_id: str, user: str | None
    ) -> tuple[str, ...]:
        """Return questions to go on with. Each call asks a model: it is made once."""
        if not isinstance(self.app, ChatInfo):
            raise ConfigurationError(
                f"{self.app.name!r} suggests no questions: a text generator has no "
                "conversations to go on with"
            )
        is_on = self.app.suggests_questions
        self.only_if(is_on, "Follow-up (questions after an answer)")
        path = f"/messages/{segment(message_id)}/suggested"
        query = {"user": self.operations.user(user)}
        call = get_call(self.operations.settings(), path, query)
        call.repeatable = False
        answer = await self.operations.send(call, self.operations.short_deadline())
        return to_texts(json_object(answer, call).get("data"))

    async def audio_to_text(
        self, file: object, user: str | None, timeout: float | None
    ) -> str:
        """Return the words of a recording."""
        self.only_if(self.app.hears, "Speech to text")
        source, name = named_source(file)
        extension = extension_of(name)
        is_heard = extension in HEARD_EXTENSIONS
        body = upload_body(
            await self.operations.readable(source),
            name,
            self.operations.user(user),
            f"audio/{extension}" if is_heard else None,
        )
        settings = self.operations.settings()
        call = Call(
            "POST",
            f"{settings.api_url}/audio-to-text",
            key=settings.api_key,
            headers={"Content-Type": body.content_type, "Accept": "application/json"},
            content=body,
            shown="/v1/audio-to-text",
        )
        answer = await self.operations.send(call, self.operations.deadline(timeout))
        text = to_maybe_text(json_object(answer, call).get("text"))
        if text is None:
            raise unexpected(answer, call)
        return text

    async def text_to_audio(
        self,
        text: str | None,
        message_id: str | None,
        voice: str | None,
        user: str | None,
        timeout: float | None,
    ) -> bytes:
        """Return the speech of a text, or of a message's answer."""
        self.only_if(self.app.speaks or voice is not None, "Text to speech")
        if (text is None) == (message_id is None):
            raise ConfigurationError("text_to_audio takes text= or message_id=")
        if text is not None and not text.strip():
            raise ConfigurationError("There is nothing to say: the text is empty")
        wanted = {"text": text, "message_id": message_id, "voice": voice}
        body = {name: value for name, value in wanted.items() if value is not None}
        answer, call = await self.change(
            "POST",
            "/text-to-audio",
            {**body, "user": self.operations.user(user)},
            deadline=self.operations.deadline(timeout),
        )
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.body.strip() == b"null":
            raise NotFoundError(
                "There is nothing to say: no such message, or its answer is empty",
                status=answer.status,
                request=f"{call.method} {call.shown}",
            )
        if not answer.body or kind in ("application/json", "text/html"):
            raise unexpected(answer, call)
        return answer.body

    async def preview(
        self,
        file: File | str,
        as_attachment: bool,
        user: str | None,
        timeout: float | None,
    ) -> bytes:
        """Return the content of a file that a message of the app has."""
        path = f"/files/{segment(file if isinstance(file, str) else file_id(file))}"
        query = {"user": self.operations.user(user)}
        if as_attachment:
            query["as_attachment"] = "true"
        call = get_call(self.operations.settings(), f"{path}/preview", query)
        call.headers = {"Accept": "*/*"}
        deadline = self.operations.deadline(timeout)
        return (await self.operations.send(call, deadline)).body

    def annotations(self, keyword: str | None) -> Pages[Annotation]:
        """Return the questions with answers of people's."""
        filters = {} if keyword is None else {"keyword": keyword}

        async def read(number: int, last_id: str) -> tuple[list[Annotation], bool]:
            query = {**filters, "page": str(number), "limit": str(PAGE_SIZE)}
            items, has_more = await self.page("/apps/annotations", query)
            return list(map(Annotation, items)), has_more

        return Pages(read)

    async def write_annotation(
        self, annotation_id: str | None, question: str, answer: str
    ) -> Annotation:
        """Add an annotation, or write one anew."""
        path = "/apps/annotations"
        if annotation_id is not None:
            path = f"{path}/{segment(annotation_id)}"
        is_new = annotation_id is None
        body = {"question": question, "answer": answer}
        reply, call = await self.change(
            "POST" if is_new else "PUT", path, body, repeatable=not is_new
        )
        return Annotation(json_object(reply, call))

    async def delete_annotation(self, annotation_id: str) -> None:
        """Delete an annotation."""
        await self.change("DELETE", f"/apps/annotations/{segment(annotation_id)}", {})

    async def annotation_reply(
        self,
        action: Literal["enable", "disable"],
        score_threshold: float,
        embedding_provider_name: str,
        embedding_model_name: str,
    ) -> AnnotationJob:
        """Switch answers by annotations on or off. The server wants all, whichever it is."""
        body = {
            "score_threshold": score_threshold,
            "embedding_provider_name": embedding_provider_name,
            "embedding_model_name": embedding_model_name,
        }
        path = f"/apps/annotation-reply/{checked_action(action)}"
        answer, call = await self.change("POST", path, body)
        return AnnotationJob(json_object(answer, call))

    async def annotation_reply_status(
        self, action: Literal["enable", "disable"], job_id: str
    ) -> AnnotationJob:
        """Return how far the switching is."""
        path = f"/apps/annotation-reply/{checked_action(action)}/status"
        return AnnotationJob(await self.operations.ask(f"{path}/{segment(job_id)}"))


def checked_action(action: object) -> str:
    """Return what is to be done with annotations, if it is one of two things."""
    if action not in ("enable", "disable"):
        raise ConfigurationError(f"action is 'enable' or 'disable', not {action!r}")
    return str(action)


def file_id(file: File) -> str:
    """Return the id that the server knows a file of a message by."""
    uploaded = (file.model_extra or {}).get("upload_file_id")
    found = to_text(uploaded) or file.related_id or file.id
    if not found:
        raise ConfigurationError(f"The file {file.filename!r} has no id")
    return found


class ConversationFlows(Generic[VariablesT_co]):
    """One conversation of one user: its `state`, and the inputs of all its turns."""

    def __init__(
        self,
        operations: ChatOperations,
        inputs: Inputs,
        conversation_id: str | None,
        user: str | None,
        variables: type[VariablesT_co] | None,
    ) -> None:
        self.operations = operations
        self.turns = operations.operations
        self.inputs = inputs
        self.state = ConversationState(conversation_id)
        self.user = self.turns.user(user)
        self._variables = variables

    def begun(self) -> str:
        """Return the id.

        Raises:
            ConfigurationError: The server does not know the conversation yet.
        """
        if self.state.is_deleted:
            raise ConfigurationError("This conversation was deleted")
        if self.state.id is None:
            raise ConfigurationError(
                "The conversation has no id yet: it begins with its first turn"
            )
        return self.state.id

    def model(self) -> type[VariablesT_co]:
        """Return the model of the variables that the app declares."""
        if self._variables is None:
            name = self.operations.app.name
            raise ConfigurationError(f"{name!r} has no conversation variables")
        return self._variables

    async def messages(self, limit: int | None) -> list[StoredMessage]:
        """Return the last turns, oldest first; none before the first one."""
        if self.state.id is None:
            return []
        return await self.operations.messages(self.begun(), self.user, limit)

    async def rename(self, name: str | None, auto: bool) -> StoredConversation:
        """Give the conversation a name, or have a model think of one."""
        return await self.operations.rename(self.begun(), name, auto, self.user)

    async def delete(self) -> None:
        """Delete the conversation, once no turn goes on."""
        turns = self.turns
        slot = await self.state.acquire(turns.transport, turns.deadline(None))
        try:
            await self.operations.delete(self.begun(), self.user)
            self.state.is_deleted = True
        finally:
            slot.release()

    async def variables(self) -> VariablesT_co:
        """Return the typed variables; their initial values before the first turn."""
        model = self.model()
        if self.state.id is None:
            return read_variables(model, ())
        rows = await self.operations.variables(self.begun(), self.user)
        return read_variables(model, rows)

    async def set_variable(self, name: str, value: Any) -> None:
        """Set a variable, once no turn goes on that might set it too."""
        variable, wire = check_variable(self.model(), name, value)
        turns = self.turns
        slot = await self.state.acquire(turns.transport, turns.deadline(None))
        try:
            await self.operations.set_variable(self.begun(), variable, wire, self.user)
        finally:
            slot.release()
