"""What a client can do, as flows: written once, run by the blocking and the async client.

A flow asks the transport to send and to wait; settings are read when a call needs them.
"""

from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from copy import copy
from functools import partial
from math import inf, isinf
from pathlib import Path
from time import monotonic
from typing import Any, Generic, Self, TypeVar, cast

from ._answers import (
    Answer,
    Exchange,
    error_of,
    json_object,
    read_all,
    read_error,
    unexpected,
)
from ._errors import (
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineExceededError,
    DifyError,
    FormValuesError,
    IdleTimeoutError,
    NotFoundError,
    ServerError,
    TooManyRequestsError,
    UnexpectedResponseError,
)
from ._files import (
    Destination,
    File,
    FileRules,
    FilesInput,
    FileSource,
    Link,
    PreparedFile,
    UploadedFile,
    Uploads,
    WaitingFile,
    absolute_url,
    awaited_in_vain,
    checked_files_url,
    download,
    named_source,
    prepare_files,
    reachable_url,
    read_content,
    upload_body,
    url_of,
)
from ._http import NOTHING_SAID, SHARED, Call, Network
from ._models import (
    FormAnswer,
    Inputs,
    Outputs,
    Run,
    WorkflowInfo,
    is_same_run,
    make_run,
    prepared_files,
    settle,
)
from ._payloads import (
    AppInfo,
    AppParameters,
    AppSite,
    Form,
    FormInput,
    LogPage,
    to_maybe_text,
    to_text,
)
from ._protocol import (
    SETTLED,
    STOP_PATIENCE,
    blocking_payload,
    checked_run_id,
    form_call,
    get_call,
    post_call,
    retry_delay,
    run_call,
    run_detail,
    segment,
)
from ._settings import (
    NO_HEADERS,
    ExtraHeaders,
    HeaderValues,
    Secret,
    Settings,
    origin_of,
    read_settings,
    read_user,
)
from ._transport import Transport

ResultsT = TypeVar("ResultsT", bound=Outputs)
AttemptT = TypeVar("AttemptT")
MAX_REMEMBERED_ITEMS = 1000
FIRST_POLL_DELAY = 0.25
MAX_POLL_DELAY = 5.0
MAX_POLL_FAILURES = 4
# Dify ends a run after 1200 seconds, unless set otherwise.
MAX_POLLING = 1260.0


