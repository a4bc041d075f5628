"""Why a file could not be read, in words for the person who wrote it. Imported when something is wrong, and only then."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from yaml import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

from difygen.diagnostics import Diagnostic, Location
from difygen.parser.places import Lines, Repeated, location
from difygen.parser.scalars import Refusal
from difygen.parts import shown

_LOOKS_LIKE_JSON = re.compile(rb'\s*\{\s*"')
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class _Said(NamedTuple):
    """A sentence and a hint for what a YAML parser says in its own words."""

    message: str
    hint: str = ""


_SENTENCES = {
    "mapping values are not allowed in this context": _Said(
        "A `:` is not expected here.", "Quote the text if the colon belongs to it, and check the indentation."
    ),
    "mapping values are not allowed here": _Said(
        "A `:` is not expected here.", "Quote the text if the colon belongs to it, and check the indentation."
    ),
    "could not find expected ':'": _Said("The key before this place has no `:` after it."),
    "did not find expected key": _Said(
        "A key is expected here.", "Check the indentation, and that quotes and brackets are closed before this place."
    ),
    "did not find expected '-' indicator": _Said("A list item is expected here.", "Check the indentation."),
    "did not find expected ',' or '}'": _Said("A `,` or the closing `}` is expected here."),
    "did not find expected ',' or ']'": _Said("A `,` or the closing `]` is expected here."),
    "did not find expected <document start>": _Said("The definition has ended before this place."),
    "block sequence entries are not allowed in this context": _Said(
        "A list item is not expected here.", "Start a list on a line of its own, below its key."
    ),
    "found unknown escape character": _Said(
        "This backslash escape is unknown.", "Within double quotes write a backslash twice, or use single quotes."
    ),
    "found unexpected end of stream": _Said("The file ends within quotes.", "Close the quotes."),
    "did not find expected node content": _Said("A value is expected here."),
    "did not find expected comment or line break": _Said("Only a comment may follow here, up to the end of the line."),
    "found incompatible YAML document": _Said("The `%YAML` line asks for a version that is not read.", "Remove it."),
    "found unexpected document indicator": _Said("The document ends within quotes.", "Close the quotes."),
}


def explain(error: Refusal | YAMLError, text: bytes | str, file: str) -> Diagnostic:
    """The diagnostic for what stopped the reading of a file."""
    if isinstance(error, Refusal):
        where = Location(file) if error.index is None else location(text, file, error.index)
        return Diagnostic("error", error.code, str(error), where, error.hint)
    data = text.encode() if isinstance(text, str) else text
    if isinstance(error, ReaderError):
        return _unreadable(error, data, file)
    if _LOOKS_LIKE_JSON.match(data) and (found := _json_error(data, file)) is not None:
        return found
    assert isinstance(error, MarkedYAMLError)
    return _syntax(error, data, file)


def repeated_keys(text: bytes | str, file: str, repeated: Repeated) -> tuple[Diagnostic, ...]:
    """The diagnostics for keys that occur twice in one mapping."""
    lines = Lines(text, file)
    return tuple(_repeated_key(key, lines.at(first), lines.at(again)) for key, first, again in repeated)


def _repeated_key(key: str, first: Location, again: Location) -> Diagnostic:
    message = f"The key `{shown(key)}` occurs twice in this mapping: first in line {first.line}, column {first.column}."
    return Diagnostic("error", "repeated-key", message, again, "Remove or rename one of them.")


def _unreadable(error: ReaderError, data: bytes, file: str) -> Diagnostic:
    try:
        text = data.decode()
    except UnicodeDecodeError as invalid:
        before = data[: invalid.start].decode()
        where = location(before, file, len(before))
        message = f"The byte 0x{data[invalid.start]:02x} is not UTF-8."
        return Diagnostic("error", "not-utf-8", message, where, "Save the file as UTF-8.")
    unprintable = _UNPRINTABLE.search(text)
    index = unprintable.start() if unprintable else len(text)
    name = f"U+{ord(text[index]):04X}" if unprintable else f"({error.reason})"
    hint = (
        'Within double quotes, write it as an escape such as "\\u0007".'
        if name != "U+0000"
        else "Save the file as UTF-8."
    )
    message = f"The control character {name} is not allowed in YAML."
    return Diagnostic("error", "control-character", message, location(text, file, index), hint)


def _json_error(data: bytes, file: str) -> Diagnostic | None:
    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        message = f"This is not JSON: {error.msg[:1].lower()}{error.msg[1:]}."
        return Diagnostic("error", "json-syntax", message, location(error.doc, file, error.pos))
    except (ValueError, RecursionError):
        pass
    return None


def _syntax(error: MarkedYAMLError, data: bytes, file: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    index = mark.index if mark is not None else 0
    message, hint = _sentence(error, data, index)
    return Diagnostic("error", "yaml-syntax", message, location(data, file, index), hint)


def _sentence(error: MarkedYAMLError, data: bytes, index: int) -> _Said:
    problem = error.problem or "this is not YAML"
    char = data.decode(errors="replace")[index : index + 1]
    if "cannot start any token" in problem:
        return _bad_start(char)
    said = _SENTENCES.get(problem) or _Said(f"This is not YAML: {problem}.")
    if char == "[" and "',' or '}'" in problem:
        said = _Said("A `[` is not expected here.", 'Within braces, quote text with brackets: "array[string]".')
    return _Said(f"{said.message[:-1]}{_begun(error)}.", said.hint)


def _begun(error: MarkedYAMLError) -> str:
    """Where the construct began that the problem is in, if that is further up."""
    start, place = error.context_mark, error.problem_mark
    if start is None or place is None or start.line == place.line or not error.context:
        return ""
    what = error.context.removeprefix("while ").removeprefix("scanning ").removeprefix("parsing ")
    return f" ({what} began in line {start.line + 1})"


def _bad_start(char: str) -> _Said:
    if char == "\t":
        return _Said("A tab cannot indent YAML.", "Use spaces.")
    return _Said(f"Text that starts with {'a backtick' if char == '`' else f'`{shown(char)}`'} must be quoted.")
