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
    "astream_demo",
    "run_demo",
    "stream_demo",
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

    What it is not given comes at the first call from `DIFY_BASE_URL`,
    `DIFY_DEMO_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
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
            user: Whom the run is for; `DIFY_USER` if left out.
            **options: See `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            RunError: The run failed, was stopped, or waits for a person: see `.run`.
            DifyError: Anything else, such as a missing setting or a refusal.
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
        """Run `demo` as a stream of events, for `with` and `for`.

        Takes what `run` takes. The run starts with the first event that is asked for;
        `stream.result()` returns or raises what `run` does.
        """
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
_async_client = AsyncDemoClient()
arun_demo = as_function(_async_client.run, "arun_demo")
astream_demo = as_function(_async_client.stream, "astream_demo")
