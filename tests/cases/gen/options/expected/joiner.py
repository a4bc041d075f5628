"""The Dify workflow `concat`.

Written by difygen from definition.yaml. Change that file and run difygen again.
"""

from typing import Annotated, Literal, Unpack

from pydantic import Field

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Inputs,
    Outputs,
    Run,
    RunOptions,
    StreamOptions,
    Text,
    WorkflowInfo,
    as_function,
)

__all__ = [
    "AsyncJoinerClient",
    "JoinerInputs",
    "JoinerOutputs",
    "arun_joiner",
    "astart_joiner",
    "astream_joiner",
    "await_joiner",
]


class JoinerInputs(Inputs):
    """What `concat` takes; `run` says what each of them is."""

    string: Text
    option: Annotated[Literal["a", "b"], Field(alias="list")]


class JoinerOutputs(Outputs):
    """What `concat` gives."""

    text: Annotated[str, Field(alias="result")]


_WORKFLOW = WorkflowInfo(
    name="concat",
    outputs=JoinerOutputs,
    api_key_variables=("JOINER_KEY", "DIFY_API_KEY"),
)


class AsyncJoinerClient(AsyncWorkflowClient[JoinerInputs, JoinerOutputs]):
    """Runs `concat`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `JOINER_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        string: str,
        option: Literal["a", "b"],
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[JoinerOutputs]:
        """Run `concat` to its end and return the run, which has succeeded.

        Args:
            option: Sent as `list`.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = JoinerInputs(string=string, option=option)
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        string: str,
        option: Literal["a", "b"],
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[JoinerOutputs]:
        """Run `concat` as a stream, for `async with` and `async for`; `start` takes the same."""
        inputs = JoinerInputs(string=string, option=option)
        return self.stream_inputs(inputs, user=user, **options)


_async_client = AsyncJoinerClient()
arun_joiner = as_function(_async_client.run, "arun_joiner")
astream_joiner = as_function(_async_client.stream, "astream_joiner")
astart_joiner = as_function(_async_client.start, "astart_joiner")
await_joiner = as_function(_async_client.wait, "await_joiner")
