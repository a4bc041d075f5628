"""The tag `{% docstring %}` of templates, which jinja2 needs where it compiles one, and not to render it."""

from __future__ import annotations

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

WRITE = "difygen.codegen.python.templates.write_docstring"


class DocstringTag(Extension):
    """`{% docstring %} … {% enddocstring %}`: prose, as a docstring of the block that it is indented like."""

    tags = {"docstring"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """Make the block a call of `write_docstring` whose content is printed as prose."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:enddocstring",), drop_needle=True)
        prose = nodes.ScopedEvalContextModifier([nodes.Keyword("is_prose", nodes.Const(True))], body)
        call = nodes.Call(nodes.ImportedName(WRITE), [nodes.Name("line_length", "load")], [], None, None)
        return nodes.CallBlock(call, [], [], [prose]).set_lineno(line)
