"""The async client: every method awaits a flow of `_operations`."""

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Protocol, TypeVar, Unpack, overload

from ._errors import DifyError
from ._files import Destination, File, FilesInput, UploadedFile
from ._http import AsyncClient, Network, SSLContext, check_client
from ._models import (
    ArgumentsT,
    FormAnswer,
    InputsT,
    OutputsT,
    Run,
    RunOptions,
    StartedRun,
    StreamOptions,
    WorkflowInfo,
    starting,
)
from ._operations import ClientOptions, Operations
from ._payloads import (
    AppInfo,
    AppParameters,
    AppSite,
    Event,
    Form,
    LogEntry,
    LogNews,
    LogPage,
    TextChunk,
    log_filters,
)
from ._protocol import text_filter
from ._session import EndT, StreamSession, follow_run, run_to_end, wait_for_end
from ._settings import ExtraHeaders, HeaderValues, Secret
from ._transport import AsyncTransport

# What a `with` block enters: `Self` says the same, but jedi takes that for the base class.
# Their names are short, so that no formatter moves `noqa` off its line.
AClientT = TypeVar("AClientT")
AStreamT = TypeVar("AStreamT", bound="AsyncEventStream[Any]")


class AsyncEventStream(Generic[EndT]):
    """The events of a run or a turn, as they happen, and what came of it."""

    def __init__(self, session: StreamSession[EndT]) -> None:
        self._session = session
        self._managed = False

    @property
    def workflow_run_id(self) -> str | None:
        """The run, for `get_run()` and `resume()`. None before the first event."""
        return self._session.state.workflow_run_id

    @property
    def task_id(self) -> str | None:
        """The run while it goes on, for `stop()`. None before the first event."""
        return self._session.state.task_id

    async def __aenter__(self: AStreamT) -> AStreamT:  # noqa: PYI019
        self._managed = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncIterator[Event]:
        session = self._session
        pending = session.pending
        try:
            while True:
                try:
                    while pending:
                        yield pending.popleft()
                except IndexError:
                    pass  # another task took the last one; `suppress` costs too much
                if not await session.fill():
                    return
        finally:
            await self._leave()

    async def __anext__(self) -> Event:
        while await self._session.fill():
            try:
                return self._session.pending.popleft()
            except IndexError:
                continue
        raise StopAsyncIteration

    async def result(self) -> EndT:
        """Return what came of it, once it has ended. Reads the events that were not taken yet.

        Raises:
            RunError, TurnError: It ended, but not well; the exception carries it.
            DifyError: How it ended is not known, or its outputs do not fit.
        """
        try:
            return await self._session.finish()
        finally:
            await self._leave()

    async def aclose(self) -> None:
        """Close the connection. May be called more than once."""
        await self._session.close()

    async def _leave(self) -> None:
        if not (self._managed or self._session.is_in_use):
            await self.aclose()

    def __del__(self) -> None:
        with suppress(Exception):
            self._session.drop()


class AsyncRunStream(AsyncEventStream[Run[OutputsT]]):
    """The events of a run, as they happen, and its typed result.

        async with astream_x(...) as stream:
            async for event in stream:
                ...
            run = await stream.result()

    The run starts with the first event that is asked for. Leaving the `async with` block
    closes the connection, and so does cancelling the task; the run itself goes on at the
    server, unless `stop_on_exit` was set.

    Events of the types WorkflowFinished and WorkflowPaused are the last. An ErrorEvent
    and a broken stream raise after the events before them. A connection that breaks is
    taken up again: at most `max_reconnects` times in a row without anything new, and
    within the `timeout`; then the stored run is read. No event is delivered twice.

    The run is started once, whatever is done with this object. A wait that was cancelled
    may be repeated: it goes on with the run, or raises a StreamInterruptedError where no
    event told the run's id. One task at a time may wait for events.
    """

    async def text(self, source: str | Sequence[str]) -> AsyncIterator[str]:
        """Return the pieces of text of one source, as they come; other events are passed over.

        All pieces of all sources joined are *not* an output, which is why one is chosen:
        Dify sends every End output as display text (seen on 1.12.1). Take values from
        `(await result()).outputs`.

        Args:
            source: The name of an output, the id of a node (or a member of the generated
                enum of nodes), or a node id and a variable: `("llm", "text")`.
        """
        matches = text_filter(source, self._session.operations.workflow.text_sources)
        async for event in self:
            if isinstance(event, TextChunk) and event.text and matches(event):
                yield event.text

    async def detach(self) -> StartedRun:
        """Leave the run to itself, once its id is known: closes the connection alone.

        Starts the run, if that has not happened. `wait()` of a client has its end.
        """
        return await self._session.detach()


