"""Tables read in pages: those whose rows have all ended before are known by their bytes, and skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator

from difygen.bulk.pages import EndedPage, PageEnd, Pages
from difygen.call.tables.cursor import TableCursor, stretch_digest
from difygen.call.tables.rows import InputRow, RowReader
from difygen.call.tables.table import BATCH, Table

_BEGINNING = 4096
"""Bytes that tell a page apart from nearly all others."""

_TRIED = 8
"""Pages of the same beginning that are compared, of a table that repeats itself."""


def paged_rows(reader: RowReader, pages: Pages) -> Iterator[InputRow | PageEnd | EndedPage]:
    """Read the rows of the shard, a page at a time, and say where each page ends; or that it has ended before."""
    cursor = TableCursor()
    rows = reader.rows_of_all(cursor)
    while True:
        name = _name(cursor, reader.table)
        page = _ended_page(name, cursor, reader.table, pages)
        if page is not None:
            yield page
            continue
        invalid, is_last = 0, True
        cursor.begin()
        for found in rows:
            if found is not None:
                invalid += found.row is None
                yield found
            if cursor.is_at_end(BATCH):
                is_last = False
                break
        if cursor.stretch()[2] and cursor.is_between:
            yield PageEnd(name, json.dumps([*cursor.stretch(), _digest(cursor, reader.table)]), invalid)
        if is_last:
            return


def _name(cursor: TableCursor, table: Table) -> str:
    """Return the name of the page that begins here: what it begins with, wherever in the table that is."""
    return str(cursor.offset) if table.kind == "parquet" else stretch_digest(table.path, cursor.offset, _BEGINNING)


def _ended_page(name: str, cursor: TableCursor, table: Table, pages: Pages) -> EndedPage | None:
    """Return the page that begins here, if it has ended and is still the same; the cursor is after it then."""
    for page in pages.find(name)[-_TRIED:]:
        *stretch, digest = json.loads(page.text)
        if table.kind == "parquet" or stretch_digest(table.path, cursor.offset, stretch[0]) == digest:
            cursor.skip(*stretch)
            return page
    return None


def _digest(cursor: TableCursor, table: Table) -> str:
    return "" if table.kind == "parquet" else cursor.digest()  # a file that only is a whole is part of the topic