class ClientOptions:
    """The arguments of a client, as they were given. Shows nothing that may be secret.

    They are what a client is copied and pickled as; but not with what may be secret, which
    would stand in the pickle, nor with what belongs to one process.
    """

    __slots__ = (
        "api_key",
        "api_path",
        "base_url",
        "files_url",
        "headers",
        "http_client",
        "idle_timeout",
        "max_answer_size",
        "max_concurrency",
        "max_reconnects",
        "max_retries",
        "network",
        "timeout",
        "user",
    )

    def __init__(
        self,
        *,
        base_url: str | None,
        api_path: str | None,
        files_url: str | None,
        api_key: Secret | None,
        user: str | None,
        timeout: float,
        idle_timeout: float,
        max_retries: int,
        max_reconnects: int,
        max_concurrency: int | None,
        max_answer_size: int,
        network: Network,
        headers: ExtraHeaders,
        http_client: Any,
    ) -> None:
        self.base_url = base_url
        self.api_path = api_path
        self.files_url = None if files_url is None else checked_files_url(files_url)
        self.api_key = api_key
        self.user = user
        self.timeout = positive("timeout", timeout)
        self.idle_timeout = positive("idle_timeout", idle_timeout)
        self.max_retries = at_least("max_retries", max_retries, 0)
        self.max_reconnects = at_least("max_reconnects", max_reconnects, 0)
        self.max_answer_size = at_least("max_answer_size", max_answer_size, 1)
        self.max_concurrency = max_concurrency
        if max_concurrency is not None:
            at_least("max_concurrency", max_concurrency, 1)
        if http_client is not None and network != NOTHING_SAID:
            raise ConfigurationError(
                "http_client brings a proxy, certificates and an environment of its own: "
                "give proxy=, verify= and trust_env= to it, or leave http_client out"
            )
        self.network = network
        self.headers = headers.checked()
        self.http_client = http_client

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the same options again.

        Raises:
            TypeError: They hold something that does not travel.
        """
        if self.api_key is not None:
            raise TypeError(
                "An API key does not pickle, and this client was given one: leave "
                "api_key= out, and set its environment variable where the client is used"
            )
        if self.headers or self.network.has_password:
            raise TypeError(
                "This client does not pickle, since headers= or the proxy= that it was "
                "given may be secret: call configure(...) where it is used instead"
            )
        if self.http_client is not None or self.network.has_context:
            raise TypeError(
                "This client does not pickle, since the http_client= or the SSLContext "
                "that it was given belongs to this process: make it where it is used"
            )
        state = {name: getattr(self, name) for name in self.__slots__}
        return partial(type(self), **state), ()

    def __deepcopy__(self, memo: object) -> "ClientOptions":
        return self  # it never changes, and stays in this process

    def __repr__(self) -> str:
        return f"base_url={self.base_url!r}, user={self.user!r}"


def positive(name: str, seconds: object) -> float:
    """Return the number of seconds, if it is one to wait for."""
    if not isinstance(seconds, int | float) or not seconds > 0:
        raise ConfigurationError(
            f"{name} must be more than 0 seconds (math.inf for no limit), not {seconds!r}"
        )
    return seconds


def at_least(name: str, number: object, least: int) -> int:
    """Return the number, if it is large enough."""
    if not isinstance(number, int) or number < least:
        raise ConfigurationError(f"{name} must be {least} or more, not {number!r}")
    return number


def remember(known: dict[str, None], item: str) -> None:
    """Add an item to those that were added last."""
    known[item] = None
    if len(known) > MAX_REMEMBERED_ITEMS:
        del known[next(iter(known))]


class Operations(Generic[ResultsT]):
    """The operations of one client."""

    tasks_path = "/workflows/tasks"

    def __init__(
        self,
        workflow: WorkflowInfo[ResultsT],
        options: ClientOptions,
        transport: Transport,
    ) -> None:
        self.workflow = workflow
        self.options = options
        self.transport = transport
        self.headers = options.headers
        self.submitted: dict[str, None] = {}
        self.stopped: dict[str, None] = {}

    def with_headers(self, headers: HeaderValues | None) -> Self:
        """Return the same, for one call that sends some headers more with all its requests.

        Raises:
            ConfigurationError: They cannot be sent, or are the client's own.
        """
        if headers is None:
            return self
        extra = ExtraHeaders.of(headers)
        del headers  # a traceback with variables would show them
        operations = copy(self)
        operations.headers = extra.checked().over(self.headers)
        return operations

    def settings(self) -> Settings:
        """Return where to send, and the key: from the arguments, else from the environment."""
        options = self.options
        return read_settings(
            options.base_url,
            options.api_path,
            options.api_key,
            self.workflow.api_key_variables,
        )

    def user(self, user: str | None) -> str:
        """Return on whose behalf a call is made."""
        return read_user(user, self.options.user)

    def deadline(self, timeout: float | None) -> float:
        """Return the moment when a call must be finished."""
        if timeout is None:
            return monotonic() + self.options.timeout
        return monotonic() + positive("timeout", timeout)

    async def send(
        self,
        call: Call,
        deadline: float,
        *,
        idle: float | None = None,
        max_retries: int | None = None,
    ) -> Answer:
        """Send a request, again as its kind allows, and read its good answer."""

        async def attempt() -> Answer:
            exchange = await self._open_once(call, deadline, idle)
            return await read_all(exchange, call, self.options.max_answer_size)

        return await self._repeat(attempt, call, deadline, max_retries)

    async def open(
        self, call: Call, deadline: float, *, max_retries: int | None = None
    ) -> Exchange:
        """Return the same, for a good answer that is still to be read."""

        async def attempt() -> Exchange:
            return await self._open_once(call, deadline)

        return await self._repeat(attempt, call, deadline, max_retries)

    def headers_for(self, url: str) -> ExtraHeaders:
        """Return the headers of the caller's own for a URL: none for another origin than the API's."""
        headers = self.headers.over(SHARED.headers)
        is_own = not headers or origin_of(url) == self.settings().origin
        return headers if is_own else NO_HEADERS

    async def _open_once(
        self, call: Call, deadline: float, idle: float | None = None
    ) -> Exchange:
        idle = self.options.idle_timeout if idle is None else idle
        call.extra = self.headers.over(SHARED.headers)
        exchange = await self.transport.open(call, deadline, idle)
        if 200 <= exchange.status < 300:
            return exchange
        raise error_of(await read_error(exchange), call)

    async def _repeat(
        self,
        attempt: Callable[[], Awaitable[AttemptT]],
        call: Call,
        deadline: float,
        max_retries: int | None,
    ) -> AttemptT:
        limit = self.options.max_retries if max_retries is None else max_retries
        number = 0
        while True:
            try:
                return await attempt()
            except DifyError as error:
                delay = retry_delay(error, number, limit, repeatable=call.repeatable)
                if delay is None or monotonic() + delay >= deadline:
                    raise
            await self.transport.sleep(delay)
            number += 1

    def short_deadline(self) -> float:
        """Return the deadline of a call that only asks for something."""
        return monotonic() + min(self.options.timeout, self.options.idle_timeout)

    async def ask(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return the JSON object at a path."""
        call = get_call(self.settings(), path, query)
        return json_object(await self.send(call, self.short_deadline()), call)

    async def run_blocking(
        self,
        inputs: Inputs,
        *,
        user: str | None,
        timeout: float | None,
        workflow_id: str | None,
        trace_id: str | None,
        files: FilesInput | None = None,
    ) -> Run[ResultsT]:
        """Run the workflow, waiting for one answer."""
        run_files = self.run_files(files)
        deadline = self.deadline(timeout)
        settings, name = self.settings(), self.user(user)
        slot = await self.transport.acquire(deadline)
        try:
            sent_files = [*prepared_files(inputs), *run_files]
            uploads = await self.upload_files(sent_files, name, deadline)
            call = run_call(
                settings,
                inputs.to_wire(uploads),
                user=name,
                response_mode="blocking",
                workflow_id=workflow_id,
                trace_id=trace_id,
                files=[file.wire_with(uploads) for file in run_files],
            )
            answer = await self.send(call, deadline, idle=inf)
            if answer.status == 202:
                return await self.wait_for_run(answer, call, deadline)
        finally:
            slot.release()
        payload, data = blocking_payload(answer, call)
        return settle(self.make_run(payload, data, settings))

    def run_files(self, files: FilesInput | None) -> tuple[PreparedFile, ...]:
        """Return the files to send beside the inputs of a run.

        Raises:
            ConfigurationError: The workflow does not take them.
        """
        workflow = self.workflow
        return prepare_files(
            workflow.name,
            files,
            workflow.files,
            workflow.max_files,
            call="run",
            off="file upload is off in the app, and nothing in it reads sys.files",
        )

    async def wait_for_run(
        self, answer: Answer, call: Call, deadline: float
    ) -> Run[ResultsT]:
        """Return the run that a server in maintenance goes on with later (unreleased Dify)."""
        payload = json_object(answer, call)
        workflow_run_id = to_maybe_text(payload.get("workflow_run_id"))
        if workflow_run_id is None:
            raise unexpected(answer, call)
        detail = await self.poll(workflow_run_id, deadline)
        return settle(self.make_run(detail, detail, self.settings()))

    def make_run(
        self, payload: Mapping[str, Any], data: Mapping[str, Any], settings: Settings
    ) -> Run[ResultsT]:
        """Return the typed run that an answer or a terminal event tells about."""
        return make_run(
            self.workflow,
            data,
            raw=payload,
            workflow_run_id=to_maybe_text(payload.get("workflow_run_id")),
            task_id=to_maybe_text(payload.get("task_id")),
            api_url=settings.api_url,
        )

    async def detail(
        self, workflow_run_id: str, deadline: float, max_retries: int | None = None
    ) -> dict[str, Any]:
        """Return a stored run, with inputs and outputs as objects."""
        call = get_call(self.settings(), f"/workflows/run/{segment(workflow_run_id)}")
        answer = await self.send(call, deadline, max_retries=max_retries)
        detail = run_detail(answer, call)
        found = to_text(detail.get("id"))
        if found and not is_same_run(found, workflow_run_id):
            raise UnexpectedResponseError(
                f"The server gave another run: {found[:100]} for {workflow_run_id}",
                status=answer.status,
                request=f"{call.method} {call.shown}",
            )
        return detail

    async def get_run(self, workflow_run_id: str) -> Run[ResultsT]:
        """Return a stored run, however it ended or goes on."""
        run_id = checked_run_id(workflow_run_id)
        detail = await self.detail(run_id, self.short_deadline())
        return self.make_run(detail, detail, self.settings())

    async def poll(
        self, workflow_run_id: str, deadline: float, task_id: str | None = None
    ) -> dict[str, Any]:
        """Wait until a run has ended or waits for people, and return it as stored.

        Just after the start of a run its record may be missing; on its worst day a
        server does not answer: both are given a few chances. A run that this client has
        stopped may stay stored as `running` (seen on 1.12.1 and 1.14.2).

        Raises:
            DeadlineExceededError: It goes on for too long. A record can stay `running`
                for ever when its worker died (seen on 1.12.1).
        """
        began = monotonic()
        if isinf(deadline):
            deadline = monotonic() + MAX_POLLING
        failures, delay = 0, FIRST_POLL_DELAY
        while True:
            try:
                detail = await self.detail(workflow_run_id, deadline, max_retries=0)
                failures = 0
                if to_text(detail.get("status")) in SETTLED:
                    return detail
                if task_id in self.stopped and monotonic() - began >= STOP_PATIENCE:
                    return {**detail, "status": "stopped"}
            except (NotFoundError, ServerError, ConnectionLostError):
                failures += 1
                if failures >= MAX_POLL_FAILURES:
                    raise
            except (ConnectionFailedError, IdleTimeoutError, TooManyRequestsError):
                failures += 1
                if failures > self.options.max_reconnects:
                    raise
            if monotonic() + delay >= deadline:
                raise DeadlineExceededError(
                    f"The run {workflow_run_id} had not ended when the time was up"
                )
            await self.transport.sleep(delay)
            delay = min(delay * 2, MAX_POLL_DELAY)

    async def stop(self, task_id: str, user: str | None) -> None:
        """Ask the server to stop a run. It agrees to anything, known or not."""
        await self.stop_by(task_id, self.user(user), self.short_deadline())

    async def stop_by(self, task_id: str, user: str, deadline: float) -> None:
        """Do the same, within a time of the caller's."""
        remember(self.stopped, task_id)
        path = f"{self.tasks_path}/{segment(task_id)}/stop"
        call = post_call(self.settings(), path, {"user": user}, repeatable=True)
        await self.send(call, deadline)

    async def log_page(
        self, filters: Mapping[str, str], page: int, limit: int
    ) -> LogPage:
        """Return one page of the logs."""
        query = {**filters, "page": str(page), "limit": str(limit)}
        return LogPage(await self.ask("/workflows/logs", query))

    async def info(self) -> AppInfo:
        """Return the app's name, description, tags and mode."""
        return AppInfo(await self.ask("/info"))

    async def parameters(self) -> AppParameters:
        """Return the inputs of the published version, and the server's limits."""
        return AppParameters(await self.ask("/parameters"))

    async def site(self) -> AppSite:
        """Return how the app's web page looks."""
        return AppSite(await self.ask("/site"))

    async def upload(
        self, file: object, user: str | None, timeout: float | None
    ) -> UploadedFile:
        """Upload a local file."""
        source, name = named_source(file)
        return await self.upload_source(
            source, name, self.user(user), self.deadline(timeout)
        )

    async def readable(self, source: FileSource) -> FileSource:
        """Return where the bytes are, once there is nothing to await any more."""
        if not isinstance(source, WaitingFile):
            return source
        if not self.transport.awaits:
            raise awaited_in_vain()
        return await source.read(self.transport.do)

    async def upload_source(
        self, source: FileSource, name: str, user: str, deadline: float
    ) -> UploadedFile:
        """Upload bytes under a name, streamed from where they are."""
        settings = self.settings()
        body = upload_body(await self.readable(source), name, user)
        call = Call(
            "POST",
            f"{settings.api_url}/files/upload",
            key=settings.api_key,
            headers={"Content-Type": body.content_type, "Accept": "application/json"},
            content=body,
            shown="/v1/files/upload",
        )
        answer = await self.send(call, deadline)
        payload = json_object(answer, call)
        if not to_text(payload.get("id")):
            raise unexpected(answer, call)
        return UploadedFile(payload, user)

    async def upload_files(
        self, files: Iterable[PreparedFile], user: str, deadline: float
    ) -> Uploads:
        """Upload what is local among some files, on behalf of the run's own user.

        A file that was uploaded before, for the same user of the same server, is there.

        Raises:
            ConfigurationError: One belongs to another user.
        """
        files = list(files)
        for file in files:
            if file.owner not in (None, user):
                raise ConfigurationError(
                    f"{file.name[:100]!r} was uploaded for the user {file.owner!r}, and "
                    f"this call is for {user!r}: since Dify 1.14 a file belongs to its "
                    "user. Upload it with the same user=, or give the local file itself"
                )
        place = self.settings().api_url, user
        uploads: dict[PreparedFile, str] = {}
        for file in files:
            if file.source is not None:
                if place not in file.ids:
                    uploaded = await self.upload_source(
                        file.source, file.name, user, deadline
                    )
                    file.ids[place] = uploaded.id
                uploads[file] = file.ids[place]
        return uploads

    async def get_form(self, form_token: str) -> Form:
        """Return a human-input form (1.14)."""
        call = form_call(self.settings(), form_token)
        payload = json_object(await self._send_form(call), call)
        return Form({"form_token": form_token, **payload})

    async def _send_form(self, call: Call) -> Answer:
        """Send a request for a form. No message may hold the token, as one of the server's does."""
        try:
            return await self.send(call, self.short_deadline())
        except NotFoundError as error:
            unknown = NotFoundError(
                FORM_UNKNOWN,
                code=error.code,
                status=error.status,
                server_version=error.server_version,
                request_id=error.request_id,
                hint=WEB_APP_HINT,
                request=error.request,
            )
        raise unknown

    async def submit_form(
        self,
        form: Form | Sequence[Form] | str,
        answer: FormAnswer | None,
        action: str | None,
        inputs: Mapping[str, Any] | None,
        user: str | None,
    ) -> None:
        """Answer a human-input form (1.14). It can be done once.

        A form that is given by its token alone is read first, so that values are checked;
        so is one without actions, which its node may not have given to the API at all.
        """
        if answer is not None and action is None and inputs is None:
            form = form_of(form, answer.node_id)
            action, inputs = answer.for_form()
        elif answer is not None or action is None or not isinstance(form, Form | str):
            raise TypeError(
                "submit_form takes a form and action=..., inputs={...}, or an answer"
            )
        token = form if isinstance(form, str) else form.form_token
        if not token:
            ways = () if isinstance(form, str) else form.approval_channels
            raise ConfigurationError(
                "The form has no token: it goes to people by other ways than the API "
                f"({', '.join(ways) or 'which the server does not tell'}), or the run was "
                "started in blocking mode before Dify 1.14"
            )
        name = self.user(user)
        if isinstance(form, str) or not form.actions:
            form = await self.get_form(token)
        check_action(form, action)
        values = check_values(form, inputs)
        uploads = await self.upload_files(
            files_among(values), name, self.deadline(None)
        )
        body = {"inputs": wire_values(values, uploads), "action": action, "user": name}
        await self._send_form(form_call(self.settings(), token, body))
        remember(self.submitted, token)

    def link_to(self, file: File | str, timeout: float | None) -> Link:
        """Return where a file's content is, as it is reached from here. The key is not sent."""
        url = file if isinstance(file, str) else url_of(file)
        api_url = self.settings().api_url
        return Link(
            reachable_url(absolute_url(api_url, url), self.options.files_url),
            api_url=api_url,
            timeout=self.deadline(timeout) - monotonic(),
            idle_timeout=self.options.idle_timeout,
            headers_for=self.headers_for,
        )

    async def download(
        self,
        file: File | str,
        path: Destination,
        timeout: float | None,
        max_size: int | None,
    ) -> Path:
        """Stream a file's content to disk."""
        filename = None if isinstance(file, str) else file.filename
        link = self.link_to(file, timeout)
        return await download(
            self.transport, link, path, filename=filename, max_size=max_size
        )

    async def read_file(
        self, file: File | str, timeout: float | None, max_size: int | None
    ) -> bytes:
        """Return a file's content."""
        limit = self.options.max_answer_size if max_size is None else max_size
        return await read_content(self.transport, self.link_to(file, timeout), limit)

    async def open_file(self, file: File | str, timeout: float | None) -> Exchange:
        """Open the response with a file's content."""
        return await self.link_to(file, timeout).open(self.transport)


