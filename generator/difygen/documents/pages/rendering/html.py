"""Pages as HTML, each one file that needs nothing else: `templates/page.html` with the page put in.

What is printed is `Html`, a type of its own: a text gets there through `text` alone, as what stands in an element or
in an attribute, and what has not gone through it fails.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache

from difygen.documents.pages.page import (
    Block,
    Bullets,
    CodeSpan,
    Flow,
    ForeignSpan,
    LinkSpan,
    Listing,
    Page,
    PageSection,
    Paragraph,
    Prose,
    Span,
    StrongSpan,
    Subheading,
    TableBlock,
)
from difygen.documents.pages.rendering.drawing import svg
from difygen.documents.pages.rendering.markup import Html, element, text, whole
from difygen.files import templates_folder
from difygen.wording import one_line

_PLACEHOLDER = re.compile(r"\{\{(language|title|nav|main)\}\}")
_JSON = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\b\d[\d.eE+-]*\b|\b(?:true|false|null)\b)|^(:.*)$', re.MULTILINE)
LONG = 24
"""Characters of a cell that needs room for lines of some words."""
_HIGHLIGHTED = ("json", "sse")
"""Languages whose strings, names and numbers are told apart."""


def render_html(page: Page) -> str:
    """Return a page as HTML."""
    languages = {"en": "en", "zh": "zh-Hans"}
    parts = {
        "language": text(languages[page.language]),
        "title": text(one_line(page.title)),
        "nav": _nav(page),
        "main": whole(_main(page)),
    }
    return _PLACEHOLDER.sub(lambda found: parts[found[1]], _template())


@cache
def _template() -> str:
    with open(os.path.join(templates_folder(), "page.html"), encoding="utf-8") as file:
        return file.read()


def _nav(page: Page) -> Html:
    home = [element("p", element("a", text(f"← {page.home}"), href="index.html"), class_="home")] if page.home else []
    links = [element("li", element("a", text(section.title), href=f"#{section.id}")) for section in page.sections]
    return element("nav", *home, element("p", text(page.contents)), element("ul", *links), aria_label=page.contents)


def _main(page: Page) -> Iterator[Html]:
    yield element("h1", _bidi(page.title), id="top")
    for number, prose in enumerate(page.lead, 1):
        yield element("p", _prose(prose), class_="lead", id=f"lead-{number}")
    if page.facts:
        rows = [
            element("div", element("dt", text(fact.name)), element("dd", _prose(fact.value))) for fact in page.facts
        ]
        yield element("dl", *rows, class_="facts", id="facts")
    for section in page.sections:
        yield from _section(section)


def _section(section: PageSection) -> Iterator[Html]:
    yield _heading("h2", section.id, section.title)
    for block in section.blocks:
        yield _block(block)


def _heading(tag: str, id_: str, title: str) -> Html:
    link = element("a", text("#"), class_="anchor", href=f"#{id_}", aria_label=title)
    return element(tag, text(title), link, id=id_)


def _block(block: Block) -> Html:
    match block:
        case Paragraph(id=id_, prose=prose, tone=tone):
            return element("p", _prose(prose), id=id_, class_=tone)
        case Bullets(id=id_, items=items):
            return element("ul", *(element("li", _prose(each)) for each in items), id=id_, class_="bullets")
        case TableBlock():
            return _table(block)
        case Listing(id=id_, caption=caption):
            head = [element("figcaption", _prose(caption))] if caption else []
            body = element("pre", element("code", _highlighted(block)), tabindex="0", class_=block.language)
            return element("figure", *head, body, id=id_)
        case Flow(id=id_, about=about, drawing=drawing):
            return element("figure", element("div", svg(drawing, about), class_="flow", tabindex="0"), id=id_)
        case Subheading(id=id_, text=title):
            return _heading("h3", id_, title)


def _table(table: TableBlock) -> Html:
    head = element("thead", element("tr", *(element("th", text(each), scope="col") for each in table.head)))
    rows = [element("tr", *_cells(table.head, row.cells), id=row.id) for row in table.rows]
    return element("div", element("table", head, element("tbody", *rows)), class_="table", id=table.id, tabindex="0")


def _cells(head: Iterable[str], cells: Iterable[Prose]) -> Iterator[Html]:
    for label, cell in zip(head, cells, strict=True):
        yield element("td", element("div", _prose(cell)), data_label=label, class_=_kind_of(cell))


def _kind_of(cell: Prose) -> str:
    """Return the class of a cell by what it needs: room for a text, the width of a name, or nothing."""
    if not any(span.text.strip(" —") for span in cell):
        return "empty"
    if sum(len(span.text) for span in cell) > LONG:
        return "text"
    return "name" if len(cell) == 1 and isinstance(cell[0], CodeSpan) else ""


def _prose(prose: Prose) -> Html:
    return whole(map(_span, prose), "")


def _span(span: Span) -> Html:
    match span:
        case CodeSpan(words):
            return element("code", text(one_line(words)), dir="auto")
        case ForeignSpan(words):
            return _bidi(words)
        case StrongSpan(words):
            pieces = re.split("`([^`]+)`", words)
            return element(
                "strong", *(element("code", text(each)) if at % 2 else text(each) for at, each in enumerate(pieces))
            )
        case LinkSpan(words, target):
            return element("a", text(words), href=target)
    return text(span.text)


def _bidi(words: str) -> Html:
    """Return words of a definition, which may run from right to left and leave their surroundings alone."""
    return element("bdi", text(one_line(words)))


def _highlighted(listing: Listing) -> Html:
    if listing.language not in _HIGHLIGHTED:
        return text(listing.text)
    found: list[Html] = []
    end = 0
    for token in _JSON.finditer(listing.text):
        found.append(text(listing.text[end : token.start()]))
        end = token.end()
        string, colon, value, comment = token.groups()
        kind = "k" if colon else "s" if string else "v" if value else "c"
        found.append(element("span", text(string or value or comment), class_=kind))
        found.append(text(colon or ""))
    return whole([*found, text(listing.text[end:])], "")
