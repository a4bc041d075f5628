"""The Dify workflow `branching`.

Written by difygen from definition.yml. Change that file and run difygen again.
"""

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Inputs,
    Number,
    Outputs,
    ResponseMode,
    Run,
    RunStream,
    WorkflowClient,
    WorkflowInfo,
    WorkflowNode,
)

__all__ = [
    "AsyncBranchingClient",
    "BranchingClient",
    "BranchingInputs",
    "BranchingNode",
    "BranchingOutputs",
    "arun_branching",
    "astream_branching",
    "run_branching",
    "stream_branching",
]


class BranchingInputs(Inputs):
    """What `branching` takes."""

    num: Number


class BranchingOutputs(Outputs):
    """What `branching` gives.

    Not always there:
        big_text, num: Only when the branch 'IF' of 'IF' is taken.
        small_text: Only when the branch 'ELSE' of 'IF' is taken.
    """

    big_text: str | None = None
    """Only when the branch 'IF' of 'IF' is taken."""

    num: int | float | None = None
    """Only when the branch 'IF' of 'IF' is taken."""

    small_text: str | None = None
    """Only when the branch 'ELSE' of 'IF' is taken."""


class BranchingNode(WorkflowNode):
    """The nodes of `branching`: id, type and title. A member equals its node id."""

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


class BranchingClient(WorkflowClient[BranchingOutputs]):
    """Runs `branching`, all calls over one pool of connections.

    Reads no setting and opens no connection before the first call. What the
    constructor is not given comes from the environment: `DIFY_BASE_URL`,
    `DIFY_BRANCHING_API_KEY` or `DIFY_API_KEY`, `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        num: float,
        user: str | None = None,
        response_mode: ResponseMode = "blocking",
        timeout: float | None = None,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> Run[BranchingOutputs]:
        """Run `branching` to its end and return the run.

        Args:
            num: A number.
            user: Whom the run is for; `DIFY_USER` if left out.
            response_mode: "streaming" collects the result from a stream of events, for
                runs that last longer than a proxy waits.
            timeout: Seconds for the whole run; the client's if left out.
            workflow_id: A published version to run in place of the latest one.
            trace_id: Makes the run part of a trace of yours.

        Returns:
            The run, which has succeeded. `.outputs` holds its typed outputs.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            RunError: The run failed, was stopped, or waits for a person: see `.run`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        return self._run(
            BranchingInputs(num=num),
            user=user,
            response_mode=response_mode,
            timeout=timeout,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )

    def stream(
        self,
        *,
        num: float,
        user: str | None = None,
        timeout: float | None = None,
        stop_on_exit: bool = False,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> RunStream[BranchingOutputs]:
        """Run `branching` and follow its events as they happen.

        Args:
            num: A number.
            user: Whom the run is for; `DIFY_USER` if left out.
            timeout: Seconds for the whole run; the client's if left out.
            stop_on_exit: Stop the run on the server when the stream is left early.
            workflow_id: A published version to run in place of the latest one.
            trace_id: Makes the run part of a trace of yours.

        Returns:
            A stream of events, for `with` and `for`. The run starts with the first
            event that is asked for. `stream.result()` gives what `run` returns, or
            raises what `run` raises.
        """
        return self._stream(
            BranchingInputs(num=num),
            user=user,
            timeout=timeout,
            stop_on_exit=stop_on_exit,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )


class AsyncBranchingClient(AsyncWorkflowClient[BranchingOutputs]):
    """`BranchingClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        num: float,
        user: str | None = None,
        response_mode: ResponseMode = "blocking",
        timeout: float | None = None,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> Run[BranchingOutputs]:
        """Run `branching` to its end and return the run.

        Takes what `BranchingClient.run` takes.

        Args:
            num: A number.
        """
        return await self._run(
            BranchingInputs(num=num),
            user=user,
            response_mode=response_mode,
            timeout=timeout,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )

    def stream(
        self,
        *,
        num: float,
        user: str | None = None,
        timeout: float | None = None,
        stop_on_exit: bool = False,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> AsyncRunStream[BranchingOutputs]:
        """Run `branching` and follow its events as they happen.

        Takes what `BranchingClient.stream` takes.

        Args:
            num: A number.
        """
        return self._stream(
            BranchingInputs(num=num),
            user=user,
            timeout=timeout,
            stop_on_exit=stop_on_exit,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )


_client = BranchingClient()
run_branching = _client.run
stream_branching = _client.stream
_async_client = AsyncBranchingClient()
arun_branching = _async_client.run
astream_branching = _async_client.stream
