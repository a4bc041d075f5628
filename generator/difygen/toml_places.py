"""Where the keys and values of a TOML file stand, which `tomllib` does not tell. For text that it has parsed. Imported for messages only."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r'(?P<skipped>[ \t\r]+|#[^\n]*)|(?P<string>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<sign>[\[\]{}=,.\n])|(?P<bare>[^\s\[\]{}=,.#\"']+)",
    re.DOTALL,
)


def places_of(text: str) -> dict[Path, int]:
    """The index at which each key of a TOML text starts, and each item of a list, by their paths. Tables start at their first header."""
    walk = _Walk(text)
    walk.file()
    return walk.places


class _Walk:
    """A pass over the tokens of a text that is known to be TOML."""

    def __init__(self, text: str) -> None:
        self.places: dict[Path, int] = {}
        self._tokens = self._scan(text)
        self._counts: dict[Path, int] = {}
        self._next()

    def _scan(self, text: str) -> Iterator[tuple[str, str, int]]:
        for found in _TOKEN.finditer(text):
            kind = found.lastgroup or ""
            if kind != "skipped":
                yield kind, found.group(), found.start()

    def _next(self) -> None:
        self._kind, self._text, self._start = next(self._tokens, ("end", "", 0))

    def _skip_lines(self) -> None:
        while self._text == "\n":
            self._next()

    def file(self) -> None:
        table: Path = ()
        self._skip_lines()
        while self._kind != "end":
            if self._text == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip_lines()

    def _header(self) -> Path:
        """`[a.b]`, or `[[a.b]]` for one more table of a list."""
        self._next()
        several = self._text == "["
        if several:
            self._next()
        path = self._key(())
        while self._text == "]":
            self._next()
        return self._numbered(path, several)

    def _numbered(self, path: Path, several: bool) -> Path:
        """The path of a table, with the number of the one that is meant wherever a list of tables is on the way."""
        found: Path = ()
        for place, part in enumerate(path, 1):
            found = (*found, part)
            if several and place == len(path):
                self._counts[found] = self._counts.get(found, -1) + 1
            if found in self._counts:
                found = (*found, self._counts[found])
        self.places.setdefault(found, self.places[path])
        return found

    def _key(self, table: Path) -> Path:
        """A key, dotted or not, in `table`."""
        path = table
        while self._kind in ("bare", "string"):
            path = (*path, self._decoded())
            self.places.setdefault(path, self._start)
            self._next()
            if self._text != ".":
                break
            self._next()
        return path

    def _decoded(self) -> str:
        return str(tomllib.loads(f"x = {self._text}")["x"]) if self._kind == "string" else self._text

    def _pair(self, table: Path) -> None:
        path = self._key(table)
        self._next()  # the sign between key and value
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._text == "{":
            self._inline(path)
        elif self._text == "[":
            self._list(path)
        else:
            while self._kind != "end" and self._text not in (",", "\n", "]", "}"):
                self._next()

    def _inline(self, path: Path) -> None:
        self._next()
        self._skip_separators()
        while self._text not in ("}", ""):
            self._pair(path)
            self._skip_separators()
        self._next()

    def _list(self, path: Path) -> None:
        self._next()
        self._skip_separators()
        number = 0
        while self._text not in ("]", ""):
            self.places[(*path, number)] = self._start
            self._value((*path, number))
            self._skip_separators()
            number += 1
        self._next()

    def _skip_separators(self) -> None:
        while self._text in (",", "\n"):
            self._next()
