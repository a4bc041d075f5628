"""What generated modules build on: inputs, outputs, nodes, and the run that gives them.

Knows pydantic, Dify's rules for values and the shapes of its payloads; knows nothing of
HTTP.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import wraps
from inspect import iscoroutinefunction, signature
from math import inf, isfinite
from numbers import Integral, Rational, Real
from types import MappingProxyType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    NoReturn,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
)

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    Strict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import TypedDict

from ._errors import DifyError
from ._files import BUILD_LATER, BY_CODE, File, FileRules, PreparedFile, Uploads
from ._payloads import (
    Form,
    forms_of,
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
from ._settings import HeaderValues

ResponseMode = Literal["auto", "blocking", "streaming"]
"""How `run` waits: for one answer, or by collecting a stream of events.

Take "streaming" for runs that last longer than a proxy waits (60 to 100 seconds are
common): the stream stays alive, and it is taken up again when it is cut.
"""


class RunOptions(TypedDict, total=False):
    """What every `run` takes beside the inputs and `user`, by keyword."""

    response_mode: ResponseMode
    """`"blocking"` waits for one answer, and is what is taken if left out: on Dify 1.13 and
    later a stream costs a second more. A run that lasts longer than a proxy waits is lost
    with it. `"auto"` loses none: the result is collected from a stream, which is taken up
    again where it breaks; `"streaming"` asks for the same in Dify's own word."""

    timeout: float | None
    """Seconds for the whole run; the client's if left out."""

    stop_on_exit: bool
    """Stop the run on the server when the call is left early: cancelled, interrupted, or out
    of time. Takes a stream, which tells what to stop, so `"auto"` is the mode then."""

    workflow_id: str | None
    """A published version to run in place of the latest one."""

    trace_id: str | None
    """Makes the run part of a trace of yours."""

    headers: HeaderValues | None
    """Headers for all requests of this run, beside the client's: for a gateway, or
    `traceparent`. Values that are secret: `pydantic.SecretStr`."""


class StreamOptions(TypedDict, total=False):
    """What every `stream` and `start` take beside the inputs and `user`, by keyword."""

    timeout: float | None
    """Seconds for the whole run (of `start`, until it is known); the client's if left out."""

    stop_on_exit: bool
    """Stop the run on the server when the stream, or `start`, is left early."""

    workflow_id: str | None
    """A published version to run in place of the latest one."""

    trace_id: str | None
    """Makes the run part of a trace of yours."""

    headers: HeaderValues | None
    """Headers for all requests of this run, beside the client's: for a gateway, or
    `traceparent`. Values that are secret: `pydantic.SecretStr`."""


@dataclasses.dataclass(frozen=True)
class StartedRun:
    """A run that was started, and goes on at the server whoever waits for it.

    Attributes:
        run_id: For `wait()`, here or in another process, `get_run()` and `resume()`.
        task_id: For `stop()`.
    """

    run_id: str
    task_id: str | None


ArgumentsT = ParamSpec("ArgumentsT")
HandleT_co = TypeVar("HandleT_co", covariant=True)
HandleT = TypeVar("HandleT")


STARTING = """Start a run, and return its ids once they are known.

Takes what `stream` takes. The run goes on at the server; `wait()` returns or raises what
`run` does, here or in another process.
"""


class Detachable(Protocol[HandleT_co]):
    """A stream whose run can be left to itself."""

    def detach(self) -> HandleT_co:
        """Return what the run is found by later."""
        ...


def starting(
    stream: Callable[ArgumentsT, Detachable[HandleT]],
) -> Callable[ArgumentsT, HandleT]:
    """Return what starts the run that `stream` would follow, with the same parameters."""

    @wraps(stream)
    def start(*args: ArgumentsT.args, **kwargs: ArgumentsT.kwargs) -> HandleT:
        return stream(*args, **kwargs).detach()

    start.__name__, start.__doc__ = "start", STARTING
    start.__annotations__ = {**stream.__annotations__, "return": StartedRun}
    described: Any = start
    described.__signature__ = signature(stream).replace(return_annotation=StartedRun)
    return start


LARGEST_EXPONENT = 308
"""Of ten, in the numbers that Dify reads."""


