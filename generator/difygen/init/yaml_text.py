"""Plain values to YAML that people like to read: short mappings on one line, long texts as blocks, quotes where they are needed.

What difygen writes is read back with the same values. Knows nothing of what the values mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from difygen.model import JsonValue
from difygen.parser.yaml import is_text

WIDTH = 100
INDENT = "  "

_PLAIN_ANYWHERE = re.compile(r"\.?[^\W_](?:[\w ./()+'-]*[\w./()+'-])?")
_PLAIN_ON_ITS_LINE = re.compile(r"[^\W_](?:[^:#\n]|:(?=\S)|(?<=\S)#)*")
_LONGEST_KEY = 120  # YAML itself ends the search for a key's colon at 1024 characters
_CONSTANTS = {None: "null", True: "true", False: "false"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def yaml_text(root: Mapping[str, JsonValue]) -> str:
    """A mapping as a YAML document. Its members stand on lines of their own, whatever their length."""
    lines: list[str] = []
    for key, value in root.items():
        if isinstance(value, Mapping) and value:
            lines += [*_head(key, ""), *_block(value, INDENT)]
        else:
            lines += _member(key, value, "")
    return "".join(f"{line}\n" for line in lines) or "{}\n"


def scalar(value: JsonValue, *, alone: bool = False) -> str:
    """A scalar on one line; if it is `alone` there, fewer texts need quotes."""
    if isinstance(value, str):
        return value if _is_plain(value, alone) else f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, float):
        # YAML 1.1 wants a point in every number that has an exponent.
        return repr(value) if "." in repr(value) else repr(value).replace("e", ".0e")
    return str(value) if value is not None and not isinstance(value, bool) else _CONSTANTS[value]


def _is_plain(text: str, alone: bool) -> bool:
    pattern = _PLAIN_ON_ITS_LINE if alone else _PLAIN_ANYWHERE
    return pattern.fullmatch(text) is not None and text.isprintable() and text[-1] != " " and is_text(text)


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _block(value: JsonValue, indent: str) -> Iterator[str]:
    """The lines of a mapping or a list."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _member(key, member, indent)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _item(item, indent)


def _head(key: str, indent: str) -> list[str]:
    """What stands before a value: its key, or the long form of one that a parser would not find the colon of."""
    name = scalar(key)
    return [f"{indent}? {name}", f"{indent}:"] if len(name) > _LONGEST_KEY else [f"{indent}{name}:"]


def _member(key: str, value: JsonValue, indent: str) -> Iterator[str]:
    *first, head = _head(key, indent)
    yield from first
    yield from _value(head, value, indent)


def _item(value: JsonValue, indent: str) -> Iterator[str]:
    """A list's item. The first line of a block stands behind the dash."""
    first, *rest = _value(f"{indent}-", value, indent)
    if rest and first == f"{indent}-":
        first, rest = f"{indent}- {rest[0].removeprefix(indent + INDENT)}", rest[1:]
    yield first
    yield from rest


def _value(head: str, value: JsonValue, indent: str) -> Iterator[str]:
    if isinstance(value, str) and (lines := _literal(value)):
        yield f"{head} {lines[0]}"
        yield from (f"{indent}{INDENT}{line}" if line else "" for line in lines[1:])
        return
    if not isinstance(value, Mapping | list | tuple):
        yield f"{head} {scalar(value, alone=True)}"
        return
    flow = _flow(value)
    if not value or _fits(head, value, flow):
        yield f"{head} {flow}"
        return
    yield head
    yield from _block(value, indent + INDENT)


def _fits(head: str, value: JsonValue, flow: str) -> bool:
    """Whether a mapping or a list may stand on one line: if it is short and has no mapping within."""
    members = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, Sequence) else ()
    nested = any(isinstance(member, Mapping) and member for member in members)
    keys = value if isinstance(value, Mapping) else ()
    return not nested and len(head) + 1 + len(flow) <= WIDTH and all(len(key) < _LONGEST_KEY for key in keys)


def _flow(value: JsonValue) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{scalar(key)}: {_flow(member)}' for key, member in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_flow, value))}]"
    return scalar(value)


def _literal(text: str) -> list[str]:
    """The lines of a text as a literal block, with its sign first; none for a text that has no lines, or cannot stand so."""
    lines = text.removesuffix("\n").split("\n")
    plain = all(line.isprintable() and line == line.rstrip() for line in lines)
    if len(lines) < 2 or not plain or not lines[0] or lines[0][0] == " " or not lines[-1]:
        return []
    return ["|" if text.endswith("\n") else "|-", *lines]
