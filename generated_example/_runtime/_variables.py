"""The conversation variables of a chatflow, typed by its definition."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from ._chat_responses import ConversationVariable
from ._errors import VariableError
from ._files import BUILD_LATER
from ._models import to_json


class Variables(BaseModel):
    """The variables of a conversation, as they were when they were read.

    A variable that the server does not have yet has its initial value: it gets one with
    the next turn. One whose value is not of the declared type raises a `VariableError`
    where it is asked for, and stays as it came in `model_rows`. What the app did not
    declare is kept (`model_extra`).
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
            attribute: misfit(type(self).__name__, rows[name], wrong[name])
            for attribute, name in variable_names(type(self)).items()
            if name in wrong
        }
        for attribute in self._misfits:  # its default is not what it is
            vars(self).pop(attribute, None)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._misfits:
            raise self._misfits[name]
        # The base class has this method, which it hides from type checkers.
        return super().__getattr__(name)  # type: ignore[misc]


VariablesT = TypeVar("VariablesT", bound=Variables)
VariablesT_co = TypeVar("VariablesT_co", bound=Variables, covariant=True)


def variable_names(model: type[Variables]) -> dict[str, str]:
    """Return the attributes of a model, each with the name that Dify has for it."""
    return {name: field.alias or name for name, field in model.model_fields.items()}


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
            variables = model.model_validate(values)
            break
        except ValidationError as error:
            reasons = {str(item["loc"][0]): item["msg"] for item in error.errors()}
        for name, reason in reasons.items():
            if (text := texts.pop(name, "")) and text != values[name]:
                values[name] = text  # a text that looked like something else
            else:
                wrong[name] = reason
                del values[name]
    variables.model_keep(by_name, wrong)
    return variables


def misfit(model_name: str, row: ConversationVariable, reason: str) -> VariableError:
    """Return what is wrong with a variable of another type than the app declares."""
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
        checked = model.model_validate({known[name]: value}, strict=True)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise VariableError(
            f"The conversation variable {name!r} does not take {value!r:.200}: {reason}",
            name=name,
            value=value,
        ) from None
    attribute = next(key for key, alias in names.items() if alias == known[name])
    return known[name], to_json(checked.__dict__[attribute])
