"""What generated workflow modules build on: inputs, outputs, nodes.

Knows pydantic and Dify's rules for values; knows nothing of HTTP.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import isfinite
from typing import Annotated, Any, Generic, Literal, Self, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    PlainValidator,
    Strict,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from ._files import PreparedFile

ResponseMode = Literal["blocking", "streaming"]
"""How `run` waits: for one answer, or by collecting a stream of events.

Take "streaming" for runs that last longer than a proxy waits (60 to 100 seconds are
common): the stream stays alive, and it is taken up again when it is cut.
"""


def check_json(value: Any) -> Any:
    """The value, if JSON can say it: no NaN, no lone surrogate, only texts as keys."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, float):
        if not isfinite(value):
            raise ValueError("JSON knows no NaN and no Infinity")
    elif isinstance(value, dict):
        for key, member in cast(dict[object, object], value).items():
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r} is not a str")  # noqa: TRY004
            check_json(key)
            check_json(member)
    elif isinstance(value, list | tuple):
        for member in cast(list[object], value):
            check_json(member)
    elif not (value is None or isinstance(value, bool | int)):
        raise ValueError(f"JSON cannot say a {type(value).__name__}")
    return cast(object, value)


Text = Annotated[str, Strict()]
"""A text, as Dify takes it: a `str` and nothing else."""


def check_number(value: Any) -> int | float:
    """The value, if it is a number that JSON can say. One message, where a union has two."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number_type", "Input should be a number")
    if isinstance(value, float) and not isfinite(value):
        raise PydanticCustomError("finite_number", "Input should be a finite number")
    return value


Number = Annotated[
    int | float, PlainValidator(check_number), WithJsonSchema({"type": "number"})
]
"""A number, sent as it is: `1` as 1 and `1.0` as 1.0. `True` is none."""

Checkbox = Annotated[bool, Strict()]
"""True or False, and nothing else."""

JsonObject = Annotated[dict[str, Any], AfterValidator(check_json)]
"""A `dict` that JSON can say."""


def _check_schema(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return value if value == {} else check_json(handler(value))


SchemaChecked = WrapValidator(_check_schema)
"""Stands in the annotation of a JSON object that has a schema. The server checks an empty
one against nothing (seen on 1.12.1)."""


class Inputs(BaseModel):
    """What a workflow takes. Refuses what the server would refuse, before it is sent."""

    # Models are built with their modules, under Python's lock of an import: threads that
    # build one at its first use get each other's halves from some releases of pydantic.
    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        protected_namespaces=(),
    )

    def to_wire(self) -> dict[str, Any]:
        """What is sent: by the workflow's own names, without what was left out."""
        wire: dict[str, Any] = {}
        values = self.__dict__
        for name, field in type(self).model_fields.items():
            value = values[name]
            if value is not None:
                alias = field.serialization_alias
                wire[name if alias is None else alias] = to_json(value)
        return wire

    def local_files(self) -> list[PreparedFile]:
        """The files that must be uploaded before the inputs can be sent."""
        found: list[PreparedFile] = []
        for value in self.__dict__.values():
            items = (
                cast(Sequence[object], value)
                if isinstance(value, list | tuple)
                else [value]
            )
            for item in items:
                if isinstance(item, PreparedFile) and item.source is not None:
                    found.append(item)
        return found


def to_json(value: Any) -> Any:
    """The value as `json.dumps` takes it."""
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, PreparedFile):
        return value.wire
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, list | tuple):
        return [to_json(item) for item in cast(list[object], value)]
    return value


class Outputs(BaseModel):
    """What a workflow gives. Keeps what the model does not know (`model_extra`)."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        protected_namespaces=(),
    )


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

    `text_sources` are the places in the graph (node id, variable) that each output comes
    from, for `stream.text("output")`.
    """

    __slots__ = ("api_key_variables", "name", "outputs", "text_sources")

    def __init__(
        self,
        *,
        name: str,
        outputs: type[OutputsT],
        api_key_variables: tuple[str, ...] = ("DIFY_API_KEY",),
        text_sources: Mapping[str, Sequence[Sequence[str]]] | None = None,
    ) -> None:
        self.name = name
        self.outputs = outputs
        self.api_key_variables = api_key_variables
        self.text_sources = text_sources or {}

    def __repr__(self) -> str:
        return f"WorkflowInfo(name={self.name!r})"
