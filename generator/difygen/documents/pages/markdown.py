"""Pages as Markdown, as GitHub reads it: tables, fenced code, Mermaid for flows, and no HTML.

What is printed is `Markdown`, a type of its own: a text gets there through `escaped`, `code_span` or `fenced`, and
what has not gone through one of these fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from difygen.documents.pages.page import (
    Block,
    Box,
    Bullets,
    CodeSpan,
    Drawing,
    Flow,
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
from difygen.wording import one_line

_SPECIAL = re.compile(r"[\\`*_\[\]<>&|~$#!]")
_ADDRESS = re.compile(r"(?i)(?:https?|ftp|mailto)(?=:)|www(?=\.)")
_LINE_START = re.compile(r"^(?:[-+=]|\d+(?=[.)](?:\s|$)))")
_RUNS = re.compile("`+")


class Markdown(str):
    """Markdown that is safe to print: made by the doors below, or a constant of ours."""

    __slots__ = ()


def markdown(pattern: str, *parts: Markdown) -> Markdown:
    """Return `pattern`, a constant of ours with `{}` for holes, with Markdown in the holes."""
    return Markdown(pattern.format(*map(_trusted, parts)))


def _trusted(part: object) -> str:
    if isinstance(part, Markdown):
        return part
    raise TypeError(f"only Markdown may be printed into Markdown, not {type(part).__name__}")


def escaped(text: str) -> Markdown:
    """Return a text as Markdown that shows just that text, on one line, wherever it stands."""
    text = _SPECIAL.sub(r"\\\g<0>", one_line(text))
    text = _ADDRESS.sub(r"\g<0>\\", text)  # an address is no link
    start = _LINE_START.match(text)
    if start is None:
        return Markdown(text)
    end = start.end()
    return Markdown(f"{text[:end]}\\{text[end:]}" if text[0].isdigit() else f"\\{text}")


def code_span(text: str) -> Markdown:
    """Return a text as code within a line."""
    text = one_line(text)
    if not text or "\\|" in text:  # what tables make of the latter depends on who reads them
        return escaped(text)
    fence = "`" * (max(map(len, _RUNS.findall(text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return Markdown(f"{fence}{pad}{text}{pad}{fence}")


def fenced(language: str, text: str) -> Markdown:
    """Return lines of code. Nothing in them can end the block."""
    fence = "`" * max(3, max(map(len, _RUNS.findall(text)), default=0) + 1)
    return Markdown(f"{fence}{language}\n{text.removesuffix(chr(10))}\n{fence}")


def in_cell(text: Markdown) -> Markdown:
    """Return what stands in a line as it stands in a cell of a table."""
    return Markdown(re.sub(r"(?<!\\)\|", r"\|", text))


# Pages


def render_markdown(page: Page) -> str:
    """Return a page as Markdown."""
    return "\n\n".join(_page(page, _Inline(dict(_anchors(page))))) + "\n"


class _Inline:
    """Renders texts within a line. Links within a page lead to its headings, by what GitHub makes of their words."""

    def __init__(self, anchors: Mapping[str, str]) -> None:
        self._anchors = anchors

    def prose(self, prose: Prose) -> Markdown:
        """Return a text on one line."""
        return Markdown("".join(map(_trusted, map(self._span, prose))))

    def _span(self, span: Span) -> Markdown:
        match span:
            case CodeSpan(text):
                return code_span(text)
            case StrongSpan(text):
                pieces = re.split("`([^`]+)`", text)  # code in strong words is code all the same
                inner = (code_span(each) if at % 2 else _within(each) for at, each in enumerate(pieces))
                return markdown("**{}**", Markdown("".join(inner)))
            case LinkSpan(text, target):
                address = self._anchors.get(target, target)
                return markdown("[{}]({})", _within(text), Markdown(address))
        return _within(span.text)


def _within(text: str) -> Markdown:
    """Return a text within a line, with the blanks at its ends."""
    if not text.strip():
        return Markdown(" " if text else "")
    before, after = (" " if text[0].isspace() else ""), (" " if text[-1].isspace() else "")
    return Markdown(f"{before}{escaped(text)}{after}")


def _anchors(page: Page) -> Iterator[tuple[str, str]]:
    """Yield what leads to a heading, and what does on GitHub: its words in lower case, with dashes for blanks."""
    seen = {_slug(page.title): 1}
    for section in page.sections:
        parts = (each for each in section.blocks if isinstance(each, Subheading))
        for id_, title in ((section.id, section.title), *((each.id, each.text) for each in parts)):
            slug = _slug(title)
            times = seen.get(slug, 0)
            seen[slug] = times + 1
            yield f"#{id_}", f"#{slug}-{times}" if times else f"#{slug}"


def _slug(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", one_line(title).lower()).replace(" ", "-")


def _page(page: Page, inline: _Inline) -> Iterator[Markdown]:
    yield markdown("# {}", escaped(page.title))
    yield from map(inline.prose, page.lead)
    if page.facts:
        yield Markdown(
            "\n".join(markdown("- {}: {}", escaped(each.name), inline.prose(each.value)) for each in page.facts)
        )
    links = [inline.prose((LinkSpan(each.title, f"#{each.id}"),)) for each in page.sections]
    if page.home:
        links.insert(0, inline.prose((LinkSpan(page.home, "README.md"),)))
    if len(links) > 1:
        yield Markdown(" · ".join(map(_trusted, links)))
    for section in page.sections:
        yield markdown("## {}", escaped(section.title))
        for block in section.blocks:
            yield from _block(block, inline)


def _block(block: Block, inline: _Inline) -> Iterator[Markdown]:
    match block:
        case Paragraph(prose=prose, tone=tone):
            yield markdown("> {}" if tone else "{}", inline.prose(prose))
        case Bullets(items=items):
            yield Markdown("\n".join(markdown("- {}", inline.prose(each)) for each in items))
        case TableBlock(head=head, rows=rows):
            lines = [_cells(map(escaped, head)), Markdown(f"|{' --- |' * len(head)}")]
            lines += [_cells(map(inline.prose, row.cells)) for row in rows]
            yield Markdown("\n".join(map(_trusted, lines)))
        case Listing():
            if block.caption:
                yield inline.prose(block.caption)
            yield fenced(block.language, block.text)
        case Flow():
            yield fenced("mermaid", mermaid(block.drawing))
        case Subheading(text=text):
            yield markdown("### {}", escaped(text))


def _cells(cells: Iterable[Markdown]) -> Markdown:
    return Markdown(f"| {' | '.join(map(_trusted, map(in_cell, cells)))} |")


# Flows


_PLAIN = re.compile(r"[^\W_]+(?:[-_][^\W_]+)*| |(.)", re.DOTALL)
_SHAPES: Mapping[str, tuple[str, str]] = {"edge": ("([", "])"), "flow": ("{{", "}}"), "human": ("[/", "/]")}


def mermaid(drawing: Drawing) -> str:
    """Return a flow in Mermaid's words."""
    return "\n".join(["flowchart TD", *_mermaid_lines(drawing, "n", "    ")])


