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
)

__all__ = [
    "AsyncNightlyReportClient",
    "NightlyReportClient",
    "NightlyReportInputs",
    "NightlyReportOutputs",
    "arun_nightly_report",
    "astream_nightly_report",
    "run_nightly_report",
    "stream_nightly_report",
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


class NightlyReportClient(WorkflowClient[NightlyReportOutputs]):
    """Runs `nightly_report`, all calls over one pool of connections.

    Reads no setting and opens no connection before the first call. What the
    constructor is not given comes from the environment: `DIFY_BASE_URL`,
    `DIFY_NIGHTLY_REPORT_API_KEY` or `DIFY_API_KEY`, `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[NightlyReportOutputs]:
        """Run `nightly_report` to its end and return the run.

        Sums up the day.

        Args:
            user: Whom the run is for; `DIFY_USER` if left out.
            **options: See `RunOptions`.

        Returns:
            The run, which has succeeded. `.outputs` holds its typed outputs.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            RunError: The run failed, was stopped, or waits for a person: see `.run`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        return self.run_inputs(NightlyReportInputs(), user=user, **options)

    def stream(
        self,
        *,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[NightlyReportOutputs]:
        """Run `nightly_report` and follow its events as they happen.

        Sums up the day.

        Args:
            user: Whom the run is for; `DIFY_USER` if left out.
            **options: See `StreamOptions`.

        Returns:
            A stream of events, for `with` and `for`. The run starts with the first
            event that is asked for. `stream.result()` gives what `run` returns, or
            raises what `run` raises.
        """
        return self.stream_inputs(NightlyReportInputs(), user=user, **options)


class AsyncNightlyReportClient(AsyncWorkflowClient[NightlyReportOutputs]):
    """`NightlyReportClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[NightlyReportOutputs]:
        """Run `nightly_report` to its end and return the run.

        Takes what `NightlyReportClient.run` takes.
        """
        return await self.run_inputs(NightlyReportInputs(), user=user, **options)

    def stream(
        self,
        *,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[NightlyReportOutputs]:
        """Run `nightly_report` and follow its events as they happen.

        Takes what `NightlyReportClient.stream` takes.
        """
        return self.stream_inputs(NightlyReportInputs(), user=user, **options)


_client = NightlyReportClient()
run_nightly_report = _client.run
stream_nightly_report = _client.stream
_async_client = AsyncNightlyReportClient()
arun_nightly_report = _async_client.run
astream_nightly_report = _async_client.stream
