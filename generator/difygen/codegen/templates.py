"""The templates, rendered by jinja2 so that no text of a definition can become code; a user's own come before ours.

`{{ … }}` prints `Code` and identifiers alone, and raises for anything else, as autoescaping would escape it. What
stands between `{% docstring %}` and `{% enddocstring %}` is prose: any text may be printed there, each line is wrapped
by itself at the depth it has, and the whole becomes a docstring, out of which nothing can break.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from typing import TYPE_CHECKING, Any

from jinja2 import (
    BytecodeCache,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    pass_eval_context,
)
from jinja2.bccache import Bucket
from jinja2.nodes import EvalContext

from difygen.codegen.describe import wrap
from difygen.codegen.syntax import LINE_LENGTH, Code, docstring, lay_out, literal, trusted
from difygen.diagnostics import Diagnostic, Location
from difygen.files import templates_folder
from difygen.naming import Identifier
from difygen.wording import listed, nearest, one_line

if TYPE_CHECKING:
    from jinja2.ext import Extension
    from jinja2.parser import Parser

SUFFIX = ".py.jinja"
"""How the name of a template's file ends."""


class TemplateProblem(Exception):
    """A template of the user cannot be used; `finding` says why."""

    def __init__(self, finding: Diagnostic) -> None:
        super().__init__(str(finding))
        self.finding = finding


def render(template: str, context: Mapping[str, Any], line_length: int, overrides: str | None = None) -> str:
    """Return the text that a template gives, laid out. Templates of the folder `overrides` come before ours.

    Raises:
        TemplateProblem: A template of that folder cannot be used.
    """
    name = template + SUFFIX
    values = {**context, "line_length": line_length}
    limit = max(
        line_length, LINE_LENGTH
    )  # for less, black lays out; a runtime in the same file has lines of that length
    if overrides is None:
        return lay_out(environment(None).get_template(name).render(values), limit)
    try:
        text = environment(overrides).get_template(name).render(values)
        meaning = ast.dump(ast.parse(text))
    except TemplateSyntaxError as error:
        raise _problem(error.filename or name, error.message or "it is not a template", error.lineno) from error
    except SyntaxError as error:
        raise _problem(_path(overrides, name), f"what it gives is not Python: {error.msg}") from error
    except (TemplateError, TypeError) as error:
        raise _problem(*_place_of(error, overrides, name)) from error
    laid_out = lay_out(text, limit)
    return laid_out if ast.dump(ast.parse(laid_out)) == meaning else text


def folder_problems(folder: str) -> Iterator[Diagnostic]:
    """Return what is wrong with a folder of templates before any of them is read."""
    if not os.path.isdir(folder):
        yield Diagnostic("error", "bad-template", "There is no such folder of templates.", Location(folder))
        return
    ours = [name for name in os.listdir(templates_folder()) if name.endswith(SUFFIX)]
    for name in sorted(os.listdir(folder)):
        location = Location(_path(folder, name))
        if name in ours and not os.path.isfile(os.path.join(folder, name)):
            yield Diagnostic("error", "bad-template", "It is no file.", location)
        if name.endswith(".jinja") and name not in ours:
            near = nearest(name, ours)
            hint = f"Did you mean `{near}`?" if near else f"Known are {', '.join(sorted(ours))}."
            yield Diagnostic("error", "bad-template", "No template has this name.", location, hint)