# Answers to forms, held against the form before anything is sent. The server looks whether
# the action and every field are there, and at nothing else (seen on 1.14.2): a number for a
# paragraph fails the run, a text that is no option becomes its output. Later releases look
# at options and files, too.

TEXT_FIELDS = ("paragraph", "text_input", "text-input")
FILE_FIELDS = ("file", "file-list")
MAX_SHOWN_ITEMS = 20
FORM_UNKNOWN = (
    "The server knows no such form. It gives a token to every form (seen on 1.14.2), but "
    "takes answers over the API only where the delivery of the human-input node has the "
    "web app; or the form is another app's"
)
WEB_APP_HINT = (
    "Switch on the web app in the delivery method of the node, publish the app, and start a "
    "run anew; or let the person answer by the e-mail that the node sends"
)


def listed(items: Iterable[str]) -> str:
    """Return names for a message: not too many, and none too long."""
    shown = [repr(item[:100]) for item in items]
    if len(shown) > MAX_SHOWN_ITEMS:
        shown = [*shown[:MAX_SHOWN_ITEMS], "..."]
    return ", ".join(shown)


def form_of(forms: Form | Sequence[Form] | str, node_id: str) -> Form | str:
    """Return the form of a node among those that wait; a token may be that of any.

    Raises:
        FormValuesError: None of them is, or several are.
    """
    if isinstance(forms, str):
        return forms
    given = [forms] if isinstance(forms, Form) else list(forms)
    found = [form for form in given if form.node_id in ("", node_id)]
    if len(found) == 1:
        return found[0]
    if found:
        raise FormValuesError(
            f"{len(found)} forms of the node {node_id!r} wait: give one of them alone"
        )
    others = listed(form.node_id for form in given) or "none at all"
    raise FormValuesError(
        f"The answer is for the form of the node {node_id!r}, and not for that of {others}"
    )


