"""Where in a table one reads, and what was read: so that a stretch of it is known again by its bytes."""

from __future__ import annotations

from hashlib import file_digest as _digest_of_file
from hashlib import sha256
from pathlib import Path
from zlib import crc32


class TableCursor:
    """A place between two records. `offset` is in bytes; in a table of a format that is no text, in records."""

    def __init__(self) -> None:
        self.offset = self.lines = self.records = 0
        self._begun_at = (0, 0, 0)
        self._hash = sha256()
        self._line, self._is_lost = b"", False

    def take(self, line: bytes) -> None:
        """Go past a line."""
        self.offset += len(line)
        self.lines += 1
        self._hash.update(line)
        self._line = line

    def skip(self, size: int, lines: int, records: int) -> None:
        """Go past what need not be read."""
        self.offset += size
        self.lines += lines
        self.records += records

    def begin(self) -> None:
        """Begin a stretch."""
        self._begun_at = self.offset, self.lines, self.records
        self._hash = sha256()

    def stretch(self) -> tuple[int, int, int]:
        """Return the size, lines and records since the beginning of the stretch."""
        offset, lines, records = self._begun_at
        return self.offset - offset, self.lines - lines, self.records - records

    def lose(self) -> None:
        """Take note that nobody knows where the next record begins, so that nothing more is read."""
        self._is_lost = True

    @property
    def is_between(self) -> bool:
        """Whether the last record is whole, whatever may be added to the table."""
        return self._line[-1:] in (b"", b"\n") and not self._is_lost

    def is_at_end(self, size: int) -> bool:
        """Check whether a stretch of about `size` records ends here.

        The last line says so, so that stretches end at the same lines where others were put in or taken out before.
        """
        records, least = self.records - self._begun_at[2], size // 2
        return records >= 4 * size or (records >= least and crc32(self._line) % (size - least) == 0)

    def digest(self) -> str:
        """Return the hash of the lines since the beginning of the stretch."""
        return self._hash.hexdigest()


def file_digest(path: Path) -> str:
    """Return the hash of a whole file."""
    with path.open("rb") as file:
        return _digest_of_file(file, "sha256").hexdigest()


def stretch_digest(path: Path, offset: int, size: int) -> str:
    """Return the hash of bytes of a file, or of those that there are of them."""
    found = sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while size and (piece := file.read(min(size, 1 << 20))):
            size -= len(piece)
            found.update(piece)
    return found.hexdigest()
