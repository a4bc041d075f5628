"""What the server keeps of conversations, as typed views: messages, feedback, variables.

Values of variables come as Python writes them: `{'a': 1}`, `True`, `2`. Dify sends
`str(value)`, whatever the type is called. What comes from a server may be anything: it is
parsed within limits, and never run.
"""

import ast
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    create_model,
)

from .._answers import parsed
from .._errors import VariableError
from .._files import BUILD_LATER, File
from .._models import check_json, files_of, to_json
from .._payloads import (
    MAX_STALE_PAGES,
    Form,
    Member,
    Record,
    Thought,
    read_flag,
    read_integer,
    read_maybe_integer,
    read_maybe_object,
    read_maybe_text,
    read_moment,
    read_object,
    read_text,
    to_maybe_object,
    to_maybe_text,
    to_objects,
    to_real,
    to_text,
)

MAX_VALUE_SIZE = 1_000_000
"""Characters. Dify itself takes 200 kB for a variable, unless set otherwise."""
MAX_VALUE_ITEMS = 50_000
MAX_VALUE_DEPTH = 60
_ESCAPE = (
    r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})"""
)
_STRING = rf"""'(?:[^'\\\n]++|{_ESCAPE})*+' | "(?:[^"\\\n]++|{_ESCAPE})*+\""""
_NUMBER = r"-?(?:0|[1-9][0-9]{0,4000})(?:\.[0-9]{1,400})?(?:e[+-]?[0-9]{1,3})?"
_TOKEN = re.compile(
    rf"(?P<value>{_STRING}|True|False|None|{_NUMBER}(?![\w.]))"
    r"|(?P<open>[\[{])|(?P<close>[\]}])|(?P<between>[,:])\ ?",
    re.VERBOSE,
)
NO_VALUE: Any = object()
"""What a text gives that says no value."""
TEXT_TYPES = ("string", "secret")
NUMBERS_BEYOND_JSON = ("nan", "inf", "-inf")


def decode_value(value: Any, value_type: str) -> Any:
    """Return the value that a text stands for, by its type; the text where it stands for none.

    A value that is no text, as JSON has it, is what it is.
    """
    if not isinstance(value, str) or value_type in TEXT_TYPES:
        return value
    found = parse_value(value)
    return value if found is NO_VALUE else found


