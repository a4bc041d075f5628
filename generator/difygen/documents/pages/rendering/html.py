"""Pages as HTML, each one file that needs nothing else: `templates/page.html` with the page put in.

What is printed is `Html`, a type of its own: a text gets there through `text` alone, as what stands in an element or
in an attribute, and what has not gone through it fails.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from difygen.documents.pages.page import (
    Block,
    Bullets,
    CodeSpan,
    Flow,
    ForeignSpan,
    LinkSpan,
    Listing,
    Page,
    Paragraph,
    Prose,
    Span,
    StrongSpan,
    Subheading,
    TableBlock,
)
from difygen.documents.pages.rendering.drawing import canvas
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
    home = [element("p", element("a", text(f"← {page.home}"), href="index.html"), class_="home")] if page.home else []
    links = [element("li", element("a", text(section.title), href=f"#{section.id}")) for section in page.sections]
    contents = [element("p", text(page.contents)), element("ul", *links)]
    parts = {
        "language": text(languages[page.language]),
        "title": text(one_line(page.title)),
        "nav": element("nav", *home, *contents, aria_label=page.contents),
        "main": whole(_main(page)),
    }
    with open(os.path.join(templates_folder(), "page.html"), encoding="utf-8") as file:
        return _PLACEHOLDER.sub(lambda found: parts[found[1]], file.read())


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
        yield _heading("h2", section.id, section.title)
        yield from map(_block, section.blocks)


def _heading(tag: str, id_: str, title: str) -> Html:
    link = element("a", text("#"), class_="anchor", href=f"#{id_}", aria_label=title)
    return element(tag, text(title), link, id=id_)


def _block(block: Block) -> Html:
    match block:
        case Paragraph(id=id_, prose=prose, tone=tone):
            return element("p", _prose(prose), id=id_, class_=tone)
        case Bullets(id=id_, items=items):
            return element("ul", *(element("li", _prose(each)) for each in items), id=id_, class_="bullets")
        case TableBlock(id=id_, head=head, rows=rows):
            names = element("tr", *(element("th", text(each), scope="col") for each in head))
            lines = (element("tr", *_cells(head, row.cells), id=row.id) for row in rows)
            body = element("tbody", whole(lines))  # each on a line of its own, for those who compare
            return element("div", element("table", element("thead", names), body), class_="table", id=id_, tabindex="0")
        case Listing(id=id_, caption=caption):
            title = [element("figcaption", _prose(caption))] if caption else []
            shown = element("pre", element("code", _highlighted(block)), tabindex="0", class_=block.language)
            return element("figure", *title, shown, id=id_)
        case Flow(id=id_, about=about, drawing=drawing):
            return element("figure", element("div", canvas(drawing, about), class_="flow", tabindex="0"), id=id_)
        case Subheading(id=id_, text=words):
            return _heading("h3", id_, words)


def _cells(head: Iterable[str], cells: Iterable[Prose]) -> Iterator[Html]:
    """Yield the cells of a row, each classed by what it needs: room for a text, the width of a name, or nothing."""
    for label, cell in zip(head, cells, strict=True):
        kind = "name" if len(cell) == 1 and isinstance(cell[0], CodeSpan) else ""
        if sum(len(span.text) for span in cell) > LONG:
            kind = "text"
        if not any(span.text.strip(" —") for span in cell):
            kind = "empty"
        yield element("td", element("div", _prose(cell)), data_label=label, class_=kind)


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
