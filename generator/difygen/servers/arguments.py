"""What a user types, `name=value`, as the values that an app takes: read by the input's kind, `@file` included.

Validation is not done here: the generated client does it, on the command line as in a program.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from difygen.console import UsageProblem, collecting
from difygen.files import content
from difygen.model import App, ArrayOf, Input, JsonValue, ObjectOf, OneOf, Primitive
from difygen.parser.yaml import no_constant
from difygen.wording import nearest

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_SCHEME = re.compile(r"https?://", re.ASCII | re.IGNORECASE)
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_LONGEST_INTEGER = 4300  # digits that Python turns into an int; far beyond what a run survives

Values = dict[str, object]
"""Wire name -> value, as the generated client takes it: JSON values, and `Path` or URL for files."""


def parse_arguments(workflow: App, arguments: Sequence[str], python_names: Mapping[str, str] | None = None) -> Values:
    """Read `name=value` arguments. `python_names` maps the client's own names to wire names; both are understood.

    Raises `UsageProblem` with one sentence for each argument that cannot be read.
    """
    inputs = {input_.name: input_ for input_ in workflow.inputs}
    texts: dict[str, list[str]] = {}
    problems: list[str] = []
    for argument in arguments:
        with collecting(problems):
            name, text = _split(argument, inputs, python_names or {}, workflow)
            texts.setdefault(name, []).append(text)
    values: Values = {}
    for name, given in texts.items():
        with collecting(problems):
            values[name] = _typed(inputs[name], given)
    if problems:
        raise UsageProblem(*problems)
    return values


def value_from_text(input_: Input, text: str) -> object:
    """Read `text` as a value of the input's kind. Nothing in it is special: no `@file`, no escapes."""
    match input_.value_type:
        case Primitive.NUMBER:
            return _number(input_, text)
        case Primitive.BOOLEAN:
            return _checkbox(input_, text)
        case ObjectOf():
            return _object(input_, text)
        case Primitive.ANY:  # a text is one, with quotes or without
            with suppress(ValueError, RecursionError):
                return cast(JsonValue, json.loads(text, parse_constant=no_constant))
        case OneOf(values):
            # A wrong one is left for the client to refuse, unless a near option can be named.
            if text not in values and (close := nearest(text, values)) is not None:
                raise UsageProblem(f"{input_.name} has no option {_quoted(text)}; did you mean {close!r}?")
        case Primitive.FILE:
            return file_argument(input_.name, text)
        case ArrayOf():
            return _file_list_cell(input_, text)
    return text


def value_from_json(input_: Input, value: JsonValue) -> object:
    """Return a JSON value as the client takes it: texts in the place of files are paths or URLs."""
    if not input_.traits.is_file:
        return value
    if input_.value_type is Primitive.FILE:
        return file_argument(input_.name, value) if isinstance(value, str) else value
    members = [value] if isinstance(value, str) else value
    if not isinstance(members, Sequence):
        return value
    return [file_argument(input_.name, member) if isinstance(member, str) else member for member in members]


def usage_line(workflow: App) -> str:
    """Say how a call of the app is written, inputs that may be left out in brackets."""
    words = []
    for input_ in workflow.inputs:
        options = "|".join(input_.options)
        text = f"{input_.name}={options if 0 < len(options) <= 60 else input_.traits.placeholder}"
        words.append(text if input_.required and input_.default is None else f"[{text}]")
    return f"{workflow.name} takes {' '.join(words)}" if words else f"{workflow.name} takes no inputs."


def unknown_input(name: str, workflow: App) -> str:
    """Say that the app does not take an input, with the nearest that it does."""
    known = [input_.name for input_ in workflow.inputs]
    if not known:
        return f"{workflow.name} takes no inputs, so {name!r} is not one of them."
    close = nearest(name, known)
    hint = f"did you mean {close!r}?" if close else f"it takes {', '.join(known)}."
    return f"{workflow.name} has no input called {name!r}; {hint}"