def parse_value(text: str) -> Any:
    """Return the value of a text in the notation of JSON or of Python; NO_VALUE for another one."""
    if len(text) > MAX_VALUE_SIZE:
        return NO_VALUE
    if text in NUMBERS_BEYOND_JSON:
        return float(text)
    if text in ("None", "null"):
        return None
    try:
        if (found := parsed(text.encode())) is not None:
            return check_json(found)
        if is_plain_value(text):
            return check_json(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    return NO_VALUE


def is_plain_value(text: str) -> bool:
    """Check that a text has nothing but what Python writes for a JSON value, and in bounds.

    Python's parser, given anything else, may warn, recurse or use much memory.
    """
    position = depth = items = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return False
        position = token.end()
        kind = token.lastgroup
        depth += (kind == "open") - (kind == "close")
        items += kind == "between"
        if not 0 <= depth <= MAX_VALUE_DEPTH or items > MAX_VALUE_ITEMS:
            return False
    return True


PAGE_SIZE = 100
"""The most that the server takes."""

PageT = TypeVar("PageT", bound=Record)


class NewItems(Generic[PageT]):
    """The items of each page that no page before had. What lacks an id is passed over.

    A server that repeats a page for ever comes to an end so, and so do items that move
    from page to page while one reads.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def of(self, items: Iterable[PageT]) -> list[PageT]:
        """Return the new items, in their order."""
        new: list[PageT] = []
        for item in items:
            item_id = to_text(item.raw.get("id"))
            if item_id and item_id not in self._seen:
                self._seen.add(item_id)
                new.append(item)
        return new


class Pages(Generic[PageT]):
    """Items that come page by page, each once."""

    def __init__(
        self, read: Callable[[int, str], Awaitable[tuple[list[PageT], bool]]]
    ) -> None:
        self._read = read
        self._news: NewItems[PageT] = NewItems()
        self._number = 0
        self._last_id = ""
        self._has_more = True

    async def next(self) -> Sequence[PageT]:
        """Return the new items of the next page that has some; none at the end.

        What is read goes by the number of a page, counted from 1, or by the id of the last
        item so far, and says whether there are more.
        """
        for _ in range(MAX_STALE_PAGES):
            if not self._has_more:
                break
            self._number += 1
            items, has_more = await self._read(self._number, self._last_id)
            self._has_more = has_more and bool(items)
            if items:
                self._last_id = to_text(items[-1].raw.get("id"))
            if new := self._news.of(items):
                return new
        self._has_more = False
        return ()


def to_maybe_real(value: Any) -> float | None:
    """Return the number, or None where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return to_real(value)


class Citation(Record):
    """A piece of a document that an answer is based on.

    The server sends citations where the app shows them ("Citations and Attributions").
    """

    __slots__ = ()
    _shown = "position document_name score"

    position = read_maybe_integer()
    dataset_id = read_maybe_text()
    dataset_name = read_maybe_text()
    document_id = read_maybe_text()
    document_name = read_maybe_text()
    data_source_type = read_maybe_text()
    segment_id = read_maybe_text()
    retriever_from = read_maybe_text()
    score = Member(to_maybe_real)
    hit_count = read_maybe_integer()
    word_count = read_maybe_integer()
    segment_position = read_maybe_integer()
    index_node_hash = read_maybe_text()
    content = read_maybe_text()
    summary = read_maybe_text()
    page = read_maybe_integer()
    title = read_maybe_text()
    doc_metadata = read_maybe_object()


class StoredConversation(Record):
    """A conversation, as the server keeps it.

    `inputs` are those of its first turn. `introduction` is the opening statement, filled
    in. The first turn names a conversation after its question; if the server is to think
    of a name, it does so a moment later.
    """

    __slots__ = ()
    _shown = "id name"

    id = read_text()
    name = read_text()
    inputs = read_object()
    status = read_text()
    introduction = read_text()
    created_at = read_moment()
    updated_at = read_moment()


class StoredForm(Record):
    """A human-input form of a message: what was asked, and what was answered."""

    __slots__ = ()
    _shown = "workflow_run_id submitted"

    workflow_run_id = read_text()
    submitted = read_flag()
    submission = read_object("form_submission_data")

    @property
    def form(self) -> Form | None:
        """The form, as long as it waits for an answer."""
        definition = to_maybe_object(self.raw.get("form_definition"))
        return None if definition is None else Form(definition)


class StoredMessage(Record):
    """One turn of a conversation, as the server keeps it: a question and its answer.

    `status` is `normal`, `error`, `paused`, or a newer word. The answer of a turn that
    failed is empty, or what there was of it.
    """

    __slots__ = ("_api_url",)
    _shown = "id query answer status"

    id = read_text()
    conversation_id = read_text()
    parent_message_id = read_maybe_text()
    inputs = read_object()
    query = read_text()
    answer = read_text()
    status = read_text()
    error = read_maybe_text()
    created_at = read_moment()

    def __init__(self, raw: dict[str, Any], api_url: str = "") -> None:
        super().__init__(raw)
        self._api_url = api_url

    @property
    def rating(self) -> str | None:
        """`like`, `dislike`, or None for no feedback."""
        feedback = to_maybe_object(self.raw.get("feedback")) or {}
        return to_maybe_text(feedback.get("rating"))

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What the answer is based on, where the app shows that."""
        return tuple(map(Citation, to_objects(self.raw.get("retriever_resources"))))

    @property
    def thoughts(self) -> tuple[Thought, ...]:
        """The steps of an agent, in their order."""
        steps = map(Thought, to_objects(self.raw.get("agent_thoughts")))
        return tuple(sorted(steps, key=lambda step: step.position))

    @property
    def files(self) -> tuple[File, ...]:
        """The files of question and answer; their `belongs_to` says which.

        Their URLs are signed anew whenever messages are read.
        """
        return files_of(self.raw.get("message_files"), self._api_url)

    @property
    def forms(self) -> tuple[StoredForm, ...]:
        """The human-input forms of the turn (1.13)."""
        contents = to_objects(self.raw.get("extra_contents"))
        forms = (item for item in contents if item.get("type") == "human_input")
        return tuple(map(StoredForm, forms))


class ConversationVariable(Record):
    """A variable of a conversation, as the server keeps it.

    `value_type` is Dify's word: `string`, `number`, `boolean`, `object`, `secret`,
    `array[string]` and the like. `text` is the value as the server wrote it: in Python's
    notation, whatever the type.
    """

    __slots__ = ()
    _shown = "name value_type value"

    id = read_text()
    name = read_text()
    value_type = read_text()
    description = read_text()
    created_at = read_moment()
    updated_at = read_moment()

    @property
    def text(self) -> str:
        """The value as it came, if it came as text."""
        return to_text(self.raw.get("value"))

    @property
    def value(self) -> Any:
        """The value; the text itself where it does not say one of `value_type`."""
        return decode_value(self.raw.get("value"), self.value_type)


class Feedback(Record):
    """What somebody said about an answer."""

    __slots__ = ()
    _shown = "message_id rating content"

    id = read_text()
    app_id = read_text()
    conversation_id = read_text()
    message_id = read_text()
    rating = read_text()
    content = read_maybe_text()
    from_source = read_text()
    from_end_user_id = read_maybe_text()
    from_account_id = read_maybe_text()
    created_at = read_moment()
    updated_at = read_moment()


class Annotation(Record):
    """A question with the answer that people wrote for it."""

    __slots__ = ()
    _shown = "id question answer"

    id = read_text()
    question = read_text()
    answer = read_text()
    hit_count = read_integer()
    created_at = read_moment()


class AnnotationJob(Record):
    """The work of switching answers by annotations on or off.

    `job_status` is `waiting`, `processing`, `completed` or `error`.
    """

    __slots__ = ()
    _shown = "job_id job_status error_msg"

    job_id = read_text()
    job_status = read_text()
    error_msg = read_maybe_text()


class Variables(BaseModel):
    """The variables of a conversation, as they were when they were read.

    A variable that the server does not have yet has its initial value: it gets one with
    the next turn. One that has no initial value either, or a value that is not of the
    declared type, raises a `VariableError` where it is asked for, and stays as it came
    in `model_rows`. What the app did not declare is kept (`model_extra`).
    """

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        populate_by_name=True,
        defer_build=BUILD_LATER,
        protected_namespaces=(),
    )

    _rows: Mapping[str, ConversationVariable] = PrivateAttr(default_factory=dict)
    _misfits: Mapping[str, VariableError] = PrivateAttr(default_factory=dict)

    @property
    def model_rows(self) -> Mapping[str, ConversationVariable]:
        """The variables as the server sent them, by Dify's names."""
        return self._rows

    @property
    def model_misfits(self) -> Mapping[str, VariableError]:
        """What is wrong with the variables that have no value here, by attribute."""
        return self._misfits

    def model_keep(
        self, rows: Mapping[str, ConversationVariable], wrong: Mapping[str, str]
    ) -> None:
        """Take note of what was read, and of why some of it is no value of its type."""
        self._rows = rows
        self._misfits = {
            attribute: misfit(type(self).__name__, name, rows.get(name), wrong[name])
            for attribute, name in variable_names(type(self)).items()
            if name in wrong
        }
        for attribute in self._misfits:  # its default is not what it is
            vars(self).pop(attribute, None)

    if not TYPE_CHECKING:  # or type checkers would take any name for a variable

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("_") and name in self._misfits:
                raise self._misfits[name]
            return super().__getattr__(name)


VariablesT = TypeVar("VariablesT", bound=Variables)
VariablesT_co = TypeVar("VariablesT_co", bound=Variables, covariant=True)


def variable_names(model: type[Variables]) -> dict[str, str]:
    """Return the attributes of a model, each with the name that Dify has for it."""
    return {name: field.alias or name for name, field in model.model_fields.items()}


@cache
def with_none_required(model: type[Variables]) -> type[Variables]:
    """Return the model with every variable optional: the server may not have it."""
    optional: dict[str, Any] = {
        name: (field.annotation, Field(default=None, alias=field.alias))
        for name, field in model.model_fields.items()
        if field.is_required()
    }
    if not optional:
        return model
    return create_model(model.__name__, __base__=model, **optional)


def read_variables(
    model: type[VariablesT], rows: Iterable[ConversationVariable]
) -> VariablesT:
    """Return the typed variables that the server's rows tell about."""
    by_name = {row.name: row for row in rows}
    values = {name: row.value for name, row in by_name.items()}
    texts = {name: row.text for name, row in by_name.items()}
    wrong: dict[str, str] = {}
    while True:
        try:
            checked = with_none_required(model).model_validate(values)
            break
        except ValidationError as error:
            reasons = {str(item["loc"][0]): item["msg"] for item in error.errors()}
        for name, reason in reasons.items():
            if (text := texts.pop(name, "")) and text != values[name]:
                values[name] = text  # a text that looked like something else
            else:
                wrong[name] = reason
                del values[name]
    for attribute, name in variable_names(model).items():
        required = model.model_fields[attribute].is_required()
        if required and attribute not in checked.model_fields_set:
            wrong.setdefault(name, "it has no value yet")
    variables = model.__new__(model)
    variables.__setstate__(checked.__getstate__())
    variables.model_keep(by_name, wrong)
    return variables


def misfit(
    model_name: str, name: str, row: ConversationVariable | None, reason: str
) -> VariableError:
    """Return what is wrong with a variable of another type than the app declares."""
    if row is None:
        return VariableError(
            f"The conversation variable {name!r} has no value ({reason}), "
            f"and {model_name} knows no initial one",
            name=name,
            value=None,
        )
    value = row.raw.get("value")
    return VariableError(
        f"The conversation variable {row.name!r} is not what {model_name} says "
        f"({reason}): {value!r:.200}, a {row.value_type or 'value'}. Was the app changed? "
        "Generate the client again",
        name=row.name,
        value=value,
    )


def check_variable(model: type[Variables], name: str, value: object) -> tuple[str, Any]:
    """Return Dify's name of a variable, given that or its attribute, and what to send.

    Raises:
        VariableError: The app declares no such variable, or it is of another type.
    """
    names = variable_names(model)
    known = {**{alias: alias for alias in names.values()}, **names}
    if name not in known:
        there = ", ".join(names) or "none"
        raise VariableError(
            f"The app declares no conversation variable {name!r} (it has: {there})",
            name=str(name),
            value=value,
        )
    try:
        one = {known[name]: value}
        checked = with_none_required(model).model_validate(one, strict=True)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise VariableError(
            f"The conversation variable {name!r} does not take {value!r:.200}: {reason}",
            name=name,
            value=value,
        ) from None
    attribute = next(key for key, alias in names.items() if alias == known[name])
    return known[name], to_json(checked.__dict__[attribute])
