"""The Dify workflow `nightly_report`: Sums up the day.

Written by difygen from specs/nightly_report.yaml. Change that file and run difygen
again.
"""

from typing import Any, Unpack

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Inputs,
    Outputs,
    Run,
    RunOptions,
    RunStream,
    StreamOptions,
    WorkflowClient,
    WorkflowInfo,
    as_function,
)

__all__ = [
    "AsyncNightlyReportClient",
    "NightlyReportClient",
    "NightlyReportInputs",
    "NightlyReportOutputs",
    "arun_nightly_report",
    "astart_nightly_report",
    "astream_nightly_report",
    "await_nightly_report",
    "run_nightly_report",
    "start_nightly_report",
    "stream_nightly_report",
    "wait_nightly_report",
]


class NightlyReportInputs(Inputs):
    """What `nightly_report` takes."""


class NightlyReportOutputs(Outputs):
    """What `nightly_report` gives."""

    report: str
    figures: dict[str, Any]


_WORKFLOW = WorkflowInfo(
    name="nightly_report",
    outputs=NightlyReportOutputs,
    api_key_variables=("DIFY_NIGHTLY_REPORT_API_KEY", "DIFY_API_KEY"),
)


class NightlyReportClient(WorkflowClient[NightlyReportInputs, NightlyReportOutputs]):
    """Runs `nightly_report`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_NIGHTLY_REPORT_API_KEY` or `DIFY_API_KEY`, and
    `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[NightlyReportOutputs]:
        """Run `nightly_report` to its end and return the run, which has succeeded.

        Sums up the day.

        Args:
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = NightlyReportInputs()
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[NightlyReportOutputs]:
        """Run `nightly_report` as a stream, for `with` and `for`; `start` takes the
        same.
        """
        inputs = NightlyReportInputs()
        return self.stream_inputs(inputs, user=user, **options)


class AsyncNightlyReportClient(
    AsyncWorkflowClient[NightlyReportInputs, NightlyReportOutputs],
):
    """`NightlyReportClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[NightlyReportOutputs]:
        """Run `nightly_report` to its end, like `NightlyReportClient.run`."""
        inputs = NightlyReportInputs()
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[NightlyReportOutputs]:
        """Stream a run of `nightly_report`, like `NightlyReportClient.stream`."""
        inputs = NightlyReportInputs()
        return self.stream_inputs(inputs, user=user, **options)


_client = NightlyReportClient()
run_nightly_report = as_function(_client.run, "run_nightly_report")
stream_nightly_report = as_function(_client.stream, "stream_nightly_report")
start_nightly_report = as_function(_client.start, "start_nightly_report")
wait_nightly_report = as_function(_client.wait, "wait_nightly_report")
_async_client = AsyncNightlyReportClient()
arun_nightly_report = as_function(_async_client.run, "arun_nightly_report")
astream_nightly_report = as_function(_async_client.stream, "astream_nightly_report")
astart_nightly_report = as_function(_async_client.start, "astart_nightly_report")
await_nightly_report = as_function(_async_client.wait, "await_nightly_report")
