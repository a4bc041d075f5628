"""The one way to print: results to standard output, everything else to standard error, and any text to any terminal.

Texts of foreign origin are made fit for a terminal: no escape sequences, no invisible tricks, no encoding errors.
"""

from __future__ import annotations

import codecs
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:  # every run imports this module
    from difygen.diagnostics import Diagnostic
    from difygen.model import JsonValue

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all went well; something did not; the user has to change something; Ctrl-C."""

SEE_HELP = "Try 'difygen --help' for help."

_KEPT = "\n\t"
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class UsageProblem(Exception):
    """What a user gave cannot be used: whole sentences, fit to be shown as they are, and perhaps a note below them."""

    def __init__(self, *sentences: str, note: str = "") -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences
        self.note = note

    def lines(self) -> list[str]:
        """Return what is shown."""
        return [*(f"Error: {printable(sentence)}" for sentence in self.sentences), *([self.note] if self.note else [])]


class DefinitionProblem(UsageProblem):
    """A definition or a file of settings cannot be used, as these diagnostics say; they say that they are errors."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*map(str, diagnostics))
        self.diagnostics = diagnostics

    def lines(self) -> list[str]:
        """Return what is shown."""
        return list(self.sentences)


@contextmanager
def collecting(problems: list[str]) -> Iterator[None]:
    """Add the sentences of a problem that happens within to `problems`, so that all mistakes show at once."""
    try:
        yield
    except UsageProblem as problem:
        problems += problem.sentences


class OutputError(Exception):
    """A result cannot be written. The cause is a BrokenPipeError where its reader went away."""

    def __init__(self, place: str, cause: OSError) -> None:
        super().__init__(f"Cannot write {place}: {(cause.strerror or str(cause)).lower()}.")
        self.__cause__ = cause


@contextmanager
def writing(place: str) -> Iterator[None]:
    """Turn what the operating system says while something is written there into an `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(place, error) from error


def finish(work: Callable[[], int], interrupted: str) -> int:
    """Do the work of a command and return its exit code; a user's mistakes and Ctrl-C end it with sentences."""
    try:
        return work()
    except UsageProblem as problem:
        for line in problem.lines():
            say(line)
        return WRONG
    except OutputError as problem:
        return unwritten(problem)
    except KeyboardInterrupt:
        say(interrupted)
        return INTERRUPTED


def unwritten(problem: OutputError) -> int:
    """Say that output cannot be written, and return the exit code; end without a word where its reader went away."""
    if isinstance(problem.__cause__, BrokenPipeError):
        raise problem.__cause__ from None  # the command line takes care of it
    say_error(str(problem))
    return 1


def is_terminal(stream: TextIO | None) -> bool:
    """Check whether somebody looks at that stream. One that was closed before the start (`>&-`) is None."""
    return stream is not None and stream.isatty()


def accept_any_text() -> None:
    """Let standard output and standard error take any text: what their code page cannot say is escaped."""
    for stream, errors in ((sys.stdout, _ESCAPE), (sys.stderr, _ESCAPE_OR_DRAW)):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Escape as JSON does, so that JSON stays JSON, with the same values, in every code page."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _escape_or_draw(error: UnicodeError) -> tuple[str, int]:
    """Escape, but draw the marks and bars of progress with what every code page has."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_DRAWN.get(each) or json.dumps(each)[1:-1] for each in text), error.end


_DRAWN = dict(zip("✓✗■‖×·…━╸╺", "+x#|x-~---", strict=True))
_ESCAPE, _ESCAPE_OR_DRAW = "difygen-escape", "difygen-escape-or-draw"
codecs.register_error(_ESCAPE, _escape)
codecs.register_error(_ESCAPE_OR_DRAW, _escape_or_draw)


def can_print(text: str) -> bool:
    """Check whether standard output can say all of a text without escapes."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def say(line: str, *, nl: bool = True) -> None:
    """Write a line for people, beside the results, or with `nl=False` a prompt."""
    with writing("to standard error"):
        click.echo(line, sys.stderr, nl=nl)  # named, as click writes UTF-8 to an ASCII stream that it chooses itself


def ask(prompt: str) -> str | None:
    """Return the line that is typed at a prompt on standard error; None at the end of the input."""
    say(prompt, nl=False)
    line = sys.stdin.readline()
    return line.rstrip("\r\n") if line else None


def say_error(sentence: str) -> None:
    """Say what is wrong, with the mark that all errors without a place in a file have."""
    say(f"{click.style('Error:', fg='red')} {printable(sentence)}")


def echo(text: str, *, nl: bool = True) -> None:
    """Print a line of results, or with `nl=False` a text that has its own line ends."""
    with writing("the results"):
        click.echo(text, sys.stdout, nl=nl)


def printable(text: str) -> str:
    """Replace every character of `text` that could steer a terminal by its escape, and make line ends plain."""
    plain = text.replace("\r\n", "\n")
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(
        (
            each.encode("unicode_escape", "backslashreplace").decode("ascii")
            if each not in _KEPT and _is_unsafe(each)
            else each
        )
        for each in plain
    )


def one_line(text: str) -> str:
    """Return `text` as a single printable line: blanks folded, nothing at its ends."""
    return " ".join(printable(text).split())


def compact_json(value: object) -> str:
    """Return `value` as one line of JSON, in its own script, safe on a terminal."""
    return _json_text(value, separators=(", ", ": "))


def pretty_json(value: JsonValue) -> str:
    """Return `value` as indented JSON, in its own script, safe on a terminal."""
    return _json_text(value, indent=2)


def _json_text(value: object, **layout: Any) -> str:
    """Return JSON with escapes for what could steer a terminal or cannot be encoded: the same value."""
    text = json.dumps(value, ensure_ascii=False, default=str, **layout)
    if text.isascii():
        return text.replace("\x7f", "\\u007f")
    return "".join(f"\\u{ord(each):04x}" if each != "\n" and _is_unsafe(each) else each for each in text)


def _is_unsafe(character: str) -> bool:
    return character in _BIDI or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def duration(seconds: float) -> str:
    """Write seconds as people read them: 0.085 s, 2.1 s, 83 s as 1 min 23 s."""
    if seconds < 0.0995:
        return f"{seconds:.3f} s"
    if seconds < 9.95:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: columns as wide as their widest cell, two blanks between them, none at the end."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
