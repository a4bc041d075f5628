"""Headers of a caller's own, for what stands between here and Dify and asks for them."""

import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import SecretStr

from ._errors import ConfigurationError
from ._settings import Secret

HeaderValues = Mapping[str, str | SecretStr]
"""Names and values. A `SecretStr` shows itself nowhere, not even where a call fails and its
arguments are shown."""

OWN_NAMES = {
    "authorization": "it carries the API key (api_key=)",
    "proxy-authorization": "the password of a proxy stands in its URL (proxy=)",
    "x-trace-id": "trace_id= of a call sets it",
    **dict.fromkeys(
        (
            "accept",
            "accept-encoding",
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "last-event-id",
            "transfer-encoding",
        ),
        "the client sets it as the request needs it",
    ),
}
"""Headers that no caller sets, and why."""
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class ExtraHeaders:
    """Headers of a caller's, for all requests to the API. Shows their names alone."""

    __slots__ = ("_problem", "_values")

    def __init__(
        self,
        values: Mapping[str, tuple[str, Secret]] | None = None,
        *,
        problem: str = "",
    ) -> None:
        self._values = values or {}
        self._problem = problem

    @classmethod
    def of(cls, given: object) -> "ExtraHeaders":
        """Return what was given. It is judged by `checked`, where no value is at hand."""
        if given is None:
            return NO_HEADERS
        if not isinstance(given, Mapping):
            kind = type(given).__name__
            return cls(
                problem=f"headers must be a mapping of names to texts, not {kind}"
            )
        headers = cast(Mapping[object, Any], given)
        found: dict[str, tuple[str, Secret]] = {}
        for name in headers:
            if not (isinstance(name, str) and HEADER_NAME.fullmatch(name)):
                return cls(problem="headers has a name that no header can have")
            if why := OWN_NAMES.get(name.lower()):
                return cls(problem=f"headers must not hold {name}: {why}")
            value = to_secret(headers[name])
            if problem := value_problem(value):
                return cls(problem=f"The header {name} {problem}")
            found[name.lower()] = name, value
        return cls(found)

    def checked(self) -> "ExtraHeaders":
        """Return these headers, if they can be sent.

        Raises:
            ConfigurationError: They cannot, or are the client's own.
        """
        if self._problem:
            raise ConfigurationError(self._problem)
        return self

    def over(self, other: "ExtraHeaders") -> "ExtraHeaders":
        """Return these, and those of the other that are not among them."""
        if not (self._values and other._values):
            return self if self._values else other
        return ExtraHeaders({**other._values, **self._values})

    def write_to(self, headers: Any) -> None:
        """Set them among the headers of a request."""
        for name, value in self._values.values():
            headers[name] = value.reveal()

    def hidden_in(self, text: str) -> str:
        """Return a text of somebody else's without their values."""
        for _, value in self._values.values():
            text = value.hidden_in(text, "[hidden]")
        return text

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return f"ExtraHeaders({', '.join(name for name, _ in self._values.values())})"


NO_HEADERS = ExtraHeaders()


def to_secret(value: Any) -> Secret:
    """Return the value of a header as a text that does not show itself."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return Secret(value.strip() if isinstance(value, str) else value)


def value_problem(value: Secret) -> str:
    """Return why this can be the value of no header; "" if it can."""
    if not issubclass(value.kind(), str):
        return f"must be a str, not {value.kind().__name__}"
    if not value.is_printable():
        return "holds a line break, or a character that no header can have"
    return ""
