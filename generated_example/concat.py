"""The Dify workflow `concat` (字段拼接): Joins three inputs into one string.

Written by difygen from specs/concat.yaml. Change that file and run difygen again.
"""

from typing import Annotated, Literal

from pydantic import Field

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Inputs,
    Number,
    Outputs,
    ResponseMode,
    Run,
    RunStream,
    Text,
    WorkflowClient,
    WorkflowInfo,
)

__all__ = [
    "AsyncConcatClient",
    "ConcatClient",
    "ConcatInputs",
    "ConcatOutputs",
    "arun_concat",
    "astream_concat",
    "run_concat",
    "stream_concat",
]


class ConcatInputs(Inputs):
    """What `concat` takes."""

    string: Annotated[Text, Field(max_length=48)]
    """文本, at most 48 characters."""

    num: Number
    list: Literal["list_a", "list_b", "list_c"]


class ConcatOutputs(Outputs):
    """What `concat` gives."""

    result: str


_WORKFLOW = WorkflowInfo(
    name="concat",
    outputs=ConcatOutputs,
    api_key_variables=("DIFY_CONCAT_API_KEY", "DIFY_API_KEY"),
)


class ConcatClient(WorkflowClient[ConcatOutputs]):
    """Runs `concat`, all calls over one pool of connections.

    Reads no setting and opens no connection before the first call. What the
    constructor is not given comes from the environment: `DIFY_BASE_URL`,
    `DIFY_CONCAT_API_KEY` or `DIFY_API_KEY`, `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        string: str,
        num: float,
        list: Literal["list_a", "list_b", "list_c"],
        user: str | None = None,
        response_mode: ResponseMode = "blocking",
        timeout: float | None = None,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> Run[ConcatOutputs]:
        """Run `concat` to its end and return the run.

        Joins three inputs into one string.

        Args:
            string: 文本, at most 48 characters.
            num: A number.
            list: One of the options.
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
            ConcatInputs(string=string, num=num, list=list),
            user=user,
            response_mode=response_mode,
            timeout=timeout,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )

    def stream(
        self,
        *,
        string: str,
        num: float,
        list: Literal["list_a", "list_b", "list_c"],
        user: str | None = None,
        timeout: float | None = None,
        stop_on_exit: bool = False,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> RunStream[ConcatOutputs]:
        """Run `concat` and follow its events as they happen.

        Joins three inputs into one string.

        Args:
            string: 文本, at most 48 characters.
            num: A number.
            list: One of the options.
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
            ConcatInputs(string=string, num=num, list=list),
            user=user,
            timeout=timeout,
            stop_on_exit=stop_on_exit,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )


class AsyncConcatClient(AsyncWorkflowClient[ConcatOutputs]):
    """`ConcatClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        string: str,
        num: float,
        list: Literal["list_a", "list_b", "list_c"],
        user: str | None = None,
        response_mode: ResponseMode = "blocking",
        timeout: float | None = None,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> Run[ConcatOutputs]:
        """Run `concat` to its end and return the run.

        Takes what `ConcatClient.run` takes.

        Args:
            string: 文本, at most 48 characters.
            num: A number.
            list: One of the options.
        """
        return await self._run(
            ConcatInputs(string=string, num=num, list=list),
            user=user,
            response_mode=response_mode,
            timeout=timeout,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )

    def stream(
        self,
        *,
        string: str,
        num: float,
        list: Literal["list_a", "list_b", "list_c"],
        user: str | None = None,
        timeout: float | None = None,
        stop_on_exit: bool = False,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> AsyncRunStream[ConcatOutputs]:
        """Run `concat` and follow its events as they happen.

        Takes what `ConcatClient.stream` takes.

        Args:
            string: 文本, at most 48 characters.
            num: A number.
            list: One of the options.
        """
        return self._stream(
            ConcatInputs(string=string, num=num, list=list),
            user=user,
            timeout=timeout,
            stop_on_exit=stop_on_exit,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )


_client = ConcatClient()
run_concat = _client.run
stream_concat = _client.stream
_async_client = AsyncConcatClient()
arun_concat = _async_client.run
astream_concat = _async_client.stream
