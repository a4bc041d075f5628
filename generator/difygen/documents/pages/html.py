"""Pages as HTML, each one file that needs nothing else: `templates/page.html` with the page put in.

HTML is a type of its own: what is no `Html` cannot be printed into a page. Drawings are SVG within it, in the colours
of the page, light or dark.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from difygen.documents.pages.flow import LINE_HEIGHT, PAD, title_lines
from difygen.documents.pages.page import (
    Block,
    Box,
    Bullets,
    CodeSpan,
    Drawing,
    Flow,
    ForeignSpan,
    Line,
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
from difygen.files import templates_folder
from difygen.wording import one_line, shorten

_VOID = frozenset({"path", "rect"})
"""Elements of drawings that hold nothing."""

_ILLEGAL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(map(chr, (plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF))))
    + "]"
)

_MARGIN = 8.0
_TITLE_TOP = 20.0
_TYPE_LENGTH = 23
_LABEL_LENGTH = 26
_TIP = 5.0
_SMALLEST = 0.72
"""How far a drawing may shrink to fit: smaller text is hard to read."""
_CLASSES: Mapping[str, str] = {"edge": "edge-bar", "flow": "branch", "group": "container"}

_PLACEHOLDER = re.compile(r"\{\{(language|title|nav|main)\}\}")
_JSON = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\b\d[\d.eE+-]*\b|\b(?:true|false|null)\b)|^(:.*)$', re.MULTILINE)
LONG = 24
"""Characters of a cell that needs room for lines of some words."""
_HIGHLIGHTED = ("json", "sse")
"""Languages whose strings, names and numbers are told apart."""


class Html(str):
    """HTML that is safe to print: made by the functions below. Adding to it gives a plain `str`, which they refuse."""

    __slots__ = ()


def text(words: str) -> Html:
    """Return a text as HTML that shows just that text. What UTF-8 cannot say, and HTML may not, is a question mark."""
    return Html(html.escape(_ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", words)))


def element(tag: str, *children: Html, **attributes: str) -> Html:
    """Return an element with what stands in it. Attributes without a value are left out; `class_` is `class`."""
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    given = "".join(f' {names[name]}="{text(value)}"' for name, value in attributes.items() if value)
    if tag in _VOID and not children:
        return Html(f"<{tag}{given}/>")
    return Html(f"<{tag}{given}>{''.join(map(_trusted, children))}</{tag}>")


def whole(parts: Iterable[Html], separator: str = "\n") -> Html:
    """Return pieces of HTML one behind the other."""
    return Html(separator.join(map(_trusted, parts)))


def _trusted(part: object) -> str:
    if isinstance(part, Html):
        return part
    raise TypeError(f"only Html may be printed into a page, not {type(part).__name__}")


# Drawings


def canvas(drawing: Drawing, about: str) -> Html:
    """Return a drawing, at its own size or a little smaller; `about` says what it shows to those who do not see it.

    Where it is wider than its frame, a mark asks the browser to begin with the first step in sight.
    """
    width, height = drawing.width + 2 * _MARGIN, drawing.height + 2 * _MARGIN
    picture = element(
        "svg",
        element("title", text(about)),
        *_drawing(drawing, _MARGIN, _MARGIN),
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        role="img",
    )
    first = min(drawing.boxes, key=lambda box: box.y)
    left = 100 * (_MARGIN + first.x + first.width / 2) / width
    return element(
        "div",
        picture,
        element("i", class_="first", style=f"left: {_number(left)}%"),
        class_="canvas",
        style=f"min-width: {_number(width * _SMALLEST)}px; max-width: {_number(width)}px",
    )


def _drawing(drawing: Drawing, x: float, y: float) -> Iterator[Html]:
    for line in drawing.lines:
        yield _line(line, x, y)
    for box in drawing.boxes:
        yield whole(_box(box, x + box.x, y + box.y))
    for line in drawing.lines:
        if line.label:
            yield _label(line, x, y)


def _box(box: Box, x: float, y: float) -> Iterator[Html]:
    lines = title_lines(box.title)
    name = [element("title", text(f"{box.title} ({box.type})"))]
    bar = element(
        "rect",
        x=_number(x),
        y=_number(y + 6),
        width="4",
        height=_number(box.height - 12),
        rx="2",
        class_=_CLASSES.get(box.role, box.role),
    )
    titles = [
        element("text", text(line), x=_number(x + 14), y=_number(y + _TITLE_TOP + at * LINE_HEIGHT), class_="title")
        for at, line in enumerate(lines)
    ]
    type_ = element(
        "text",
        text(shorten(box.type, _TYPE_LENGTH)),
        x=_number(x + 14),
        y=_number(y + _TITLE_TOP + len(lines) * LINE_HEIGHT - 1),
        class_="type",
    )
    shape = element(
        "rect",
        x=_number(x),
        y=_number(y),
        width=_number(box.width),
        height=_number(box.height),
        rx="9",
        class_="box group" if box.inside else "box",
    )
    yield element("g", *name, shape, *([] if box.inside else [bar]), *titles, type_)
    if box.inside is not None:
        left = (box.width - box.inside.width) / 2
        yield from _drawing(box.inside, x + left, y + box.height - box.inside.height - PAD)


def _line(line: Line, x: float, y: float) -> Html:
    points = [(x + left, y + top) for left, top in line.points]
    way = [f"M{_number(points[0][0])} {_number(points[0][1])}"]
    for (x1, y1), (x2, y2) in pairwise(points):
        middle = (y1 + y2) / 2
        ends = ((x1, middle), (x2, middle), (x2, y2))
        way.append(f"C{' '.join(f'{_number(left)} {_number(top)}' for left, top in ends)}")
    (end, top), down = points[-1], -1 if points[-1][1] < points[-2][1] else 1
    corners = ((end, top), (end - _TIP, top - down * 2 * _TIP), (end + _TIP, top - down * 2 * _TIP))
    tip = "M" + " L".join(f"{_number(left)} {_number(height)}" for left, height in corners) + " Z"
    kind = "edge back" if line.is_back else "edge"
    return whole([element("path", d=" ".join(way), class_=kind), element("path", d=tip, class_="tip")])


def _label(line: Line, x: float, y: float) -> Html:
    """Return a branch's name, where its connection has left the others."""
    (x1, y1), (x2, y2) = line.points[:2]
    return element(
        "text",
        text(shorten(line.label, _LABEL_LENGTH)),
        x=_number(x + x1 + (x2 - x1) * 0.82),
        y=_number(y + y1 + (y2 - y1) * 0.62),
        class_="label",
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


# Pages


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