def check_json(value: Any) -> Any:
    """Return the value as JSON says it, numbers of other libraries among it as `Number` does.

    Raises:
        ValueError: It cannot: NaN, a lone surrogate, a key that is no text, or an object.
    """
    if isinstance(value, str):
        value.encode()
        return value
    value = as_bool(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        members: dict[str, Any] = {}
        for key, member in cast(dict[object, object], value).items():
            if not isinstance(key, str):
                wrong = ValueError(f"the key {key!r} is not a str")
                raise wrong
            members[check_json(key)] = check_json(member)
        return members
    if isinstance(value, list | tuple):
        return [check_json(member) for member in cast(list[object], value)]
    number = as_number(value)
    if number is None:
        raise ValueError(f"JSON cannot say a {type(value).__name__}")
    if not is_finite(number):
        raise ValueError("JSON knows no NaN and no Infinity")
    return number


Text = Annotated[str, Strict()]
"""A text, as Dify takes it: a `str` and nothing else."""


def as_number(value: object) -> int | float | None:
    """Return a number as JSON has it; NaN or an infinity where JSON has none, None for no number.

    A whole number of whatever library is exact; of any other it is the nearest float.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    try:
        if isinstance(value, Integral):
            return int(value)
        if isinstance(value, Decimal):
            if not value.is_finite() or value.adjusted() > LARGEST_EXPONENT:
                return inf
            return int(value) if value == value.to_integral_value() else float(value)
        if isinstance(value, Rational) and value.denominator == 1:
            return int(value.numerator)
        return float(value) if isinstance(value, Real) else None
    except OverflowError:
        return inf


def is_finite(number: float) -> bool:
    """Check whether a number is none of NaN and the infinities, nor too large for a float."""
    try:
        return isfinite(number)
    except OverflowError:
        return False


def check_number(value: Any) -> int | float:
    """Return the value, if JSON has such a number. One message, where a union has two."""
    number = as_number(value)
    if number is None:
        raise PydanticCustomError("number_type", "Input should be a number")
    if not is_finite(number):
        raise PydanticCustomError("finite_number", "Input should be a finite number")
    return number


Number = Annotated[
    int | float, PlainValidator(check_number), WithJsonSchema({"type": "number"})
]
"""A number, sent as it is: `1` as 1 and `1.0` as 1.0. `True` is none.

numpy's, `Decimal` and `Fraction` are numbers, too, here and within a `JsonObject`: what is
whole is sent as a whole number, anything else as the nearest float. What NaN or infinite
is, or too large for a float, is refused.
"""


def as_bool(value: object) -> object:
    """Return a bool of numpy's as one of Python's, and anything else as it is."""
    kind = type(value)
    is_numpys = kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_")
    return bool(value) if is_numpys else value


Checkbox = Annotated[bool, Strict(), BeforeValidator(as_bool)]
"""True or False, and nothing else."""

JsonObject = Annotated[dict[str, Any], AfterValidator(check_json)]
"""A `dict` that JSON can say."""


def _check_value(value: Any) -> Any:
    if value is None:
        raise ValueError("Dify takes no null for an input that is required")
    return check_json(value)


JsonValue = Annotated[Any, AfterValidator(_check_value)]
"""Anything that JSON can say but null: for an input of a type that difygen does not know."""

SchemaChecked = AfterValidator(check_json)
"""Stands in the annotation of a required JSON object that has a schema. One without its
required members is refused, even `{}`, which the server takes for none (seen on 1.12.1)."""


def _check_unless_empty(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return value if value == {} else check_json(handler(value))


SchemaCheckedOrEmpty = WrapValidator(_check_unless_empty)
"""The same, of an object that is not required: it may be empty."""


MAX_SHOWN_TEXT = 100


def shown_input(value: object) -> object:
    """Return what an error may hold of a value that was refused: no content, and nothing long.

    Whatever it returns, any JSON encoder takes.
    """
    if isinstance(value, str):
        shown = value[:MAX_SHOWN_TEXT].encode(errors="replace").decode()
        return shown if len(value) <= MAX_SHOWN_TEXT else f"{shown}..."
    is_small = isinstance(value, int) and value.bit_length() < 64
    if value is None or is_small or (isinstance(value, float) and isfinite(value)):
        return value
    return f"<{type(value).__name__}>"


def without_contents(error: ValidationError) -> ValidationError:
    """Return the same error, fit to be logged or sent to whoever gave the values."""
    problems: list[InitErrorDetails] = []
    for problem in error.errors(include_url=False):
        kind: Any = problem["type"]
        message: Any = problem["msg"]
        context = {
            name: shown_input(str(item) if isinstance(item, Exception) else item)
            for name, item in problem.get("ctx", {}).items()
        }
        place = tuple(
            step if isinstance(step, int) else step[:MAX_SHOWN_TEXT]
            for step in problem["loc"]
        )
        problems.append(
            InitErrorDetails(
                type=PydanticCustomError(kind, message, context or None),
                loc=place,
                input=shown_input(problem["input"]),
            )
        )
    return ValidationError.from_exception_data(error.title, problems, hide_input=True)


InitT = TypeVar("InitT", bound=Callable[..., None])


def no_custom_init(init: InitT) -> InitT:
    """Have pydantic validate data without calling this `__init__`, as it does its own."""
    init.__dict__["__pydantic_base_init__"] = True
    return init


class Inputs(BaseModel):
    """What a workflow takes. Refuses what the server would refuse, before it is sent.

    A text for a file is a path where code gives it, as in `XInputs(doc="report.pdf")`.
    In what is validated - `model_validate_json`, `model_validate`, the body of a web
    framework's request - it is a URL and never a path, so that nobody who sends JSON can
    name a file of this machine. For data of your own:
    `XInputs.model_validate(data, context={"local_files": True})`.

    A ValidationError holds no content of files and no long texts: it may be returned to
    whoever sent the data.
    """

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        defer_build=BUILD_LATER,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    @no_custom_init
    def __init__(self, /, **data: Any) -> None:
        __tracebackhide__ = True
        # A class with an `__init__` of its own is made by it from validated data, too.
        context = None if type(self).__pydantic_custom_init__ else BY_CODE
        self.__pydantic_validator__.validate_python(
            data, self_instance=self, context=context
        )

    @model_validator(mode="wrap")
    @classmethod
    def _validate(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise without_contents(error) from None

    def to_wire(self, uploads: Uploads = MappingProxyType({})) -> dict[str, Any]:
        """Return what is sent: by the workflow's own names, without what was left out.

        Local files are what `uploads` says; without, they lack their ids.
        """
        wire: dict[str, Any] = {}
        values = self.__dict__
        for name, field in type(self).model_fields.items():
            value = values[name]
            if value is not None:
                alias = field.serialization_alias
                wire[name if alias is None else alias] = to_json(value, uploads)
        return wire

    def local_files(self) -> list[PreparedFile]:
        """Return the files that must be uploaded before the inputs can be sent."""
        return [file for file in prepared_files(self) if file.source is not None]


class FormAnswer(Inputs):
    """An answer to the form of a human-input node, for `submit_form` of a client.

    Each node has a class of its own: the first field is the button that is pressed, and the
    others are the form's own fields, checked as inputs are.
    """

    node_id: ClassVar[str] = ""
    """The node that asks. A form that was read by its token alone does not tell its node."""

    def for_form(self) -> tuple[str, dict[str, Any]]:
        """Return the button, and the values by the names that the form has for them."""
        action, *fields = type(self).model_fields.items()
        values = self.__dict__
        return values[action[0]], {
            field.serialization_alias or name: values[name] for name, field in fields
        }


def prepared_files(inputs: Inputs) -> list[PreparedFile]:
    """Return all files among the inputs."""
    found: list[PreparedFile] = []
    for value in inputs.__dict__.values():
        items = (
            cast(Sequence[object], value)
            if isinstance(value, list | tuple)
            else [value]
        )
        found += [item for item in items if isinstance(item, PreparedFile)]
    return found


def to_json(value: Any, uploads: Uploads = MappingProxyType({})) -> Any:
    """Return the value as `json.dumps` takes it."""
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, PreparedFile):
        return value.wire_with(uploads)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, list | tuple):
        return [to_json(item, uploads) for item in cast(list[object], value)]
    return value


class Outputs(BaseModel):
    """What a workflow gives. Keeps what the model does not know (`model_extra`)."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        defer_build=BUILD_LATER,
        protected_namespaces=(),
    )


