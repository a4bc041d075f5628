"""The Dify workflow `concat` (字段拼接): Joins three inputs into one string.

Written by difygen from specs/concat.yaml. Change that file and run difygen again.
"""

from typing import Annotated, Literal, Unpack

from pydantic import Field

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
        **options: Unpack[RunOptions],
    ) -> Run[ConcatOutputs]:
        """Run `concat` to its end and return the run.

        Joins three inputs into one string.

        Args:
            string: 文本, at most 48 characters.
            user: Whom the run is for; `DIFY_USER` if left out.
            **options: See `RunOptions`.

        Returns:
            The run, which has succeeded. `.outputs` holds its typed outputs.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            RunError: The run failed, was stopped, or waits for a person: see `.run`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        return self.run_inputs(
            ConcatInputs(string=string, num=num, list=list),
            user=user,
            **options,
        )

    def stream(
        self,
        *,
        string: str,
        num: float,
        list: Literal["list_a", "list_b", "list_c"],
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[ConcatOutputs]:
        """Run `concat` and follow its events as they happen.

        Joins three inputs into one string.

        Args:
            string: 文本, at most 48 characters.
            user: Whom the run is for; `DIFY_USER` if left out.
            **options: See `StreamOptions`.

        Returns:
            A stream of events, for `with` and `for`. The run starts with the first
            event that is asked for. `stream.result()` gives what `run` returns, or
            raises what `run` raises.
        """
        return self.stream_inputs(
            ConcatInputs(string=string, num=num, list=list),
            user=user,
            **options,
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
        **options: Unpack[RunOptions],
    ) -> Run[ConcatOutputs]:
        """Run `concat` to its end and return the run.

        Takes what `ConcatClient.run` takes.
        """
        return await self.run_inputs(
            ConcatInputs(string=string, num=num, list=list),
            user=user,
            **options,
        )

    def stream(
        self,
        *,
        string: str,
        num: float,
        list: Literal["list_a", "list_b", "list_c"],
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[ConcatOutputs]:
        """Run `concat` and follow its events as they happen.

        Takes what `ConcatClient.stream` takes.
        """
        return self.stream_inputs(
            ConcatInputs(string=string, num=num, list=list),
            user=user,
            **options,
        )


_client = ConcatClient()
run_concat = _client.run
stream_concat = _client.stream
_async_client = AsyncConcatClient()
arun_concat = _async_client.run
astream_concat = _async_client.stream
