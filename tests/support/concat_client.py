"""The client of the `concat` workflow, written by hand the way difygen writes it, so that the runtime is tested
alone.
"""

from typing import Literal

from runtime import (
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

ListOption = Literal["list_a", "list_b", "list_c"]


class ConcatInputs(Inputs):
    """What `concat` takes."""

    string: Text
    num: Number
    list: ListOption


class ConcatOutputs(Outputs):
    """What `concat` gives."""

    result: str


_WORKFLOW = WorkflowInfo(
    name="concat", outputs=ConcatOutputs, api_key_variables=("DIFY_CONCAT_API_KEY", "DIFY_API_KEY")
)


class ConcatClient(WorkflowClient[ConcatInputs, ConcatOutputs]):
    """Calls `concat`."""

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        string: str = "text",
        num: float = 1,
        list: ListOption = "list_a",
        user: str | None = "tester",
        response_mode: ResponseMode = "blocking",
        timeout: float | None = None,
    ) -> Run[ConcatOutputs]:
        """Run `concat` to its end."""
        inputs = ConcatInputs(string=string, num=num, list=list)
        return self.run_inputs(inputs, user=user, response_mode=response_mode, timeout=timeout)

    def stream(
        self,
        *,
        string: str = "text",
        num: float = 1,
        list: ListOption = "list_a",
        user: str | None = "tester",
        timeout: float | None = None,
        stop_on_exit: bool = False,
    ) -> RunStream[ConcatOutputs]:
        """Run `concat`, event by event."""
        inputs = ConcatInputs(string=string, num=num, list=list)
        return self.stream_inputs(inputs, user=user, timeout=timeout, stop_on_exit=stop_on_exit)


class AsyncConcatClient(AsyncWorkflowClient[ConcatInputs, ConcatOutputs]):
    """Calls `concat` from async code."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        string: str = "text",
        num: float = 1,
        list: ListOption = "list_a",
        user: str | None = "tester",
        response_mode: ResponseMode = "blocking",
        timeout: float | None = None,
    ) -> Run[ConcatOutputs]:
        """Run `concat` to its end."""
        inputs = ConcatInputs(string=string, num=num, list=list)
        return await self.run_inputs(inputs, user=user, response_mode=response_mode, timeout=timeout)

    def stream(
        self,
        *,
        string: str = "text",
        num: float = 1,
        list: ListOption = "list_a",
        user: str | None = "tester",
        timeout: float | None = None,
        stop_on_exit: bool = False,
    ) -> AsyncRunStream[ConcatOutputs]:
        """Run `concat`, event by event."""
        inputs = ConcatInputs(string=string, num=num, list=list)
        return self.stream_inputs(inputs, user=user, timeout=timeout, stop_on_exit=stop_on_exit)