InputsT = TypeVar("InputsT", bound=Inputs)
OutputsT = TypeVar("OutputsT", bound=Outputs)
OutputsT_co = TypeVar("OutputsT_co", bound=Outputs, covariant=True)


class WorkflowNode(StrEnum):
    """The nodes of a workflow. A member equals its node id: `case NodeFinished(node_id=...)`.

    Members are declared as `NAME = ("node id", "node type", "title")`.
    """

    node_type: str
    node_title: str

    def __new__(cls, node_id: str, node_type: str = "", title: str = "") -> Self:
        member = str.__new__(cls, node_id)
        member._value_ = node_id
        member.node_type = node_type
        member.node_title = title
        return member


class WorkflowInfo(Generic[OutputsT]):
    """What a generated module tells its clients about the workflow.

    `files` says which files a run may have beside its inputs (`sys.files`), `max_files` how
    many; None for no files, since the workflow does not look at them.

    `text_sources` are the places in the graph (node id, variable) that each output comes
    from, for `stream.text("output")`.
    """

    __slots__ = (
        "api_key_variables",
        "files",
        "max_files",
        "name",
        "outputs",
        "text_sources",
    )

    def __init__(
        self,
        *,
        name: str,
        outputs: type[OutputsT],
        api_key_variables: tuple[str, ...] = ("DIFY_API_KEY",),
        text_sources: Mapping[str, Sequence[Sequence[str]]] | None = None,
        files: FileRules | None = None,
        max_files: int | None = None,
    ) -> None:
        self.name = name
        self.outputs = outputs
        self.api_key_variables = api_key_variables
        self.text_sources = text_sources or {}
        self.files = files
        self.max_files = max_files

    def __repr__(self) -> str:
        return f"WorkflowInfo(name={self.name!r})"


FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def as_function(method: FunctionT, name: str) -> FunctionT:
    """Return a method of a module's own client as a function of that module.

    It does what the method does, under a name of its own: in `help()`, in tracebacks, and
    in pickles, which hold that name and no client.
    """
    if iscoroutinefunction(method):

        @wraps(method)
        async def run(*args: Any, **kwargs: Any) -> Any:
            return await method(*args, **kwargs)

        function: Any = run
    else:

        @wraps(method)
        def start(*args: Any, **kwargs: Any) -> Any:
            return method(*args, **kwargs)

        function = start
    function.__name__ = function.__qualname__ = name
    client = function.__self__ = getattr(method, "__self__", None)
    if client is not None:  # also for a method that its class has inherited
        function.__module__ = type(client).__module__
    return cast(FunctionT, function)


class RunError(DifyError):
    """The run ended, but not well. `run` holds everything that is known about it."""

    def __init__(self, message: str, *, run: "Run[Any]") -> None:
        super().__init__(message)
        self.run = run
        self.workflow_run_id = run.workflow_run_id
        self.task_id = run.task_id


class RunFailedError(RunError):
    """The run's status is `failed`; the message is the run's own error."""


class RunStoppedError(RunError):
    """The run's status is `stopped`: by somebody, or by a time limit of the server."""


class RunPausedError(RunError):
    """The run waits for human input.

    Submit one of `forms` with the client's `submit_form()`, then follow the run with
    `resume(error)`. A blocking call does not get the forms' tokens from Dify before 1.14:
    `forms` is empty then.
    """

    @property
    def forms(self) -> tuple["Form", ...]:
        """The forms that the run waits for."""
        return self.run.forms


class OutputsError(DifyError, ValueError):
    """The outputs do not fit the generated model, or the run has none.

    Attributes:
        outputs: What the server sent.
        run: The run; its `raw` holds everything.
    """

    def __init__(
        self, message: str, *, outputs: Mapping[str, Any], run: "Run[Any]"
    ) -> None:
        super().__init__(message)
        self.outputs = outputs
        self.run = run
        self.workflow_run_id = run.workflow_run_id
        self.task_id = run.task_id


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
        return forms_of(self.raw)

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
    """Return the run that `data` (of an answer, an event or a run detail) tells about."""
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
    """Return the files of a payload's `files`; one that makes no sense stays in `raw` alone."""
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
    """Return the typed outputs; or None, and why there are none.

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
            "was the workflow changed? Generate the client again. Or is this the key of "
            f"another app? {error}"
        )
    return model, ""


SettledT = TypeVar("SettledT", bound=Outputs)


def settle(run: Run[SettledT]) -> Run[SettledT]:
    """Return the run, if it ended well and its outputs fit; else raise it as an exception."""
    if run.succeeded:
        # This raises, if they do not fit.
        _ = run.outputs
        return run
    name = run.workflow_run_id or "?"
    if run.status == "failed":
        raise RunFailedError(run.error or f"The run {name} failed", run=run)
    if run.status == "stopped":
        raise RunStoppedError(run.error or f"The run {name} was stopped", run=run)
    if run.status == "paused":
        raise RunPausedError(
            f"The run {name} waits for human input: {waiting_for(run)}", run=run
        )
    raise RunError(f"The run {name} ended with the status {run.status!r}", run=run)


def waiting_for(run: Run[Any]) -> str:
    """Return what a paused run waits for, in words."""
    titles = [form.node_title or form.form_id or "a form" for form in run.forms]
    return ", ".join(titles) or "the server did not tell for which"
