"""The Dify workflow `\"\""); import os #` ({{ 7 * 7 }} {% raw %} \\u202eevil\\u202c).

\"\""
import os
os.system('true')
\"\""
\\

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
    RunStream,
    StreamOptions,
    Text,
    WorkflowClient,
    WorkflowInfo,
    as_function,
)

__all__ = [
    "AsyncImportOsClient",
    "ImportOsClient",
    "ImportOsInputs",
    "ImportOsOutputs",
    "arun_import_os",
    "astart_import_os",
    "astream_import_os",
    "await_import_os",
    "run_import_os",
    "start_import_os",
    "stream_import_os",
    "wait_import_os",
]


class ImportOsInputs(Inputs):
    """What `\"\""); import os #` takes; `run` says what each of them is."""

    x_int_1_y: Annotated[Text | None, Field(alias='x": int = 1\n    y')] = '"""\\'
    pick: Literal['"]', "\n", "'", "\\", "{}", "\x1b[31m"]


class ImportOsOutputs(Outputs):
    """What `\"\""); import os #` gives."""

    a_1_b: Annotated[str | None, Field(alias="a = 1; b")] = None
    """# type: ignore. \"\""."""


_WORKFLOW = WorkflowInfo(
    name='"""); import os #',
    outputs=ImportOsOutputs,
    api_key_variables=("DIFY_IMPORT_OS_API_KEY", "DIFY_API_KEY"),
)


class ImportOsClient(WorkflowClient[ImportOsInputs, ImportOsOutputs]):
    """Runs `\"\""); import os #`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_IMPORT_OS_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        x_int_1_y: str | None = '"""\\',
        pick: Literal['"]', "\n", "'", "\\", "{}", "\x1b[31m"],
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[ImportOsOutputs]:
        """Run `\"\""); import os #` to its end and return the run, which has succeeded.

        \"\"".

        Args:
            x_int_1_y: Ends with ". \\. Sent as `x": int = 1 y`.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = ImportOsInputs(x_int_1_y=x_int_1_y, pick=pick)
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        x_int_1_y: str | None = '"""\\',
        pick: Literal['"]', "\n", "'", "\\", "{}", "\x1b[31m"],
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[ImportOsOutputs]:
        """Run `\"\""); import os #` as a stream, for `with` and `for`; `start` takes
        the same.
        """
        inputs = ImportOsInputs(x_int_1_y=x_int_1_y, pick=pick)
        return self.stream_inputs(inputs, user=user, **options)


class AsyncImportOsClient(AsyncWorkflowClient[ImportOsInputs, ImportOsOutputs]):
    """`ImportOsClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        x_int_1_y: str | None = '"""\\',
        pick: Literal['"]', "\n", "'", "\\", "{}", "\x1b[31m"],
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[ImportOsOutputs]:
        """Run `\"\""); import os #` to its end, like `ImportOsClient.run`."""
        inputs = ImportOsInputs(x_int_1_y=x_int_1_y, pick=pick)
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        x_int_1_y: str | None = '"""\\',
        pick: Literal['"]', "\n", "'", "\\", "{}", "\x1b[31m"],
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[ImportOsOutputs]:
        """Stream a run of `\"\""); import os #`, like `ImportOsClient.stream`."""
        inputs = ImportOsInputs(x_int_1_y=x_int_1_y, pick=pick)
        return self.stream_inputs(inputs, user=user, **options)


_client = ImportOsClient()
run_import_os = as_function(_client.run, "run_import_os")
stream_import_os = as_function(_client.stream, "stream_import_os")
start_import_os = as_function(_client.start, "start_import_os")
wait_import_os = as_function(_client.wait, "wait_import_os")
_async_client = AsyncImportOsClient()
arun_import_os = as_function(_async_client.run, "arun_import_os")
astream_import_os = as_function(_async_client.stream, "astream_import_os")
astart_import_os = as_function(_async_client.start, "astart_import_os")
await_import_os = as_function(_async_client.wait, "await_import_os")
