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
    as_function,
)

__all__ = [
    "AsyncConcatClient",
    "ConcatClient",
    "ConcatInputs",
    "ConcatOutputs",
    "arun_concat",
    "astart_concat",
    "astream_concat",
    "await_concat",
    "run_concat",
    "start_concat",
    "stream_concat",
    "wait_concat",
]


class ConcatInputs(Inputs):
    """What `concat` takes; `run` says what each of them is."""

    string: Annotated[Text, Field(max_length=48)]
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


class ConcatClient(WorkflowClient[ConcatInputs, ConcatOutputs]):
    """Runs `concat`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_CONCAT_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
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
        """Run `concat` to its end and return the run, which has succeeded.

        Joins three inputs into one string.

        Args:
            string: 文本, at most 48 characters.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = ConcatInputs(string=string, num=num, list=list)
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        string: str,
        num: float,
        list: Literal["list_a", "list_b", "list_c"],
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[ConcatOutputs]:
        """Run `concat` as a stream, for `with` and `for`; `start` takes the same."""
        inputs = ConcatInputs(string=string, num=num, list=list)
        return self.stream_inputs(inputs, user=user, **options)


class AsyncConcatClient(AsyncWorkflowClient[ConcatInputs, ConcatOutputs]):
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
        """Run `concat` to its end, like `ConcatClient.run`."""
        inputs = ConcatInputs(string=string, num=num, list=list)
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        string: str,
        num: float,
        list: Literal["list_a", "list_b", "list_c"],
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[ConcatOutputs]:
        """Stream a run of `concat`, like `ConcatClient.stream`."""
        inputs = ConcatInputs(string=string, num=num, list=list)
        return self.stream_inputs(inputs, user=user, **options)


_client = ConcatClient()
run_concat = as_function(_client.run, "run_concat")
stream_concat = as_function(_client.stream, "stream_concat")
start_concat = as_function(_client.start, "start_concat")
wait_concat = as_function(_client.wait, "wait_concat")
_async_client = AsyncConcatClient()
arun_concat = as_function(_async_client.run, "arun_concat")
astream_concat = as_function(_async_client.stream, "astream_concat")
astart_concat = as_function(_async_client.start, "astart_concat")
await_concat = as_function(_async_client.wait, "await_concat")
