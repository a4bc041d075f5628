"""The Dify workflow `every kind` (每一种).

Every kind of input and of output.

The first paragraph goes into the docstrings of the methods, all of them into that of
the module, where even a line that is too long for one is wrapped: 输入和输出的每一种都
在这里，一行放不下就换行。

Written by difygen from definition.yaml. Change that file and run difygen again.
"""

import builtins
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, Unpack

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Checkbox,
    File,
    FileInput,
    FileRules,
    Inputs,
    JsonObject,
    JsonValue,
    Number,
    Outputs,
    Run,
    RunOptions,
    RunStream,
    SchemaCheckedOrEmpty,
    StreamOptions,
    Text,
    WorkflowClient,
    WorkflowInfo,
    as_function,
)

__all__ = [
    "AsyncEveryKindClient",
    "EveryKindClient",
    "EveryKindInputs",
    "EveryKindInputsProfile",
    "EveryKindInputsProfileAddress",
    "EveryKindInputsSelectLong",
    "EveryKindOutputs",
    "EveryKindOutputsPeopleItem",
    "EveryKindOutputsPerson",
    "EveryKindOutputsPersonAddress",
    "EveryKindOutputsRowsItemItem",
    "arun_every_kind",
    "astart_every_kind",
    "astream_every_kind",
    "await_every_kind",
    "run_every_kind",
    "start_every_kind",
    "stream_every_kind",
    "wait_every_kind",
]

EveryKindInputsSelectLong = Literal[
    "one of many",
    "another of many",
    "and one more",
    "and yet another",
    "the last",
]

_PROMPT_DEFAULT = "You are a careful assistant.\nAnswer in one sentence, and say so when you do not know."


_EveryKindInputsProfileAddressKeys = TypedDict(
    "_EveryKindInputsProfileAddressKeys",
    {"zip code": NotRequired[Text], "city": Text},
)


@with_config(ConfigDict(extra="allow"))
class EveryKindInputsProfileAddress(_EveryKindInputsProfileAddressKeys):
    """`address` of `EveryKindInputsProfile`."""


@with_config(ConfigDict(extra="allow"))
class EveryKindInputsProfile(TypedDict):
    """Who asks."""

    name: Text
    """As it is written on the card."""

    tags: NotRequired[Sequence[Text]]
    address: NotRequired[EveryKindInputsProfileAddress]


class EveryKindInputs(Inputs):
    """What `every kind` takes; `run` says what each of them is."""

    text: Annotated[Text, Field(max_length=48)]
    paragraph: Text | None = None
    select: Literal["a", "b"]
    select_long: EveryKindInputsSelectLong | None = "another of many"
    number: Number
    number_default: Number | None = 0.5
    checkbox: Checkbox | None = True
    file: Annotated[FileInput, FileRules(types=("image", "document"))]
    file_list: Annotated[
        Sequence[
            Annotated[FileInput, FileRules(types=("custom",), extensions=(".csv",))]
        ]
        | None,
        Field(max_length=3),
    ] = None
    object: JsonObject
    any: JsonValue
    any_opt: JsonValue | None = None
    profile: Annotated[EveryKindInputsProfile, SchemaCheckedOrEmpty] | None = None
    prompt: Text | None = _PROMPT_DEFAULT


class EveryKindOutputsPersonAddress(Outputs):
    """`address` of `EveryKindOutputsPerson`."""

    city: str


class EveryKindOutputsPerson(Outputs):
    """Who it is about."""

    name: str
    address: EveryKindOutputsPersonAddress


class EveryKindOutputsPeopleItem(Outputs):
    """An item of `people` of `EveryKindOutputs`."""

    name: str
    age: int | None = None


class EveryKindOutputsRowsItemItem(Outputs):
    """An item of an item of `rows` of `EveryKindOutputs`."""

    cell: str


class EveryKindOutputs(Outputs):
    """What `every kind` gives."""

    string: str
    number: int | float
    integer: int
    boolean: bool
    file: File
    any: Any
    object: dict[str, Any]
    list: builtins.list[str]
    table: builtins.list[builtins.list[int | float]]
    files: builtins.list[File]

    person: EveryKindOutputsPerson
    """Who it is about."""

    people: builtins.list[EveryKindOutputsPeopleItem]
    rows: builtins.list[builtins.list[EveryKindOutputsRowsItemItem]]

    level: str
    """Expected to be "low" or "high"."""

    choice: Literal["yes please", "no thanks"]

    maybe: str | None = None
    """Only when there is something to say."""

    either: str | int | None


_WORKFLOW = WorkflowInfo(
    name="every kind",
    outputs=EveryKindOutputs,
    api_key_variables=("DIFY_EVERY_KIND_API_KEY", "DIFY_API_KEY"),
)


