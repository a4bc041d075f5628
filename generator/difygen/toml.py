"""A TOML file, and where things stand in it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from difygen.cursor import Path
from difygen.diagnostics import Diagnostic, Location
from difygen.model import JsonValue

# Compiled where it is used: most files have nothing wrong with them.
_TOKEN = (
    r'#[^\n]*|"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|[][{}=,.\n]|[^][\s{}=,.#"\']+'
)


class TomlFile:
    """A file that was read. `root` is the value of its table at `table`; `locate` starts there, too."""

    def __init__(self, file: str, text: str, table: Path, root: JsonValue) -> None:
        self.file = file
        self.root = root
        self._text = text
        self._table = table
        self._positions: Mapping[Path, int] | None = None

    def locate(self, *path: str | int, key: bool = True) -> Location:
        """Return where the key at `path` stands, or the nearest one around it."""
        from difygen.parser.source_map import location  # for messages only, as it brings the YAML parser

        if self._positions is None:
            self._positions = key_positions(self._text)
        path = (*self._table, *path)
        while path and path not in self._positions:
            path = path[:-1]
        return location(self._text, self.file, self._positions.get(path, 0))

    def written(self, *path: str | int) -> str | None:
        """Return nothing: TOML has one way to write a value."""
        return None


def parse_toml(data: bytes, file: str) -> tuple[JsonValue, str] | Diagnostic:
    import tomllib  # only where there are settings

    try:
        text = data.decode().replace("\r\n", "\n").removeprefix("\ufeff")
        return _plain(tomllib.loads(text)), text
    except UnicodeDecodeError as error:
        message = f"The byte 0x{data[error.start]:02x} is not UTF-8."
        return Diagnostic("error", "not-utf-8", message, Location(file, data.count(b"\n", 0, error.start) + 1, 1))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        end = (text.count("\n") + 1, len(text) - text.rfind("\n"))
        line, column = map(int, found.groups()) if found else end
        said = str(error)[: found.start()] if found else str(error).removesuffix(" (at end of document)")
        message = f"This is not TOML: {said[:1].lower()}{said[1:]}."
        return Diagnostic("error", "toml-syntax", message, Location(file, line, column))
    except (ValueError, RecursionError):
        return Diagnostic("error", "toml-syntax", "This is not TOML that can be read.", Location(file))


def _plain(value: object) -> JsonValue:
    """Return a value of TOML in JSON's types: dates and times, which no setting takes, as text."""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float) else str(value)


def key_positions(text: str) -> dict[Path, int]:
    """Return the index at which each key of a TOML text starts, and each item of a list, by path.

    `tomllib`, which has parsed the text before, does not give them. Lists of tables (`[[…]]`) count as one table.
    """
    import tomllib

    found: dict[Path, int] = {}
    table: Path = ()
    path: Path = ()
    opened: list[tuple[Path, int | None]] = (
        []
    )  # what is around: lists, with the number of their item, and inline tables
    in_key = True
    for match in re.finditer(_TOKEN, text, re.DOTALL):
        token = match.group()
        if token[0] == "#" or (token == "\n" and opened) or (token == "." and in_key):
            continue
        if token == "\n":
            path, in_key = table, True
        elif token == "=":
            in_key = False
        elif token == "," and opened[-1][1] is None:
            path, in_key = opened[-1][0], True
        elif token == ",":
            opened[-1] = opened[-1][0], (opened[-1][1] or 0) + 1
        elif token in "]}" and opened:
            opened.pop()
            in_key = False
        elif in_key and token in "[]":  # around a header
            table, path = path, () if token == "[" else path
        elif in_key:
            path = (*path, tomllib.loads(f"key = {token}")["key"] if token[0] in "\"'" else token)
            found.setdefault(path, match.start())
        else:  # a value
            around, number = opened[-1] if opened else (path, None)
            here = path if number is None else (*around, number)
            found.setdefault(here, match.start())
            if token in "[{":
                opened.append((here, 0 if token == "[" else None))
                path, in_key = here, token == "{"
    return found
