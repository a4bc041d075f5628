"""Tables read in pages: those whose rows have all ended before are known by their bytes, and skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

from difygen.bulk.pages import EndedPage, PageEnd, Pages
from difygen.call.tables.cursor import TableCursor, stretch_digest
from difygen.call.tables.rows import InputRow, RowReader
from difygen.call.tables.table import BATCH, Table


def paged_rows(reader: RowReader, pages: Pages) -> Iterator[InputRow | PageEnd | EndedPage]:
    """Read the rows of the shard, a page at a time, and say where each page ends; or that it has ended before."""
    cursor = TableCursor()
    rows = reader.rows_of_all(cursor)
    while True:
        page = _ended_page(cursor, reader.table, pages)
        if page is not None:
            yield page
            continue
        name, invalid = str(cursor.offset), 0
        cursor.begin()
        for found in islice(rows, BATCH):
            if found is not None:
                invalid += found.row is None
                yield found
        records = cursor.stretch()[2]
        if records and cursor.is_between:
            yield PageEnd(name, json.dumps([*cursor.stretch(), _digest(cursor, reader.table)]), invalid)
        if records < BATCH:
            return


def _ended_page(cursor: TableCursor, table: Table, pages: Pages) -> EndedPage | None:
    """Return the page that begins here, if it has ended and is still the same; the cursor is after it then."""
    for page in pages.find(str(cursor.offset)):
        *stretch, digest = json.loads(page.text)
        if table.kind == "parquet" or stretch_digest(table.path, cursor.offset, stretch[0]) == digest:
            cursor.skip(*stretch)
            return page
    return None


def _digest(cursor: TableCursor, table: Table) -> str:
    return "" if table.kind == "parquet" else cursor.digest()  # a file that only is a whole is part of the topic
