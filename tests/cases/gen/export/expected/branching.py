"""The Dify workflow `branching`.

Written by difygen from definition.yml. Change that file and run difygen again.
"""

from typing import Unpack

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Inputs,
    Number,
    Outputs,
    Run,
    RunOptions,
    RunStream,
    StreamOptions,
    WorkflowClient,
    WorkflowInfo,
    WorkflowNode,
    as_function,
)

__all__ = [
    "AsyncBranchingClient",
    "BranchingClient",
    "BranchingInputs",
    "BranchingNode",
    "BranchingOutputs",
    "arun_branching",
    "astart_branching",
    "astream_branching",
    "await_branching",
    "run_branching",
    "start_branching",
    "stream_branching",
    "wait_branching",
]


class BranchingInputs(Inputs):
    """What `branching` takes."""

    num: Number


class BranchingOutputs(Outputs):
    """What `branching` gives."""

    big_text: str | None = None
    """Only when the branch 'IF' of 'IF' is taken (`num` > 10)."""

    num: int | float | None = None
    """Only when the branch 'IF' of 'IF' is taken (`num` > 10)."""

    small_text: str | None = None
    """Only when the branch 'ELSE' of 'IF' is taken (`num` ≤ 10)."""


class BranchingNode(WorkflowNode):
    """The nodes of `branching`: id, type and title. Each equals its id."""

    START1 = ("start1", "start", "Start")
    IF1 = ("if1", "if-else", "IF")
    TPL_BIG = ("tpl_big", "template-transform", "tpl_big")
    TPL_SMALL = ("tpl_small", "template-transform", "tpl_small")
    END_BIG = ("end_big", "end", "end_big")
    END_SMALL = ("end_small", "end", "end_small")


_WORKFLOW = WorkflowInfo(
    name="branching",
    outputs=BranchingOutputs,
    api_key_variables=("DIFY_BRANCHING_API_KEY", "DIFY_API_KEY"),
    text_sources={
        "big_text": [(BranchingNode.TPL_BIG, "output")],
        "small_text": [(BranchingNode.TPL_SMALL, "output")],
    },
)


class BranchingClient(WorkflowClient[BranchingInputs, BranchingOutputs]):
    """Runs `branching`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_BRANCHING_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        num: float,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[BranchingOutputs]:
        """Run `branching` to its end and return the run, which has succeeded.

        Args:
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = BranchingInputs(num=num)
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        num: float,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[BranchingOutputs]:
        """Run `branching` as a stream, for `with` and `for`; `start` takes the same."""
        inputs = BranchingInputs(num=num)
        return self.stream_inputs(inputs, user=user, **options)


class AsyncBranchingClient(AsyncWorkflowClient[BranchingInputs, BranchingOutputs]):
    """`BranchingClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        num: float,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[BranchingOutputs]:
        """Run `branching` to its end, like `BranchingClient.run`."""
        inputs = BranchingInputs(num=num)
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        num: float,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[BranchingOutputs]:
        """Stream a run of `branching`, like `BranchingClient.stream`."""
        inputs = BranchingInputs(num=num)
        return self.stream_inputs(inputs, user=user, **options)


_client = BranchingClient()
run_branching = as_function(_client.run, "run_branching")
stream_branching = as_function(_client.stream, "stream_branching")
start_branching = as_function(_client.start, "start_branching")
wait_branching = as_function(_client.wait, "wait_branching")
_async_client = AsyncBranchingClient()
arun_branching = as_function(_async_client.run, "arun_branching")
astream_branching = as_function(_async_client.stream, "astream_branching")
astart_branching = as_function(_async_client.start, "astart_branching")
await_branching = as_function(_async_client.wait, "await_branching")
