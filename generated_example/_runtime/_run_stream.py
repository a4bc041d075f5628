"""What callers iterate: the events of a run, blocking and async."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

from ._events import Event, TextChunk
from ._models import Outputs
from ._payloads import text_filter
from ._runs import Run
from ._stream import StreamSession
from ._transport import run_now

FollowedT = TypeVar("FollowedT", bound=Outputs)


class RunStream(Generic[FollowedT]):
    """The events of a run, as they happen, and its typed result.

        with stream_x(...) as stream:
            for event in stream:
                ...
            run = stream.result()

    The run starts with the first event that is asked for. Leaving the `with` block closes
    the connection; so does breaking out of a loop that stands outside of one. The run
    itself goes on at the server, unless `stop_on_exit` was set.

    Events of the types WorkflowFinished and WorkflowPaused are the last. An ErrorEvent
    and a broken stream raise after the events before them. A connection that breaks is
    taken up again: at most `max_reconnects` times in a row without anything new, and
    within the `timeout`; then the stored run is read. No event is delivered twice.

    The run is started once, whatever is done with this object. A wait that was interrupted
    may be repeated: it goes on with the run, or raises a StreamInterruptedError where no
    event told the run's id. One thread at a time may wait for events.
    """

    def __init__(self, session: StreamSession[FollowedT]) -> None:
        self._session = session
        self._managed = False

    @property
    def workflow_run_id(self) -> str | None:
        """The run, for `get_run()` and `resume()`. None before the first event."""
        return self._session.known.workflow_run_id

    @property
    def task_id(self) -> str | None:
        """The run while it goes on, for `stop()`. None before the first event."""
        return self._session.known.task_id

    def __enter__(self) -> Self:
        self._managed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        session = self._session
        pending = session.pending
        try:
            while True:
                with suppress(IndexError):  # another thread took the last one
                    while pending:
                        yield pending.popleft()
                if not run_now(session.fill()):
                    return
        finally:
            self._leave()

    def __next__(self) -> Event:
        while run_now(self._session.fill()):
            with suppress(IndexError):
                return self._session.pending.popleft()
        raise StopIteration

    def text(self, source: str | Sequence[str]) -> Iterator[str]:
        """The pieces of text of one source, as they come; other events are passed over.

        All pieces of all sources joined are *not* an output, which is why one is chosen:
        Dify sends every End output as display text (seen on 1.12.1). Take values from
        `result().outputs`.

        Args:
            source: The name of an output, the id of a node (or a member of the generated
                enum of nodes), or a node id and a variable: `("llm", "text")`.
        """
        matches = text_filter(source, self._session.operations.workflow.text_sources)
        for event in self:
            if isinstance(event, TextChunk) and event.text and matches(event):
                yield event.text

    def result(self) -> Run[FollowedT]:
        """The run, once it has ended. Reads the events that were not taken yet.

        Raises:
            RunError: It ended, but not well; the exception carries the run.
            DifyError: How it ended is not known, or its outputs do not fit.
        """
        try:
            return run_now(self._session.finish())
        finally:
            self._leave()

    def close(self) -> None:
        """Close the connection. May be called more than once."""
        run_now(self._session.aclose())

    def _leave(self) -> None:
        if not (self._managed or self._session.is_in_use):
            self.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self._session.drop()


class AsyncRunStream(Generic[FollowedT]):
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

    def __init__(self, session: StreamSession[FollowedT]) -> None:
        self._session = session
        self._managed = False

    @property
    def workflow_run_id(self) -> str | None:
        """The run, for `get_run()` and `resume()`. None before the first event."""
        return self._session.known.workflow_run_id

    @property
    def task_id(self) -> str | None:
        """The run while it goes on, for `stop()`. None before the first event."""
        return self._session.known.task_id

    async def __aenter__(self) -> Self:
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
                while pending:
                    yield pending.popleft()
                if not await session.fill():
                    return
        finally:
            await self._leave()

    async def __anext__(self) -> Event:
        if await self._session.fill():
            return self._session.pending.popleft()
        raise StopAsyncIteration

    async def text(self, source: str | Sequence[str]) -> AsyncIterator[str]:
        """The pieces of text of one source, as they come; other events are passed over.

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

    async def result(self) -> Run[FollowedT]:
        """The run, once it has ended. Reads the events that were not taken yet.

        Raises:
            RunError: It ended, but not well; the exception carries the run.
            DifyError: How it ended is not known, or its outputs do not fit.
        """
        try:
            return await self._session.finish()
        finally:
            await self._leave()

    async def aclose(self) -> None:
        """Close the connection. May be called more than once."""
        await self._session.aclose()

    async def _leave(self) -> None:
        if not (self._managed or self._session.is_in_use):
            await self.aclose()

    def __del__(self) -> None:
        with suppress(Exception):
            self._session.drop()
