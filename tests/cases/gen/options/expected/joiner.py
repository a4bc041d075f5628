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

__all__ = ["AsyncJoinerClient", "JoinerInputs", "JoinerOutputs", "arun_joiner", "astream_joiner"]


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

    What it is not given comes at the first call from `DIFY_BASE_URL`, `JOINER_KEY` or
    `DIFY_API_KEY`, and `DIFY_USER`.
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
            user: Whom the run is for; `DIFY_USER` if left out.
            **options: See `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            RunError: The run failed, was stopped, or waits for a person: see `.run`.
            DifyError: Anything else, such as a missing setting or a refusal.
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
        """Run `concat` as a stream of events, for `async with` and `async for`.

        Takes what `run` takes. The run starts with the first event that is asked for; `await
        stream.result()` returns or raises what `run` does.
        """
        inputs = JoinerInputs(string=string, option=option)
        return self.stream_inputs(inputs, user=user, **options)


_async_client = AsyncJoinerClient()
arun_joiner = as_function(_async_client.run, "arun_joiner")
astream_joiner = as_function(_async_client.stream, "astream_joiner")