def _mermaid_lines(drawing: Drawing, prefix: str, indent: str) -> Iterator[str]:
    names = {box.id: f"{prefix}{at}" for at, box in enumerate(drawing.boxes)}
    for box in drawing.boxes:
        yield from _mermaid_box(box, names[box.id], indent)
    for line in drawing.lines:
        label = f'|"{_entities(line.label)}"|' if line.label else ""
        yield f"{indent}{names[line.source]} -->{label} {names[line.target]}"


def _mermaid_box(box: Box, name: str, indent: str) -> Iterator[str]:
    label = (
        f'"{_entities(box.title)}"' if box.title == box.type else f'"{_entities(box.title)} ({_entities(box.type)})"'
    )
    if box.inside is None:
        before, after = _SHAPES.get(box.role, ("[", "]"))
        yield f"{indent}{name}{before}{label}{after}"
        return
    yield f"{indent}subgraph {name}[{label}]"
    yield from _mermaid_lines(box.inside, f"{name}_", f"{indent}    ")
    yield f"{indent}end"


def _entities(text: str) -> str:
    """Return a text for a label: what is no letter, digit, blank or dash within a word is written as an entity."""
    found = _PLAIN.finditer(one_line(text))
    return "".join(f"#{ord(each[1])};" if each[1] else each[0] for each in found) or " "