class AsyncStreams(Protocol[ArgumentsT]):
    """A client that streams runs, with parameters of its own."""

    def stream(
        self, *args: ArgumentsT.args, **kwargs: ArgumentsT.kwargs
    ) -> AsyncRunStream[Any]:
        """Return the stream of a run."""
        ...


class AsyncAppClient:
    """What the generated clients build on: calls one app, from asyncio code.

    Every argument may be left out: the environment tells the rest, at the time of a call.
    Nothing is read or opened before the first call. `aclose()`, or leaving an `async with`
    block, closes the connections; a later call opens new ones. One client may serve
    several event loops: each has its own connections, closed when it shuts down.

    Args:
        base_url: Where the API is, with or without `/v1`. Else `DIFY_BASE_URL`.
        api_key: The key of the app. Else the workflow's own environment variable, else
            `DIFY_API_KEY`.
        user: On whose behalf runs are made, if a call does not say. Else `DIFY_USER`.
        timeout: Seconds that a call may take as a whole, pings or not; `math.inf` for no
            limit. Dify itself ends a run after 1200 seconds, unless set otherwise.
        idle_timeout: Seconds without a byte after which a stream, or a call that only
            asks for something, is given up. Dify pings a stream every 10 seconds.
        max_retries: How often a request is sent again; one that starts a run, only if it
            surely started none.
        max_reconnects: How often in a row a stream is taken up again without anything
            new; 0 switches this off.
        max_concurrency: How many runs may go on at a time in an event loop; more wait
            their turn.
        max_answer_size: How many bytes one event of a stream, or one other answer, may
            have, uncompressed: more is an `AnswerTooLargeError`.
        api_path: Where below `base_url` the API is, if not at `/v1`: a gateway may have it at
            another path, or, with "/", at the base URL itself. Else `DIFY_API_PATH`.
        proxy: The URL of a proxy for everything, in place of `HTTPS_PROXY` and the like.
        verify: A file or a folder of certificates to trust, or an `ssl.SSLContext`; False
            trusts any server. Else `SSL_CERT_FILE` or `SSL_CERT_DIR`, else the usual ones.
        files_url: Where links of files lead, in place of where the server says, which is
            often an address that only its own containers know (Dify's FILES_URL). Else
            `DIFY_FILES_URL`. The key is not sent there.
        trust_env: False leaves variables of proxies and certificates out.
        headers: For every request to the API, for example for a gateway before it.
            `Authorization` and what describes a request's content are not among them.
        http_client: An `httpx.AsyncClient` of your own, for anything else, with its own
            proxy, certificates and hooks. It is never closed here.

    A client pickles and copies as its arguments, without its connections. What may be
    secret does not pickle: leave `api_key` out, and the key comes from the environment
    of the process that receives the client.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        user: str | None = None,
        timeout: float = 1260.0,
        idle_timeout: float = 60.0,
        max_retries: int = 2,
        max_reconnects: int = 5,
        max_concurrency: int | None = None,
        max_answer_size: int = 256_000_000,
        api_path: str | None = None,
        files_url: str | None = None,
        proxy: str | None = None,
        verify: "bool | str | os.PathLike[str] | SSLContext | None" = None,
        trust_env: bool | None = None,
        headers: HeaderValues | None = None,
        http_client: AsyncClient | None = None,
    ) -> None:
        key = None if api_key is None else Secret(api_key)
        url = None if proxy is None else Secret(proxy)
        # A traceback with variables would show them.
        del api_key, proxy
        extra = ExtraHeaders.of(headers)
        del headers
        check_client(http_client, "AsyncClient")
        self._options = ClientOptions(
            base_url=base_url,
            api_path=api_path,
            files_url=files_url,
            api_key=key,
            user=user,
            timeout=timeout,
            idle_timeout=idle_timeout,
            max_retries=max_retries,
            max_reconnects=max_reconnects,
            max_concurrency=max_concurrency,
            max_answer_size=max_answer_size,
            network=Network.of(url, verify, trust_env),
            headers=extra,
            http_client=http_client,
        )
        self._set_up()

    def _set_up(self) -> None:
        options = self._options
        self._transport = AsyncTransport(
            options.http_client, options.max_concurrency, options.network
        )
        self._operations = self._operate(options)

    def __getstate__(self) -> dict[str, Any]:
        made = ("_transport", "_operations")
        return {name: each for name, each in vars(self).items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set_up()

    def _operate(self, options: ClientOptions) -> Operations[Any]:
        raise NotImplementedError

    async def __aenter__(self: AClientT) -> AClientT:  # noqa: PYI019
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, those of open streams too. Runs go on at the server."""
        await self._transport.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._options!r})"

    async def upload(
        self,
        file: "str | os.PathLike[str] | tuple[str, bytes] | BinaryIO",
        *,
        user: str | None = None,
        timeout: float | None = None,
    ) -> UploadedFile:
        """Upload a file, streamed from disk, to be an input of several runs.

        It belongs to its `user`: the runs must have the same one.

        Raises:
            ValueError: There is no such file, or it lacks a name.
        """
        return await self._operations.upload(file, user, timeout)

    async def download(
        self,
        file: File | str,
        path: Destination,
        *,
        timeout: float | None = None,
        max_size: int | None = None,
    ) -> Path:
        """Stream a file that a run returned to disk, whole or not at all.

        Args:
            file: The file, or its URL, which may be relative.
            path: Where to; a folder gets a file of the name that the server gave, with
                a number where that is taken.
            timeout: Seconds for all of it; the client's if left out.
            max_size: How many bytes it may have; no limit if left out.
        """
        return await self._operations.download(file, path, timeout, max_size)

    async def read(
        self,
        file: File | str,
        *,
        timeout: float | None = None,
        max_size: int | None = None,
    ) -> bytes:
        """Return the content of a file that a run returned.

        Raises:
            AnswerTooLargeError: It has more than `max_size` bytes, the client's
                `max_answer_size` if left out.
        """
        return await self._operations.read_file(file, timeout, max_size)

    async def iter_bytes(
        self, file: File | str, *, timeout: float | None = None
    ) -> AsyncIterator[bytes]:
        """Return the content of a file that a run returned, piece by piece as it comes."""
        exchange = await self._operations.open_file(file, timeout)
        try:
            while (piece := await exchange.read()) is not None:
                yield piece
        finally:
            await exchange.close()

    async def info(self) -> AppInfo:
        """Return the app's name, description, tags and mode."""
        return await self._operations.info()

    async def parameters(self) -> AppParameters:
        """Return the inputs of the published version, and the server's limits for files."""
        return await self._operations.parameters()

    async def site(self) -> AppSite:
        """Return how the app's web page looks."""
        return await self._operations.site()

    async def stop(self, task_id: str, *, user: str | None = None) -> None:
        """Ask the server to stop a run or a turn, of the same `user`.

        A node that is at work may finish first. The server agrees to anything, even to a
        task that it does not know. A stored run may stay `running` for ever (seen on
        1.12.1): look at the stream's end, not at `get_run()`.
        """
        await self._operations.stop(task_id, user)