def _split(
    argument: str, inputs: Mapping[str, Input], python_names: Mapping[str, str], workflow: App
) -> tuple[str, str]:
    """Return an argument's wire name and text. A known name that holds `=` wins over the first `=`."""
    try:  # UTF-8 in every locale: Python keeps bytes that are not the locale's as lone surrogates
        argument = os.fsencode(argument).decode()
    except UnicodeError:
        name = argument.partition("=")[0].encode(errors="replace").decode()
        raise UsageProblem(f"{name}: this is not UTF-8 text.") from None
    names = {**python_names, **{name: name for name in inputs}}
    for name in sorted(names, key=len, reverse=True):
        if argument.startswith(f"{name}="):
            return names[name], argument[len(name) + 1 :]
    name, equals, _ = argument.partition("=")
    if not equals:
        raise UsageProblem(f"{argument!r} is not of the form name=value.")
    raise UsageProblem(unknown_input(name, workflow))


def _typed(input_: Input, texts: Sequence[str]) -> object:
    if input_.traits.is_file:  # `report.pdf` and `@report.pdf` are the same file; `@@name` is one that begins with `@`
        texts = [text.removeprefix("@") for text in texts]
    if input_.kind == "file-list":
        return [file_argument(input_.name, text) for text in texts]
    if len(texts) > 1:
        raise UsageProblem(f"{input_.name} is given {len(texts)} times; it takes one value.")
    if not input_.traits.is_file:
        texts = [text_argument(input_.name, texts[0])]
    return value_from_text(input_, texts[0])


def text_argument(label: str, text: str) -> str:
    """Return the text that is meant: a file's where it says `@file`, standard input's for `@-`, and `@…` for `@@…`.

    Raises `UsageProblem`, which begins with `label`, for a file that cannot be read.
    """
    if not text.startswith("@"):
        return text
    name = text[1:]
    if name.startswith("@"):
        return name
    try:
        return content(name).decode("utf-8-sig")
    except OSError as error:
        advice = f" Write @@{name} for a text that begins with @." if isinstance(error, FileNotFoundError) else ""
        raise UsageProblem(f"{label}: cannot read {name!r}: {_reason(error)}.{advice}") from error
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{label}: {name!r} is not UTF-8 text (byte {error.start}).") from error


def file_argument(label: str, text: str) -> Path | str:
    """Return the URL or the file that a text names. Raises `UsageProblem`, which begins with `label`, for none."""
    if _SCHEME.match(text):
        return text
    path = Path(text)
    try:
        if path.is_file():
            return path
        reason = "is a folder" if path.is_dir() else "does not exist"
    except (OSError, ValueError) as error:
        reason = f"cannot be opened ({_reason(error)})"
    if not text:
        raise UsageProblem(f"{label} takes a path or an http(s) URL, not an empty text.")
    raise UsageProblem(f"{label}: the file {text!r} {reason}.")


def _number(input_: Input, text: str) -> int | float:
    digits = text.strip()
    if _INTEGER.fullmatch(digits) and len(digits) <= _LONGEST_INTEGER:
        return int(digits)
    if _DECIMAL.fullmatch(digits) and abs(number := float(digits)) != float("inf"):
        return number
    raise UsageProblem(f"{input_.name} must be a number, not {_quoted(text)}.")


def _checkbox(input_: Input, text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise UsageProblem(f"{input_.name} must be true or false, not {_quoted(text)}.")


def _object(input_: Input, text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise UsageProblem(f"{input_.name} must be a JSON object: {reason}.") from error
    if not isinstance(value, dict):
        raise UsageProblem(f"{input_.name} must be a JSON object, not {_quoted(text)}.")
    return value


def _file_list_cell(input_: Input, text: str) -> object:
    """Read a cell that holds one path or URL, or a JSON list of them."""
    if not text.lstrip().startswith("["):
        return [file_argument(input_.name, text)]
    try:
        return value_from_json(input_, json.loads(text))
    except ValueError as error:
        raise UsageProblem(f"{input_.name} must be a path, a URL or a JSON list of those: {error}.") from error


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
