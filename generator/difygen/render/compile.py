"""Compiles the templates to plain Python, so that generating code does not need jinja2: `python -m difygen.render.compile`.

Takes the small part of jinja2 that the templates use (text, names, attributes, for, if) and refuses anything else.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from keyword import iskeyword

from jinja2 import Environment, nodes

from difygen.code import Code, Identifier, literal
from difygen.layout import assignment, strings
from difygen.render.printing import TEMPLATE_SETTINGS, templates_folder

TARGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compiled.py")
SUFFIX = ".py.jinja"
_LIKE_OURS = re.compile(r"a?(run|stream)_\w+|[A-Z]\w*(Inputs|Outputs|Client|Node)\w*|_\w+_(client|DEFAULT|WORKFLOW)")
"""Names that could be those of a workflow."""

MAX_TEXT = 80
"""Characters of a template's text in one line of the compiled module."""

_HEAD = '''"""The templates as plain Python. Written by `python -m difygen.render.compile`: change the templates instead."""

from collections.abc import Mapping
from typing import Any

from difygen.code import trusted
'''


class UnsupportedTemplate(Exception):
    """A template uses more of jinja2 than the compiler knows."""


def compile_folder(folder: str) -> str:
    """The text of the compiled module for the templates of a folder."""
    parts = [_HEAD]
    for file in sorted(os.listdir(folder)):
        if file.endswith(SUFFIX):
            with open(os.path.join(folder, file), encoding="utf-8") as template:
                parts.append("\n".join(compile_template(file.removesuffix(SUFFIX), template.read())) + "\n")
    parts.append(_runtime_names(os.path.join(folder, "runtime")))
    return "\n\n".join(parts)


def _runtime_names(folder: str) -> str:
    """The public names of the runtime, and those at the top of its modules that a workflow's could clash with in a single file."""
    public: Sequence[str] = ()
    taken: set[str] = set()
    for file in sorted(os.listdir(folder)):
        if file.endswith(".py"):
            with open(os.path.join(folder, file), encoding="utf-8") as source:
                names = dict(_defined(ast.parse(source.read()).body))
            public = ast.literal_eval(names["__all__"]) if file == "__init__.py" else public
            taken |= set(filter(_LIKE_OURS.fullmatch, names))
    return f"""{_names_tuple("RUNTIME_NAMES", public)}
\"""What the runtime exports.\"""

{_names_tuple("TAKEN_NAMES", taken)}
\"""What stands at the top of the runtime's modules, and so of a single file.\"""
"""


def _names_tuple(name: str, names: Iterable[str]) -> str:
    return assignment(Identifier(name), strings(sorted(names)), hint=Code("tuple[str, ...]"), limit=120)


def _defined(statements: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """The names that statements define, with the values of constants."""
    for statement in statements:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, ast.Constant(None)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(
                target=ast.Name(id=name), value=ast.expr() as value
            ):
                yield name, value
            case ast.If(body=body, orelse=orelse):
                yield from _defined([*body, *orelse])


def compile_template(name: str, source: str) -> Iterator[str]:
    """The lines of the function that renders a template."""
    template = Environment(**TEMPLATE_SETTINGS).parse(source)  # type: ignore[arg-type]
    yield f"def {name}(context: Mapping[str, Any]) -> str:"
    yield f'    """{name}{SUFFIX}"""'
    yield "    out: list[str] = []"
    yield "    write = out.append"
    yield from _block(template.body, "    ", frozenset())
    yield '    return "".join(out)'


def _block(body: Sequence[nodes.Node], margin: str, known: frozenset[str]) -> Iterator[str]:
    for node in body:
        match node:
            case nodes.Output():
                yield from (f"{margin}write({text})" for part in node.nodes for text in _printed(part, known))
            case nodes.For(target=nodes.Name(name=name), test=None, recursive=False, else_=[]) if not iskeyword(name):
                yield f"{margin}for {name} in {_expression(node.iter, known)}:"
                yield from _block(node.body, margin + "    ", known | {name})
            case nodes.If():
                yield from _condition("if", node, margin, known)
            case _:
                raise UnsupportedTemplate(f"line {node.lineno}: {type(node).__name__}")


def _condition(word: str, node: nodes.If, margin: str, known: frozenset[str]) -> Iterator[str]:
    yield f"{margin}{word} {_expression(node.test, known)}:"
    yield from _block(node.body, margin + "    ", known)
    for other in node.elif_:
        yield from _condition("elif", other, margin, known)
    if node.else_:
        yield f"{margin}else:"
        yield from _block(node.else_, margin + "    ", known)


def _printed(node: nodes.Node, known: frozenset[str]) -> Iterator[str]:
    if not isinstance(node, nodes.TemplateData):
        yield f"trusted({_expression(node, known)})"
        return
    text = ""
    for line in node.data.splitlines(keepends=True):
        if text.strip("\n") and len(text) + len(line) > MAX_TEXT:
            yield str(literal(text))
            text = ""
        text += line
    yield str(literal(text))


def _expression(node: nodes.Node, known: frozenset[str]) -> str:
    match node:
        case nodes.Name(name=name):
            return name if name in known else f'context["{name}"]'
        case nodes.Getattr(node=inner, attr=attribute):
            return f"{_expression(inner, known)}.{attribute}"
    raise UnsupportedTemplate(f"line {node.lineno}: {type(node).__name__}")


def main(arguments: Sequence[str]) -> int:
    """Write the compiled module; with `--check`, only say whether it is up to date."""
    text = compile_folder(templates_folder())
    with open(TARGET, encoding="utf-8") as current:
        fresh = current.read() == text
    if "--check" in arguments:
        return 0 if fresh else 1
    if not fresh:
        with open(TARGET, "w", encoding="utf-8", newline="\n") as target:
            target.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
