"""HTML as a type of its own: what is no `Html` cannot be printed into a page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_VOID = frozenset({"path", "rect"})
"""Elements of drawings that hold nothing."""

_ILLEGAL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(map(chr, (plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF))))
    + "]"
)


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