class EveryKindClient(WorkflowClient[EveryKindInputs, EveryKindOutputs]):
    """Runs `every kind`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_EVERY_KIND_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        text: str,
        paragraph: str | None = None,
        select: Literal["a", "b"],
        select_long: EveryKindInputsSelectLong | None = "another of many",
        number: float,
        number_default: float | None = 0.5,
        checkbox: bool | None = True,
        file: FileInput,
        file_list: Sequence[FileInput] | None = None,
        object: dict[str, Any],
        any: Any,
        any_opt: Any = None,
        profile: EveryKindInputsProfile | None = None,
        prompt: str | None = _PROMPT_DEFAULT,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[EveryKindOutputs]:
        """Run `every kind` to its end and return the run, which has succeeded.

        Every kind of input and of output.

        Args:
            text: At most 48 characters.
            paragraph: 段落. Any length.
            select: Which one?
            file: Image or document.
            file_list: At most 3 files (.csv).
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = EveryKindInputs(
            text=text,
            paragraph=paragraph,
            select=select,
            select_long=select_long,
            number=number,
            number_default=number_default,
            checkbox=checkbox,
            file=file,
            file_list=file_list,
            object=object,
            any=any,
            any_opt=any_opt,
            profile=profile,
            prompt=prompt,
        )
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        text: str,
        paragraph: str | None = None,
        select: Literal["a", "b"],
        select_long: EveryKindInputsSelectLong | None = "another of many",
        number: float,
        number_default: float | None = 0.5,
        checkbox: bool | None = True,
        file: FileInput,
        file_list: Sequence[FileInput] | None = None,
        object: dict[str, Any],
        any: Any,
        any_opt: Any = None,
        profile: EveryKindInputsProfile | None = None,
        prompt: str | None = _PROMPT_DEFAULT,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[EveryKindOutputs]:
        """Run `every kind` as a stream, for `with` and `for`; `start` takes the
        same.
        """
        inputs = EveryKindInputs(
            text=text,
            paragraph=paragraph,
            select=select,
            select_long=select_long,
            number=number,
            number_default=number_default,
            checkbox=checkbox,
            file=file,
            file_list=file_list,
            object=object,
            any=any,
            any_opt=any_opt,
            profile=profile,
            prompt=prompt,
        )
        return self.stream_inputs(inputs, user=user, **options)


class AsyncEveryKindClient(AsyncWorkflowClient[EveryKindInputs, EveryKindOutputs]):
    """`EveryKindClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        text: str,
        paragraph: str | None = None,
        select: Literal["a", "b"],
        select_long: EveryKindInputsSelectLong | None = "another of many",
        number: float,
        number_default: float | None = 0.5,
        checkbox: bool | None = True,
        file: FileInput,
        file_list: Sequence[FileInput] | None = None,
        object: dict[str, Any],
        any: Any,
        any_opt: Any = None,
        profile: EveryKindInputsProfile | None = None,
        prompt: str | None = _PROMPT_DEFAULT,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[EveryKindOutputs]:
        """Run `every kind` to its end, like `EveryKindClient.run`."""
        inputs = EveryKindInputs(
            text=text,
            paragraph=paragraph,
            select=select,
            select_long=select_long,
            number=number,
            number_default=number_default,
            checkbox=checkbox,
            file=file,
            file_list=file_list,
            object=object,
            any=any,
            any_opt=any_opt,
            profile=profile,
            prompt=prompt,
        )
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        text: str,
        paragraph: str | None = None,
        select: Literal["a", "b"],
        select_long: EveryKindInputsSelectLong | None = "another of many",
        number: float,
        number_default: float | None = 0.5,
        checkbox: bool | None = True,
        file: FileInput,
        file_list: Sequence[FileInput] | None = None,
        object: dict[str, Any],
        any: Any,
        any_opt: Any = None,
        profile: EveryKindInputsProfile | None = None,
        prompt: str | None = _PROMPT_DEFAULT,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[EveryKindOutputs]:
        """Stream a run of `every kind`, like `EveryKindClient.stream`."""
        inputs = EveryKindInputs(
            text=text,
            paragraph=paragraph,
            select=select,
            select_long=select_long,
            number=number,
            number_default=number_default,
            checkbox=checkbox,
            file=file,
            file_list=file_list,
            object=object,
            any=any,
            any_opt=any_opt,
            profile=profile,
            prompt=prompt,
        )
        return self.stream_inputs(inputs, user=user, **options)


_client = EveryKindClient()
run_every_kind = as_function(_client.run, "run_every_kind")
stream_every_kind = as_function(_client.stream, "stream_every_kind")
start_every_kind = as_function(_client.start, "start_every_kind")
wait_every_kind = as_function(_client.wait, "wait_every_kind")
_async_client = AsyncEveryKindClient()
arun_every_kind = as_function(_async_client.run, "arun_every_kind")
astream_every_kind = as_function(_async_client.stream, "astream_every_kind")
astart_every_kind = as_function(_async_client.start, "astart_every_kind")
await_every_kind = as_function(_async_client.wait, "await_every_kind")
