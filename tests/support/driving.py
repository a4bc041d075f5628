"""Drives the client in every way there is (sync and async; streamed, collected, blocking) and notes what came out."""

import asyncio
import io
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from types import TracebackType
from typing import Any

import pytest
from runtime import Run
from runtime._session import StreamSession

from support.concat_client import AsyncConcatClient, ConcatClient, ConcatOutputs

KEY = "app-SecretThatMustNotLeak"
MODES = ("streamed", "collected", "blocking")
QUICK: dict[str, Any] = {"timeout": 120.0, "idle_timeout": 30.0}
"""Limits for cases that do not set their own: a case that hangs ends before the test's own timeout."""


@dataclass
class Seen:
    """What the caller saw: the events, and the run or the error; `broke` is the error that iterating raised."""

    events: list[str] = field(default_factory=list)
    run: Run[ConcatOutputs] | None = None
    broke: Exception | None = None
    error: Exception | None = None


Drive = Callable[[str, str, Mapping[str, Any]], Seen]


def drive_sync(url: str, mode: str, options: Mapping[str, Any]) -> Seen:
    """Make one call with `ConcatClient`."""
    seen = Seen()
    with ConcatClient(base_url=url, api_key=KEY, **{**QUICK, **options}) as client:
        try:
            if mode == "streamed":
                _iterate(client, seen)
            else:
                seen.run = client.run(response_mode="streaming" if mode == "collected" else "blocking")
        except Exception as error:  # noqa: BLE001 - the error is the result
            seen.error = error
    if "http_client" in options:
        options["http_client"].close()
    return seen


def _iterate(client: ConcatClient, seen: Seen) -> None:
    with client.stream() as stream:
        try:
            for event in stream:
                seen.events.append(type(event).__name__)
        except Exception as error:  # noqa: BLE001 - the error is the result
            seen.broke = error
        seen.run = stream.result()


def drive_async(url: str, mode: str, options: Mapping[str, Any]) -> Seen:
    """Make one call with `AsyncConcatClient`, in an event loop of its own."""

    async def call() -> Seen:
        seen = Seen()
        async with AsyncConcatClient(base_url=url, api_key=KEY, **{**QUICK, **options}) as client:
            try:
                if mode == "streamed":
                    await _aiterate(client, seen)
                else:
                    seen.run = await client.run(response_mode="streaming" if mode == "collected" else "blocking")
            except Exception as error:  # noqa: BLE001 - the error is the result
                seen.error = error
        if "http_client" in options:
            await options["http_client"].aclose()
        return seen

    return asyncio.run(call())


async def _aiterate(client: AsyncConcatClient, seen: Seen) -> None:
    async with client.stream() as stream:
        try:
            async for event in stream:
                seen.events.append(type(event).__name__)
        except Exception as error:  # noqa: BLE001 - the error is the result
            seen.broke = error
        seen.run = await stream.result()


DRIVES: dict[str, Drive] = {"sync": drive_sync, "async": drive_async}


@contextmanager
def sessions() -> Iterator[list[StreamSession[Any]]]:
    """The sessions that are opened meanwhile: they tell how much of its stream a client has read, whoever holds it."""
    opened: list[StreamSession[Any]] = []
    original = StreamSession.__init__

    def opening(session: StreamSession[Any], *arguments: Any, **options: Any) -> None:
        original(session, *arguments, **options)
        opened.append(session)

    StreamSession.__init__ = opening  # type: ignore[method-assign]
    try:
        yield opened
    finally:
        StreamSession.__init__ = original  # type: ignore[method-assign]


def rows(cases: Sequence[Any], styled: Sequence[Any], modes: Callable[[Any], Sequence[str]]) -> list[Any]:
    """Each case, in each of its modes, by both clients; where it is `styled`, in both styles of event streams.

    Of these the blocking client sees the one and the async client the other, by turns; the rest is slow.
    """
    found = []
    for number, case in enumerate(cases):
        for (at, mode), (turn, kind) in product(enumerate(modes(case)), enumerate(DRIVES)):
            name = f"{kind}-{mode}-{case.name}"
            if case not in styled or mode == "blocking":
                found.append(pytest.param(case, mode, kind, None, id=name))
                continue
            for pings_first, style in enumerate(("an event first", "a ping first")):
                marks = [] if (number + at + turn) % 2 == pings_first else [pytest.mark.slow]
                found.append(pytest.param(case, mode, kind, bool(pings_first), id=f"{name}, {style}", marks=marks))
    return found


def everything_shown(seen: Seen) -> str:
    """All text that a log, a traceback, a debugger or a report would show of this outcome, the frames' variables
    too.
    """
    shown = [repr(seen.run), str(seen.run)]
    for error in (seen.error, seen.broke):
        if error is not None:
            shown += [repr(pickle.dumps(error)), *traceback.format_exception(error)]
            for link in _chain(error):
                shown += [repr(link), str(link), repr(vars(link)), *_request(link), *_variables(link.__traceback__)]
    return "\n".join(shown)


def _request(error: BaseException) -> list[str]:
    """The headers of the request that an exception of the HTTP library holds: their repr hides the key, they do not."""
    request = vars(error).get("_request")
    return [] if request is None else [repr(request.headers.raw)]


def _chain(error: BaseException) -> list[BaseException]:
    """The error and all it came from."""
    links = [error]
    while (earlier := links[-1].__cause__ or links[-1].__context__) is not None:
        assert earlier not in links, "an error that is its own cause"
        links.append(earlier)
    return links


def _variables(trace: TracebackType | None) -> list[str]:
    shown = []
    while trace is not None:
        if trace.tb_frame.f_globals.get("__file__") != __file__:
            shown += [f"{name} = {value!r}" for name, value in trace.tb_frame.f_locals.items()]
        trace = trace.tb_next
    return shown


class Logged(logging.Handler):
    """Everything that was logged, by anybody, formatted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self.text.write(self.format(record) + "\n")
