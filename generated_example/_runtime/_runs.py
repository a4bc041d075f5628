"""What a run is: how it ended, what it gave, and what else the server told about it.

Knows the shapes of Dify's payloads; knows nothing of HTTP.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Generic, NoReturn

from pydantic import ValidationError

from ._errors import OutputsError
from ._files import File
from ._forms import Form, forms_of
from ._models import OutputsT, OutputsT_co, WorkflowInfo
from ._records import (
    to_integer,
    to_maybe_integer,
    to_maybe_object,
    to_maybe_text,
    to_moment,
    to_object,
    to_objects,
    to_real,
    to_text,
)


class Run(Generic[OutputsT_co]):
    """A run of a workflow: how it ended, what it gave, and what it took.

    Attributes:
        status: `succeeded`, `partial-succeeded` (some node fell back to its error branch
            or default), `failed`, `stopped`, `paused`, `running`, or a newer word.
        error: Why it failed, in the server's words.
        workflow_run_id: The run, for `get_run()` and `resume()`.
        task_id: The run while it goes on, for `stop()`. None for a stored run.
        workflow_id: The published version that ran.
        elapsed_time: Seconds.
        total_tokens: Tokens of all LLM nodes.
        total_steps: Node runs outside of iterations and loops, retries included.
        created_at: When it began, in UTC, by whole seconds.
        finished_at: When it ended; None if it has not.
        created_by: Who began it, where the server tells (streams only).
        exceptions_count: Handled failures, where the server tells (streams only).
        inputs: What it was started with, `sys.*` values included (`get_run` only).
        files: The files among the outputs.
        raw_outputs: The outputs as they came.
        raw: Everything that the server sent.
    """

    __slots__ = (
        "_misfit",
        "_outputs",
        "created_at",
        "created_by",
        "elapsed_time",
        "error",
        "exceptions_count",
        "files",
        "finished_at",
        "inputs",
        "raw",
        "raw_outputs",
        "status",
        "task_id",
        "total_steps",
        "total_tokens",
        "workflow_id",
        "workflow_run_id",
    )
    _misfit: str
    _outputs: OutputsT_co | None
    status: str
    error: str | None
    workflow_run_id: str
    task_id: str | None
    workflow_id: str
    elapsed_time: float
    total_tokens: int
    total_steps: int
    created_at: datetime | None
    finished_at: datetime | None
    created_by: Mapping[str, Any] | None
    exceptions_count: int | None
    inputs: Mapping[str, Any] | None
    files: tuple[File, ...]
    raw_outputs: Mapping[str, Any]
    raw: Mapping[str, Any]

    def __init__(
        self,
        *,
        outputs: OutputsT_co | None,
        status: str = "succeeded",
        error: str | None = None,
        workflow_run_id: str = "",
        task_id: str | None = None,
        workflow_id: str = "",
        elapsed_time: float = 0.0,
        total_tokens: int = 0,
        total_steps: int = 0,
        created_at: datetime | None = None,
        finished_at: datetime | None = None,
        created_by: Mapping[str, Any] | None = None,
        exceptions_count: int | None = None,
        inputs: Mapping[str, Any] | None = None,
        files: tuple[File, ...] = (),
        raw_outputs: Mapping[str, Any] | None = None,
        raw: Mapping[str, Any] | None = None,
        misfit: str = "",
    ) -> None:
        self.__setstate__(
            {
                "_misfit": misfit,
                "_outputs": outputs,
                "created_at": created_at,
                "created_by": created_by,
                "elapsed_time": elapsed_time,
                "error": error,
                "exceptions_count": exceptions_count,
                "files": files,
                "finished_at": finished_at,
                "inputs": inputs,
                "raw": raw or {},
                "raw_outputs": raw_outputs or {},
                "status": status,
                "task_id": task_id,
                "total_steps": total_steps,
                "total_tokens": total_tokens,
                "workflow_id": workflow_id,
                "workflow_run_id": workflow_run_id,
            }
        )

    @property
    def outputs(self) -> OutputsT_co:
        """What the workflow gave.

        Raises:
            OutputsError: The run has none that fit (it failed, or still goes on).
                `raw_outputs` holds what there is.
        """
        if self._outputs is None:
            raise OutputsError(self._misfit, outputs=self.raw_outputs, run=self)
        return self._outputs

    @property
    def succeeded(self) -> bool:
        """Whether the run ended well. `partial-succeeded` is a success."""
        return self.status in ("succeeded", "partial-succeeded")

    @property
    def forms(self) -> tuple[Form, ...]:
        """The human-input forms that a paused run waits for."""
        return forms_of(to_object(self.raw.get("data")))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Run is read-only: cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Run is read-only: cannot delete {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Run):
            return NotImplemented
        return self.__getstate__() == other.__getstate__()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        outputs = self.raw_outputs if self._outputs is None else self._outputs
        return (
            f"Run(status={self.status!r}, outputs={outputs!r}, error={self.error!r}, "
            f"workflow_run_id={self.workflow_run_id!r}, "
            f"elapsed_time={self.elapsed_time!r})"
        )


def make_run(
    workflow: WorkflowInfo[OutputsT],
    data: Mapping[str, Any],
    *,
    raw: Mapping[str, Any],
    workflow_run_id: str | None,
    task_id: str | None,
    api_url: str,
) -> Run[OutputsT]:
    """The run that `data` (of an answer, an event or a run detail) tells about."""
    status = to_text(data.get("status"))
    raw_outputs = to_object(data.get("outputs"))
    outputs, misfit = fit_outputs(workflow, raw_outputs, status, api_url)
    return Run(
        outputs=outputs,
        misfit=misfit,
        status=status,
        error=to_maybe_text(data.get("error")),
        workflow_run_id=workflow_run_id or to_text(data.get("id")),
        task_id=task_id,
        workflow_id=to_text(data.get("workflow_id")),
        elapsed_time=to_real(data.get("elapsed_time")),
        total_tokens=to_integer(data.get("total_tokens")),
        total_steps=to_integer(data.get("total_steps")),
        created_at=to_moment(data.get("created_at")),
        finished_at=to_moment(data.get("finished_at")),
        created_by=to_maybe_object(data.get("created_by")),
        exceptions_count=to_maybe_integer(data.get("exceptions_count")),
        inputs=to_maybe_object(data.get("inputs")),
        files=files_of(data.get("files"), api_url),
        raw_outputs=raw_outputs,
        raw=raw,
    )


def is_same_run(run_id: str, other: str) -> bool:
    """Check that two ids are one run's: servers take UUIDs in any spelling."""
    return run_id == other or plain_id(run_id) == plain_id(other)


def plain_id(run_id: str) -> str:
    """Return an id in the one spelling that all others can be compared in."""
    return run_id.replace("-", "").casefold()


def files_of(value: Any, api_url: str) -> tuple[File, ...]:
    """The files of a payload's `files`; one that makes no sense stays in `raw` alone."""
    files: list[File] = []
    for item in to_objects(value):
        with suppress(ValidationError):
            files.append(File.model_validate(item, context={"api_url": api_url}))
    return tuple(files)


def fit_outputs(
    workflow: WorkflowInfo[OutputsT],
    outputs: dict[str, Any],
    status: str,
    api_url: str,
) -> tuple[OutputsT | None, str]:
    """The typed outputs; or None, and why there are none.

    A failed run may have complete outputs: its step limit was hit after the End node ran
    (seen on 1.12.1).
    """
    try:
        model = workflow.outputs.model_validate(outputs, context={"api_url": api_url})
    except ValidationError as error:
        if status not in ("succeeded", "partial-succeeded"):
            return None, f"The run of {workflow.name!r} is {status}: it has no outputs"
        return None, (
            f"The outputs of {workflow.name!r} do not fit {workflow.outputs.__name__}: "
            f"was the workflow changed? Generate the client again. {error}"
        )
    return model, ""
