"""Exceptions of a call, put into sentences for people. Knows the generated client's exceptions by name only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import TYPE_CHECKING, Any

from difygen.call.text import printable

if TYPE_CHECKING:
    from difygen.call.client import Generated

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

_PAUSED = "Fill its form in on Dify's page of the app, or with submit_form() and resume() of the generated client."


def sentences(error: Exception, loaded: Generated) -> list[str]:
    """What went wrong: a sentence per input or output for values that do not fit, else what the client says."""
    if is_validation_error(error):
        names = {**loaded.wire_names, **{wire: wire for wire in loaded.wire_names.values()}}
        return _about_values(error.errors(include_url=False), names)  # type: ignore[attr-defined]
    if type(error).__name__ == "OutputsError":
        return ["The outputs do not fit the definition; was the workflow changed?", *_about_outputs(error, loaded)]
    text = printable(str(error)).strip() or type(error).__name__
    if type(error).__name__ == "RunFailedError":
        return [f"The run failed:\n{indent(text, '  ')}" if "\n" in text else _as_sentence(f"The run failed: {text}")]
    if type(error).__name__ == "RunPausedError":
        return [f"{_as_sentence(text)} {_PAUSED}"]
    first, *rest = text.splitlines()
    return ["\n".join([_as_sentence(first), *rest])]


def is_late(error: Exception) -> bool:
    """Whether the call took longer than it was given."""
    return type(error).__name__ == "DeadlineExceededError"


def is_validation_error(error: Exception) -> bool:
    """Whether pydantic refused the inputs, before anything was sent."""
    return type(error).__name__ == "ValidationError" and hasattr(error, "errors")


def is_usage(error: Exception) -> bool:
    """Whether what the user gave is at fault, so that the exit code is 2."""
    return is_validation_error(error) or type(error).__name__ == "ConfigurationError"


def is_hopeless(error: Exception) -> bool:
    """Whether every other call would end in the same way."""
    return any(kind.__name__ in _HOPELESS for kind in type(error).__mro__)


def _about_outputs(error: Exception, loaded: Generated) -> list[str]:
    try:
        loaded.outputs.model_validate(getattr(error, "outputs", {}))
    except ValueError as misfit:  # pydantic's ValidationError is one
        return _about_values(misfit.errors(include_url=False), {})  # type: ignore[attr-defined]
    return []


def _about_values(details: Sequence[Mapping[str, Any]], wire_names: Mapping[str, str]) -> list[str]:
    """A sentence for each value. A type with several members brings a complaint of each: they are alternatives."""
    complaints: dict[str, list[str]] = {}
    for detail in details:
        first, *rest = detail.get("loc") or ("",)
        # Texts further on are names of pydantic's types, which say nothing to a user; numbers are places in a list.
        place = wire_names.get(str(first), str(first)) + "".join(f"[{part}]" for part in rest if isinstance(part, int))
        text = str(detail.get("msg") or "it is not valid").rstrip(".")
        told = "is required" if detail.get("type") == "missing" else f": {text[:1].lower()}{text[1:]}"
        complaints.setdefault(place, []).append(told)
    return [f"{place}{_either(texts)}." for place, texts in complaints.items()]


def _either(texts: Sequence[str]) -> str:
    first, *others = dict.fromkeys(texts)
    head = first if first.startswith(":") else f" {first}"
    return ", or ".join([head, *(other.removeprefix(": ").removeprefix("input should be ") for other in others)])


def _as_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
