"""Drawings as SVG within a page: its colours are those of the page, light or dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from difygen.documents.pages.flow import LINE_HEIGHT, PAD, title_lines
from difygen.documents.pages.page import Box, Drawing, Line
from difygen.documents.pages.rendering.markup import Html, element, text, whole
from difygen.wording import shorten

_MARGIN = 8.0
_TITLE_TOP = 20.0
_TYPE_LENGTH = 23
_LABEL_LENGTH = 26
_TIP = 5.0
_SMALLEST = 0.72
"""How far a drawing may shrink to fit: smaller text is hard to read."""
_CLASSES: Mapping[str, str] = {"edge": "edge-bar", "flow": "branch", "group": "container"}


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
