"""Exceptions of a call, put into sentences for people. Knows the generated client's exceptions by name only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from difygen.call.text import printable

_HOPELESS = frozenset(
    (
        "ConfigurationError",
        "ConnectionFailedError",
        "AuthenticationError",
        "PermissionDeniedError",
        "AppUnavailableError",
        "NotWorkflowAppError",
        "UnexpectedResponseError",
    )
)


def sentences(error: Exception, wire_names: Mapping[str, str]) -> list[str]:
    """What went wrong: a line per input for values that do not fit, else what the client says."""
    if is_validation_error(error):
        return [_about_input(detail, wire_names) for detail in error.errors(include_url=False)]  # type: ignore[attr-defined]
    text = printable(str(error)).strip() or type(error).__name__
    return [_as_sentence(line) for line in text.splitlines()[:1]] + text.splitlines()[1:]


def is_validation_error(error: Exception) -> bool:
    """Whether pydantic refused the inputs, before anything was sent."""
    return type(error).__name__ == "ValidationError" and hasattr(error, "errors")


def is_usage(error: Exception) -> bool:
    """Whether what the user gave is at fault, so that the exit code is 2."""
    return is_validation_error(error) or type(error).__name__ == "ConfigurationError"


def is_hopeless(error: Exception) -> bool:
    """Whether every other call would end in the same way."""
    return any(kind.__name__ in _HOPELESS for kind in type(error).__mro__)


def _about_input(detail: Mapping[str, Any], wire_names: Mapping[str, str]) -> str:
    first, *rest = detail.get("loc") or ("",)
    name = wire_names.get(str(first), str(first))
    # A union says for each of its members why it does not fit: their names are pydantic's, and say nothing to a user.
    place = "".join(f"[{part}]" for part in rest if isinstance(part, int))
    reason = str(detail.get("msg") or "is not valid")
    if detail.get("type") == "missing":
        return f"{name}: is required."
    return f"{name}{place}: {_as_sentence(reason[:1].lower() + reason[1:])}"


def _as_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
