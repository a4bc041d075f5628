"""The Dify workflow `demo`.

Written by difygen from app.yml. Change that file and run difygen again.
"""

from typing import Unpack

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Inputs,
    Outputs,
    Run,
    RunOptions,
    RunStream,
    StreamOptions,
    Text,
    WorkflowClient,
    WorkflowInfo,
    WorkflowNode,
    as_function,
)

__all__ = [
    "AsyncDemoClient",
    "DemoClient",
    "DemoInputs",
    "DemoNode",
    "DemoOutputs",
    "arun_demo",
    "astart_demo",
    "astream_demo",
    "await_demo",
    "run_demo",
    "start_demo",
    "stream_demo",
    "wait_demo",
]


class DemoInputs(Inputs):
    """What `demo` takes; `run` says what each of them is."""

    department: Text
    api_key: Text
    source: Text
    max_tokens: Text
    model: Text | None = "gpt-4o-mini-2024-07-18"


class DemoOutputs(Outputs):
    """What `demo` gives."""

    out: str


class DemoNode(WorkflowNode):
    """The nodes of `demo`: id, type and title. Each equals its id."""

    START = ("start", "start", "START")
    END = ("end", "end", "END")


_WORKFLOW = WorkflowInfo(
    name="demo",
    outputs=DemoOutputs,
    api_key_variables=("DIFY_DEMO_API_KEY", "DIFY_API_KEY"),
    text_sources={"out": [(DemoNode.START, "model")]},
)


class DemoClient(WorkflowClient[DemoInputs, DemoOutputs]):
    """Runs `demo`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_DEMO_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        department: str,
        api_key: str,
        source: str,
        max_tokens: str,
        model: str | None = "gpt-4o-mini-2024-07-18",
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[DemoOutputs]:
        """Run `demo` to its end and return the run, which has succeeded.

        Args:
            department: Prefilled with 'ITSO' in Dify.
            api_key: Key.
            max_tokens: Tokens. Prefilled with '4096' in Dify.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = DemoInputs(
            department=department,
            api_key=api_key,
            source=source,
            max_tokens=max_tokens,
            model=model,
        )
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        department: str,
        api_key: str,
        source: str,
        max_tokens: str,
        model: str | None = "gpt-4o-mini-2024-07-18",
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[DemoOutputs]:
        """Run `demo` as a stream, for `with` and `for`; `start` takes the same."""
        inputs = DemoInputs(
            department=department,
            api_key=api_key,
            source=source,
            max_tokens=max_tokens,
            model=model,
        )
        return self.stream_inputs(inputs, user=user, **options)


class AsyncDemoClient(AsyncWorkflowClient[DemoInputs, DemoOutputs]):
    """`DemoClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        department: str,
        api_key: str,
        source: str,
        max_tokens: str,
        model: str | None = "gpt-4o-mini-2024-07-18",
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[DemoOutputs]:
        """Run `demo` to its end, like `DemoClient.run`."""
        inputs = DemoInputs(
            department=department,
            api_key=api_key,
            source=source,
            max_tokens=max_tokens,
            model=model,
        )
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        department: str,
        api_key: str,
        source: str,
        max_tokens: str,
        model: str | None = "gpt-4o-mini-2024-07-18",
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[DemoOutputs]:
        """Stream a run of `demo`, like `DemoClient.stream`."""
        inputs = DemoInputs(
            department=department,
            api_key=api_key,
            source=source,
            max_tokens=max_tokens,
            model=model,
        )
        return self.stream_inputs(inputs, user=user, **options)


_client = DemoClient()
run_demo = as_function(_client.run, "run_demo")
stream_demo = as_function(_client.stream, "stream_demo")
start_demo = as_function(_client.start, "start_demo")
wait_demo = as_function(_client.wait, "wait_demo")
_async_client = AsyncDemoClient()
arun_demo = as_function(_async_client.run, "arun_demo")
astream_demo = as_function(_async_client.stream, "astream_demo")
astart_demo = as_function(_async_client.start, "astart_demo")
await_demo = as_function(_async_client.wait, "await_demo")
