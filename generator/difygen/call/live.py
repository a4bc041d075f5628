"""The live picture of a run on a terminal: a row per node with a bar on the time axis, the text streaming in below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from difygen.call.text import MARKS, closing, first_error, repetitions
from difygen.call.timeline import NodeRow, Timeline
from difygen.console import duration, one_line, printable

_COLOURS: Mapping[str, str] = {
    "succeeded": "green",
    "partial-succeeded": "yellow",
    "failed": "red",
    "error": "red",
    "exception": "yellow",
    "stopped": "yellow",
    "interrupted": "yellow",
    "paused": "magenta",
    "running": "cyan",
}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TEXT_LINES = 8
_BAR_FROM, _BAR_WIDTH = 80, 24  # columns of terminal that leave room for bars, and columns of a bar


class LiveView:
    """Keeps a picture of a timeline on the terminal while the run lasts, and leaves the final one there."""

    def __init__(self, console: Console, timeline: Timeline, clock: Callable[[], float]) -> None:
        self._console, self._timeline, self._clock = console, timeline, clock
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=10, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, event: Mapping[str, Any]) -> None:
        """Do nothing at once: the picture is drawn ten times a second from the timeline."""

    def _picture(self) -> RenderableType:
        timeline, now = self._timeline, self._timeline.now(self._clock())
        over = timeline.ended is not None
        rows = list(timeline.rows())
        if not rows and not over:
            return Text(f"{_SPINNER[int(self._clock() * 10) % len(_SPINNER)]} waiting for the first event", "dim")
        parts: list[RenderableType] = []
        text = "" if over else _last_lines(timeline.text, self._console.width)
        if not over:
            room = max(self._console.height - (_TEXT_LINES + 3 if text else 3), 4)
            if len(rows) > room:
                parts.append(Text(f"  … {len(rows) - room} more above", "dim"))
                rows = rows[-room:]
        parts.append(self._table(rows, now))
        parts += [_error(row) for _, row in rows if row.status in ("failed", "exception") and first_error(row)]
        if text:
            parts += [Text(), Padding(Text(text, "italic"), (0, 2))]
        running = ", ".join(one_line(row.title) for row in timeline.running()[:3]) or "working"
        last = f"{MARKS.get(timeline.status, '·')} {closing(timeline)}" if over else f"{duration(now)} · {running}"
        parts.append(Text(last, f"bold {_COLOURS.get(timeline.status, 'cyan')}"))
        return Group(*parts)

    def _table(self, rows: list[tuple[int, NodeRow]], now: float) -> Table:
        table = Table.grid(padding=(0, 1), expand=False)
        table.add_column(width=1)
        table.add_column(overflow="ellipsis", no_wrap=True, min_width=12)
        table.add_column(style="dim", overflow="ellipsis", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True, style="dim")
        bars = self._console.width >= _BAR_FROM
        if bars:
            table.add_column(no_wrap=True, width=_BAR_WIDTH)
        for depth, row in rows:
            running = row.status == "running"
            title = Text("  " * depth + one_line(row.title), "bold" if running else "")
            if times := repetitions(row):
                title.append(f" {times}", "dim")
            cells: list[RenderableType] = [
                Text(_SPINNER[int(now * 10) % len(_SPINNER)] if running else MARKS[row.status], _COLOURS[row.status]),
                title,
                one_line(row.type),
                duration(row.seconds(now)),
                f"{row.tokens:,} tok" if row.tokens else "",
            ]
            table.add_row(*cells, *([_bar(row, now, max(self._timeline.extent, now))] if bars else []))
        return table


def _error(row: NodeRow) -> Text:
    return Text(f"  {one_line(row.title)}: {first_error(row)}", _COLOURS[row.status], overflow="ellipsis", no_wrap=True)


def _bar(row: NodeRow, now: float, extent: float) -> Text:
    """Draw a row's executions on an axis from 0 to `extent` seconds; every execution leaves a mark, however short."""
    cells = [" "] * _BAR_WIDTH
    for execution in row.executions:
        end = now if execution.finished is None else execution.finished
        first = _cell(execution.started, extent)
        for cell in range(first, max(first, _cell(end, extent)) + 1):
            cells[cell] = "━"
    return Text("".join(cells), _COLOURS[row.status])


def _cell(seconds: float, extent: float) -> int:
    return min(int(seconds / extent * _BAR_WIDTH), _BAR_WIDTH - 1) if extent > 0 else 0


def _last_lines(text: str, width: int) -> str:
    """Return the end of a text that fits into the space below the rows."""
    lines: list[str] = []
    for line in printable(text[-4 * width * _TEXT_LINES :]).rstrip("\n").split("\n")[-_TEXT_LINES:]:
        room = max(width - 6, 20)
        lines += [line[start : start + room] for start in range(0, len(line), room)] or [""]
    return "\n".join(lines[-_TEXT_LINES:])
