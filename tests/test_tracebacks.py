"""The key stands in no traceback, whatever ends a call, wherever it was: not even with the variables of all frames."""

import asyncio
import gc
import io
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import pytest
import rich.console
import rich.traceback
import runtime
from runtime._http import httpx
from support.concat_client import AsyncConcatClient, ConcatClient
from support.driving import KEY
from support.fault_events import NORMAL, blocking
from support.servers import RUN, Server, as_json, by_mode, stream
from support.tracebacks import variables


@pytest.fixture(autouse=True)
def key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no variable of a test holds it."""
    monkeypatch.setenv("DIFY_API_KEY", KEY)


RUNTIME = str(Path(runtime.__file__).parent)
LIBRARIES = (RUNTIME, str(Path(httpx.__file__).parent.parent / "http"))
WORKING = {RUN: by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))}


def shown(error: BaseException) -> str:
    """What rich shows of an exception, with the variables of every frame below this file's."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    text = io.StringIO()
    console = rich.console.Console(file=text, width=200)
    options: dict[str, Any] = {"show_locals": True, "locals_max_string": None, "locals_max_length": None}
    console.print(rich.traceback.Traceback.from_exception(type(error), error, trace, max_frames=0, **options))
    return text.getvalue()


def call(url: str, kind: str, mode: runtime.ResponseMode, **options: Any) -> None:
    if kind == "sync":
        with ConcatClient(base_url=url, max_retries=0, **options) as client:
            client.run(response_mode=mode)
    else:
        asyncio.run(acall(url, mode, **options))


async def acall(url: str, mode: runtime.ResponseMode, **options: Any) -> None:
    async with AsyncConcatClient(base_url=url, max_retries=0, **options) as client:
        await client.run(response_mode=mode)


@contextmanager
def loose_ends() -> Iterator[None]:
    """Where a socket is just made, an interrupt leaves it to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()


def interrupt_at(
    place: Callable[[FrameType], bool], action: Callable[[], None], show: Callable[[BaseException], str]
) -> str:
    """What is shown if somebody presses Ctrl-C at the first line of `action` that `place` is true of; "" for none."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and place(frame):
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace if frame.f_code.co_filename.startswith(LIBRARIES) else None

    before = sys.gettrace()
    with loose_ends():
        sys.settrace(trace)
        try:
            action()
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            return show(error)
        finally:
            sys.settrace(before)
    return ""


class Nth:
    """The n-th line of the runtime that is run after the key was handed over."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType) -> bool:
        code = frame.f_code
        # Finalizers swallow an interrupt, and constructors are given the key as it is.
        finalizes = code.co_name in ("__del__", "release") or isinstance(sys.exception(), GeneratorExit)
        passed_over = finalizes or code.co_name == "__init__" or "Secret" in code.co_qualname
        if passed_over or not code.co_filename.startswith(RUNTIME):
            return False
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("mode", ["blocking", "streaming"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_interrupt_anywhere_in_the_runtime(kind: str, mode: runtime.ResponseMode) -> None:
    with Server(WORKING) as server:
        number = 0
        while text := interrupt_at(
            Nth(number), lambda: call(server.url, kind, mode), partial(variables, is_own=__file__.__eq__)
        ):
            assert KEY not in text, f"line {number}"
            number += 149
    assert number > 100


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    "function",
    ["build_request", "_send_single_request", "handle_request", "_send_request_headers", "_receive_event", "read"],
)
def test_an_interrupt_in_the_http_library(kind: str, function: str) -> None:
    """Its frames hold the request; what they held is gone when the exception has left them."""

    def place(frame: FrameType) -> bool:
        code = frame.f_code
        return code.co_name in (function, f"{function}_async", function.replace("handle_", "handle_async_"))

    with Server(WORKING) as server:
        text = interrupt_at(
            place, lambda: call(server.url, kind, "blocking"), partial(variables, is_own=__file__.__eq__)
        )
    assert "KeyboardInterrupt" in text
    assert KEY not in text


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_exception_of_the_callers_own_hook(kind: str) -> None:
    """It comes out as it is, its lines too."""

    def hook(request: Any) -> None:
        headers = list(request.headers.raw)
        raise ZeroDivisionError(len(headers))

    async def ahook(request: Any) -> None:
        hook(request)

    given: Any = (
        httpx.Client(event_hooks={"request": [hook]})
        if kind == "sync"
        else httpx.AsyncClient(event_hooks={"request": [ahook]})
    )
    with pytest.raises(ZeroDivisionError) as raised:
        call("http://127.0.0.1:1", kind, "blocking", http_client=given)
    assert KEY not in shown(raised.value)
    assert "raise ZeroDivisionError(len(headers))" in shown(raised.value)


@pytest.mark.parametrize("key", [f"{KEY} {KEY}", f"dataset-{KEY}", f"{KEY}\n{KEY}"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(runtime.ConfigurationError) as raised:
        call("http://127.0.0.1:1", "sync", "blocking", api_key=key)
    assert KEY not in shown(raised.value)


def test_what_the_caller_was_handling_keeps_its_variables() -> None:
    def fail() -> None:
        of_the_caller = "worth a look"
        raise ZeroDivisionError(of_the_caller)

    try:
        fail()
    except ZeroDivisionError as earlier:
        with pytest.raises(runtime.ConnectionFailedError):
            call("http://127.0.0.1:1", "sync", "blocking")
        assert earlier.__traceback__ is not None and earlier.__traceback__.tb_next is not None
        assert earlier.__traceback__.tb_next.tb_frame.f_locals == {"of_the_caller": "worth a look"}