class AsyncRunMethods(Generic[OutputsT, AStreamT]):
    """What clients of workflows and of chatflows do with runs that were started before."""

    _operations: Operations[OutputsT]

    def resume(
        self,
        workflow_run_id: str | DifyError,
        *,
        user: str | None = None,
        timeout: float | None = None,
        stop_on_exit: bool = False,
    ) -> AStreamT:
        """Follow what was started before: after a pause, or by another process.

        Takes the run's id, or the error that ended the wait for it: a pause, a broken stream.

        The server replays what has happened so far, without inputs and outputs of nodes;
        of a finished run it sends the last event alone. Needs Dify 1.14, and the `user`
        of the run. A pause whose forms this client has submitted does not end the stream.

        Dify before 1.15 keeps a run that was stopped as `running`, and its stream pings
        without end: 60 seconds of nothing else end in a StreamInterruptedError, unless
        `timeout` says how long to wait.
        """
        run_id = (
            workflow_run_id.workflow_run_id
            if isinstance(workflow_run_id, DifyError)
            else workflow_run_id
        )
        return self._follow(run_id, user, timeout, stop_on_exit)

    def _follow(
        self,
        workflow_run_id: str | None,
        user: str | None,
        timeout: float | None,
        stop_on_exit: bool,
    ) -> AStreamT:
        raise NotImplementedError

    async def get_run(self, workflow_run_id: str) -> Run[OutputsT]:
        """Read a stored run, however it ended or goes on. Nothing is raised for how.

        Raises:
            NotFoundError: The app has no such run.
        """
        return await self._operations.get_run(workflow_run_id)

    async def get_form(self, form_token: str) -> Form:
        """Read a human-input form. Needs Dify 1.14."""
        return await self._operations.get_form(form_token)

    @overload
    async def submit_form(
        self,
        form: Form | Sequence[Form] | str,
        answer: FormAnswer,
        *,
        user: str | None = None,
    ) -> None: ...

    @overload
    async def submit_form(
        self,
        form: Form | str,
        *,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        user: str | None = None,
    ) -> None: ...

    async def submit_form(
        self,
        form: Form | Sequence[Form] | str,
        answer: FormAnswer | None = None,
        *,
        action: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        user: str | None = None,
    ) -> None:
        """Answer a human-input form, once; then `resume()` the run. Needs Dify 1.14.

        Args:
            form: A form of a `RunPausedError`, a `TurnPausedError` or an event, or its token.
                With an `answer`, all forms that wait will do: its node tells which it is for.
            answer: An answer of the class that the generated module has for the node.
            action: In place of an answer, the id of one of the form's `actions`.
            inputs: A value for each of the form's `inputs`, by name. A field of files takes
                what an input of the app takes: paths, bytes, URLs, uploads.

        Raises:
            FormClosedError: It was submitted before, or has expired.
            FormValuesError: The form does not take the answer. Nothing was sent.
        """
        await self._operations.submit_form(form, answer, action, inputs, user)


