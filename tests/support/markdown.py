"""Markdown as others read it: the cells of a table, and the text that a reader sees of one."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

HARMLESS = {"text", "code_inline", "html_inline", "text_special"}


def rows(page: str) -> list[list[list[Token]]]:
    """Return the tokens of each cell of a page's table, row by row."""
    found: list[list[list[Token]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline" and found and token.level > 2:
            found[-1].append(token.children or [])
    return found


def rendered(cell: list[Token]) -> str:
    """Return the text of a cell, in which nothing is marked up, linked, or a name that somebody is called by."""
    assert {token.type for token in cell} <= HARMLESS
    assert {token.content for token in cell if token.type == "html_inline"} <= {"<!-- -->"}
    shown = [token for token in cell if token.type != "html_inline"]
    joined = "".join("\0" if token.type in ("html_inline", "code_inline") else token.content for token in cell)
    assert not re.search(r"[@#]\w|://|www\\.", joined, re.IGNORECASE)
    return "".join(f"`{token.content}`" if token.type == "code_inline" else token.content for token in shown)