class TemplateCache(BytecodeCache):
    """Our templates, compiled, where Python keeps what it compiles: in `__pycache__`, if that may be written."""

    def __init__(self) -> None:
        self._compiler = os.stat(__file__).st_mtime_ns
        """This very module: what another version of it compiles has another name."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read what an earlier run compiled, if it is of the same source; else jinja2 needs our tag to compile it."""
        with suppress(OSError), open(self._path(bucket), "rb") as file:
            bucket.load_bytecode(file)
        if bucket.code is None:
            bucket.environment.add_extension(docstring_tag())

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it for later runs; it is there as a whole or not at all."""
        if sys.dont_write_bytecode:
            return
        path = self._path(bucket)
        unfinished = f"{path}.{os.getpid()}"
        with suppress(OSError):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(unfinished, "xb") as file:
                bucket.write_bytecode(file)
            os.replace(unfinished, path)

    def _path(self, bucket: Bucket) -> str:
        return cache_from_source(os.path.join(templates_folder(), f"{bucket.key}-{self._compiler}.py"))


@cache
def environment(overrides: str | None = None) -> Environment:
    """Return our templates, or those of a folder with ours behind them, in jinja2's sandbox."""
    if overrides is None:
        kind, folders, kept = Environment, [templates_folder()], TemplateCache()
    else:
        from jinja2.sandbox import SandboxedEnvironment

        kind, folders, kept = SandboxedEnvironment, [overrides, templates_folder()], None
    environment = kind(
        loader=FileSystemLoader(folders),
        bytecode_cache=kept,
        auto_reload=overrides is not None,
        undefined=StrictUndefined,
        finalize=_printed,
        extensions=[] if kept else [docstring_tag()],
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "after": lambda code, head: Code("" if code is None else f"{head}{trusted(code)}"),
        "keywords": lambda names: Code(", ".join(f"{trusted(name)}={name}" for name in names)),
        "listed": listed,
        "literal": literal,
        "ticked": lambda texts: [f"`{text}`" for text in texts],
    }
    return environment


@cache
def docstring_tag() -> type[Extension]:
    """Return the tag `{% docstring %} … {% enddocstring %}`: prose, as a docstring of the block it is indented like.

    jinja2 needs it where it compiles a template, which most runs do not.
    """
    from jinja2 import nodes
    from jinja2.ext import Extension

    class DocstringTag(Extension):
        tags = {"docstring"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: Parser) -> nodes.Node:
            """Make the block a call of `write_docstring` whose content is printed as prose."""
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:enddocstring",), drop_needle=True)
            prose = nodes.ScopedEvalContextModifier([nodes.Keyword("is_prose", nodes.Const(True))], body)
            write = nodes.ImportedName(f"{__name__}.{write_docstring.__name__}")
            call = nodes.Call(write, [nodes.Name("line_length", "load")], [], None, None)
            return nodes.CallBlock(call, [], [], [prose]).set_lineno(line)

    return DocstringTag


def write_docstring(line_length: int, caller: Callable[[], str]) -> str:
    """Return the docstring of what a block of a template prints."""
    lines = caller().strip("\n").split("\n")
    indent = len(lines[0]) - len(lines[0].lstrip(" "))
    texts = [line[indent:] for line in lines if line.strip() or line != lines[-1]]
    columns = line_length - indent - (0 if len(lines) > 1 else 3)
    wrapped = wrap(texts[0], columns, lead='"""')
    wrapped[0] = wrapped[0].removeprefix('"""')
    for text, before in zip(texts[1:], texts, strict=False):
        if text.strip():
            lead = text[: len(text) - len(text.lstrip(" "))]
            wrapped += wrap(text.strip(), columns, lead=lead, hang=lead * 2 if ": " in text else lead)
        elif before.strip():
            wrapped.append("")
    return f"{' ' * indent}{docstring(wrapped, indent)}\n"


@pass_eval_context
def _printed(context: EvalContext, value: object) -> str:
    """Return what `{{ … }}` prints."""
    if isinstance(value, Code | Identifier):
        return value
    text = str(value)  # raises for a name that there is not
    return one_line(text) if getattr(context, "is_prose", False) else trusted(value)


def _place_of(error: Exception, overrides: str, name: str) -> tuple[str, str, int]:
    """Where in the user's templates something went wrong, and what."""
    from traceback import extract_tb  # only after a mistake

    frames = extract_tb(error.__traceback__)
    folder = os.path.join(overrides, "")
    found = [(frame.filename, frame.lineno or 0) for frame in frames if frame.filename.startswith(folder)]
    file, line = found[-1] if found else (_path(overrides, name), 0)
    return file, str(error), line


def _path(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _problem(file: str, why: str, line: int = 0) -> TemplateProblem:
    message = f"The template cannot be used: {why.rstrip('.')}."
    hint = "templates/README.md of difygen lists what a template is given."
    location = Location(file.replace(os.sep, "/"), line, 1 if line else 0)
    return TemplateProblem(Diagnostic("error", "bad-template", message, location, hint))