class AsyncWorkflowClient(
    AsyncRunMethods[OutputsT, AsyncRunStream[OutputsT]],
    AsyncAppClient,
    Generic[InputsT, OutputsT],
):
    """What the generated clients of workflows build on, with the same arguments."""

    _workflow: WorkflowInfo[OutputsT]
    _operations: Operations[OutputsT]

    def _operate(self, options: ClientOptions) -> Operations[OutputsT]:
        return Operations(self._workflow, options, self._transport)

    async def run_inputs(
        self,
        inputs: InputsT,
        *,
        user: str | None = None,
        files: FilesInput | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[OutputsT]:
        """Run the workflow with inputs that are a model already, as `run` does."""
        return await run_to_end(
            self._operations, inputs, user=user, files=files, **options
        )

    @property
    def start(
        self: AsyncStreams[ArgumentsT],
    ) -> Callable[ArgumentsT, Coroutine[Any, Any, StartedRun]]:
        """What `stream` takes starts a run, and returns its ids once they are known.

        The run goes on at the server, for `wait()` here or in another process: seen on Dify
        1.12.1, and from 1.13 on it is a worker's. Of older releases it is reported that a
        run which was left may stay stored as `running`.
        """
        return starting(self.stream)

    async def wait(
        self,
        run: StartedRun | str,
        *,
        user: str | None = None,
        timeout: float | None = None,
    ) -> Run[OutputsT]:
        """Wait for the end of a run that was started before; returns or raises what `run` does.

        Takes the run's id, or what `start` returned. Follows the run's events where the
        server has them (Dify 1.14, for the `user` of the run), and asks for the stored run
        elsewhere, every 5 seconds at most. May be repeated, in any process.

        Raises:
            DeadlineExceededError: The run goes on. One that was stopped may be stored as
                `running` for ever (seen on 1.12.1 and 1.14.2).
            StreamInterruptedError: Nothing but pings came for 300 seconds, and no `timeout`
                says to wait for longer.
            NotFoundError: The app has no such run.
        """
        return await wait_for_end(self._operations, run, user=user, timeout=timeout)

    async def start_inputs(
        self,
        inputs: InputsT,
        *,
        user: str | None = None,
        files: FilesInput | None = None,
        **options: Unpack[StreamOptions],
    ) -> StartedRun:
        """Start a run with inputs that are a model already, as `start` does."""
        return await self.stream_inputs(
            inputs, user=user, files=files, **options
        ).detach()

    def stream_inputs(
        self,
        inputs: InputsT,
        *,
        user: str | None = None,
        files: FilesInput | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[OutputsT]:
        """Follow a run with inputs that are a model already, as `stream` does."""
        return AsyncRunStream(
            follow_run(
                self._operations, inputs=inputs, user=user, files=files, **options
            )
        )

    def _follow(
        self,
        workflow_run_id: str | None,
        user: str | None,
        timeout: float | None,
        stop_on_exit: bool,
    ) -> AsyncRunStream[OutputsT]:
        return AsyncRunStream(
            follow_run(
                self._operations,
                workflow_run_id=workflow_run_id,
                user=user,
                timeout=timeout,
                stop_on_exit=stop_on_exit,
            )
        )

    def logs(
        self,
        *,
        keyword: str | None = None,
        status: str | None = None,
        created_at_after: datetime | str | None = None,
        created_at_before: datetime | str | None = None,
        created_by_end_user_session_id: str | None = None,
        created_by_account: str | None = None,
        limit: int = 20,
    ) -> "AsyncRunLogs":
        """Read the app's runs, newest first: iterate the entries, or take a page.

        Args:
            keyword: Found in inputs, outputs or the user, or is a run's exact id.
            status: `succeeded`, `failed` or `stopped`; the server filters by no other.
            created_at_after: Not before this moment.
            created_at_before: Not after this moment.
            created_by_end_user_session_id: The `user` of the runs.
            created_by_account: The e-mail of a member of the workspace.
            limit: Entries of one page, 1 to 100.
        """
        filters = log_filters(
            keyword=keyword,
            status=status,
            created_at__after=created_at_after,
            created_at__before=created_at_before,
            created_by_end_user_session_id=created_by_end_user_session_id,
            created_by_account=created_by_account,
        )
        return AsyncRunLogs(self._operations, filters, limit)


class AsyncRunLogs:
    """The runs of an app, read page by page as one iterates."""

    def __init__(
        self, operations: Operations[Any], filters: Mapping[str, str], limit: int
    ) -> None:
        self._operations = operations
        self._filters = filters
        self._limit = limit

    async def page(self, number: int = 1) -> LogPage:
        """Return one page, counted from 1."""
        return await self._operations.log_page(self._filters, number, self._limit)

    async def pages(self) -> AsyncIterator[LogPage]:
        """Iterate over all pages."""
        number = 1
        while True:
            page = await self.page(number)
            yield page
            if not (page.has_more and page.data):
                return
            number += 1

    async def __aiter__(self) -> AsyncIterator[LogEntry]:
        news = LogNews()
        async for page in self.pages():
            for entry in news.of(page):
                yield entry
            if news.are_over:
                return