def check_action(form: Form, action: object) -> None:
    """Check that the form has the action.

    Raises:
        FormValuesError: It has not; the message says which it has.
    """
    actions = [each.id for each in form.actions]
    if action not in actions:
        names = f"it takes {listed(actions)}" if actions else "it has no actions at all"
        raise FormValuesError(
            f"The form has no action {str(action)[:100]!r}: {names}",
            problems={"action": names},
        )


def check_values(form: Form, values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values as they are sent, files prepared to be.

    Raises:
        FormValuesError: Some do not fit, or are missing, or are no fields of the form.
    """
    fields = {field.name: field for field in form.inputs}
    problems: dict[str, str] = {}
    checked: dict[str, Any] = {}
    values = values or {}
    for name, field in fields.items():
        try:
            if name not in values:
                raise ValueError(f"is missing: it takes {expected(field)}")
            checked[name] = check_value(field, values[name])
        except ValueError as error:
            problems[name] = str(error)
    for name in values:
        if name not in fields:
            known = f"it has {listed(fields)}" if fields else "it has none"
            problems[name] = f"is no field of the form: {known}"
    if problems:
        lines = [f"{name[:100]} {problem}" for name, problem in problems.items()]
        raise FormValuesError(
            f"The values do not fit the form: {'; '.join(lines)}", problems=problems
        )
    return checked


def check_value(field: FormInput, value: Any) -> Any:
    """Return the value of a field as it is sent, files prepared to be.

    A field of a kind that is not known takes what the server makes of it.

    Raises:
        ValueError: It does not fit; the message goes on where the field's name ends.
    """
    if field.type in TEXT_FIELDS or field.type == "select":
        if not isinstance(value, str):
            found = type(value).__name__
            raise ValueError(f"takes {expected(field)}, not {found}")
        if field.options and value not in field.options:
            raise ValueError(f"takes {expected(field)}, not {value[:100]!r}")
        return value
    if field.type not in FILE_FIELDS:
        return value
    try:
        if field.type == "file":
            return rules_of(field).prepare(value)
        return check_files(field, value)
    except ValueError as error:
        raise ValueError(f"takes {expected(field)}: {error}") from None


def check_files(field: FormInput, value: Any) -> list[PreparedFile]:
    """Return the files of a field that takes several.

    Raises:
        ValueError: They are no list, too many, or one of them is not taken. An empty list
            is, as by the server.
    """
    found = type(value).__name__
    is_one = isinstance(value, str | bytes | bytearray | tuple | Mapping)
    if is_one or not isinstance(value, Sequence):
        raise ValueError(f"a list is needed, not {found}")
    files = cast(Sequence[object], value)
    if field.max_files is not None and len(files) > field.max_files:
        raise ValueError(f"{len(files)} files are too many")
    return [rules_of(field).prepare(file) for file in files]


def rules_of(field: FormInput) -> FileRules:
    """Return which files a field takes."""
    return FileRules(
        types=field.allowed_file_types,
        extensions=field.allowed_file_extensions,
        methods=field.allowed_file_upload_methods,
    )


def expected(field: FormInput) -> str:
    """Say what a field takes."""
    if field.options:
        return f"one of {listed(field.options)}"
    if field.type in TEXT_FIELDS or field.type == "select":
        return "a text"
    if field.type == "file":
        return "a file"
    if field.type != "file-list":
        return "a value"
    limit = field.max_files
    return "a list of files" if limit is None else f"a list of up to {limit} files"


def files_among(values: Mapping[str, Any]) -> Iterator[PreparedFile]:
    """Yield the files of values that were checked."""
    for value in values.values():
        items = cast(list[object], value) if isinstance(value, list) else [value]
        yield from (item for item in items if isinstance(item, PreparedFile))


def wire_values(values: Mapping[str, Any], uploads: Uploads) -> dict[str, Any]:
    """Return values that were checked as JSON for the server, once their files are there."""

    def wire(value: Any) -> Any:
        if isinstance(value, PreparedFile):
            return value.wire_with(uploads)
        if isinstance(value, list):
            return [wire(item) for item in cast(list[object], value)]
        return value

    return {name: wire(value) for name, value in values.items()}
