"""What came of a pull, and how it is said: findings, files, a summary, progress while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from difygen.config import OutputFormat
from difygen.console import echo, is_terminal, one_line, say
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.diff.changes import changes_as_findings, changes_as_json, format_changes
from difygen.findings import show_findings
from difygen.model import JsonValue
from difygen.pull.folder import LOCK_NAME, FileChange, LockedDefinition
from difygen.record import NOTHING, Record
from difygen.wording import count, count_each, quoted, shorten

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from difygen.diff.changes import Change

_STATES = {
    "published": "published version",
    "draft": "draft",
    "configuration": "as it is configured",
    "parameters": "inputs alone, as its key tells them",
}


class PullReport(Record, kw_only=True):
    """What a pull did, or would do, to a folder.

    `rows` say of each app, by its id, what its file holds; `words` its kind. `is_done` is false where something is
    missing: an app that was not given, files in the way, an end before the last app; `is_settled` is false where the
    folder is not as `files` say, since nothing could be written. `changes` are those for callers, if they are wanted.
    """

    folder: str
    server: str = ""
    server_version: str = ""
    workspace: str = ""
    files: tuple[FileChange, ...] = ()
    rows: Mapping[str, LockedDefinition] = NOTHING
    words: Mapping[str, str] = NOTHING
    findings: tuple[Diagnostic, ...] = ()
    is_dry: bool = False
    is_pruning: bool = False
    is_done: bool = True
    is_settled: bool = True
    changes: tuple[Change, ...] | None = None

    @property
    def differs(self) -> bool:
        """Whether the server has something else than the folder."""
        return any(each.what != "unchanged" for each in self.files)


def show_report(report: PullReport, output_format: OutputFormat, verbosity: int, *, ok: bool) -> None:
    """Print what a pull did, or would do."""
    if output_format != "text":
        _show_to_machines(report, output_format, ok=ok)
        return
    for finding in report.findings:
        if finding.severity == "error" or verbosity >= 0:
            text = str(finding)
            say(text if finding.location.file else text.removeprefix(": "))
    if report.changes is not None:
        echo(format_changes(report.changes))
    if verbosity < 0:
        return
    if report.is_dry or verbosity > 0:
        for each in report.files:
            if each.what != "unchanged" or verbosity > 0:
                echo(_line(each, report))
    if report.server and report.is_settled and not (report.is_dry and report.differs):
        echo(_summary(report))


def _show_to_machines(report: PullReport, output_format: OutputFormat, *, ok: bool) -> None:
    files: list[JsonValue] = [
        {
            "file": f"{report.folder}/{each.file}",
            "what": each.what,
            "blocked": each.blocked or None,
            "app": each.app_id,
            "name": (row := report.rows[each.app_id]).name,
            "mode": row.mode,
            "state": row.state,
            "version": row.version or None,
        }
        for each in report.files
    ]
    more: dict[str, JsonValue] = {"folder": report.folder, "files": files}
    more |= {
        "server": report.server or None,
        "server_version": report.server_version or None,
        "workspace": report.workspace or None,
    }
    notices = [
        Diagnostic("note", f"file-{each.what}", _line(each, report), Location(f"{report.folder}/{each.file}"))
        for each in report.files
        if each.what != "unchanged"
    ]
    if report.changes is not None:
        more |= changes_as_json(report.changes)
        notices += changes_as_findings(report.changes, {})
    show_findings(report.findings, output_format, "pull", ok=ok, more=more, notices=notices)


def _line(change: FileChange, report: PullReport) -> str:
    row = report.rows[change.app_id]
    state = _STATES[row.state]
    version = f" {row.version[:8]}" if row.version else ""
    word = report.words.get(change.app_id) or "app"
    if change.what == "removed":
        kept = "" if report.is_pruning else ", which --prune removes"
        return f"{change.what:<9} {report.folder}/{change.file} ({word} {quoted(row.name)}{kept})"
    but = f"; the file {change.blocked}" if change.blocked else ""
    return f"{change.what:<9} {report.folder}/{change.file} ({word} {quoted(row.name)}, {state}{version}{but})"


def _summary(report: PullReport) -> str:
    """Say in one line where, how many apps of which kind, from where, and what happened to the files."""
    happened = [each.what for each in report.files if each.what != "removed" or report.is_pruning]
    counted = [f"{happened.count(what):,} {what}" for what in ("new", "changed", "removed", "unchanged")]
    files = ", ".join(each for each in counted if not each.startswith("0 "))
    if not files or not {"new", "changed", "removed"} & set(happened):
        files = "nothing changed"
    kinds = count_each(report.words.values()) or count(0, "app")
    drafts = sum(report.rows[app_id].state == "draft" for app_id in report.words)
    as_drafts = f", {count(drafts, 'draft')} among them," if drafts else ""
    release = f" (Dify {report.server_version})" if report.server_version else ""
    workspace = f"{quoted(report.workspace)} at " if report.workspace else ""
    return f"{report.folder}: {kinds}{as_drafts} of {workspace}{report.server}{release}; files: {files}"


@contextmanager
def progress_of(verbosity: int) -> Iterator[Callable[[int, int, str], None]]:
    """Give a function that shows which of how many apps is fetched: a bar on a terminal, nothing elsewhere."""
    with ExitStack() as stack:
        shown: list[Bar] = []

        def show(done: int, total: int, name: str) -> None:
            if verbosity < 0 or not is_terminal(sys.stderr):
                return
            if not shown:
                from rich.console import Console  # when there is something to show
                from rich.progress import Progress as Bar
                from rich.progress import TextColumn

                columns = TextColumn("{task.description}", markup=False), *Bar.get_default_columns()[1:]
                shown.append(stack.enter_context(Bar(*columns, console=Console(stderr=True), transient=True)))
                shown[0].add_task("", total=total)
            shown[0].update(shown[0].task_ids[0], completed=done, description=shorten(one_line(name), 30))

        yield show


def unreadable_lock(folder: str, why: str) -> Diagnostic:
    """Return the finding about a lock that cannot be used."""
    hint = "Restore it from version control, or use --force to write it anew."
    return Diagnostic("error", "bad-lock", f"The lock cannot be used: {why}.", Location(f"{folder}/{LOCK_NAME}"), hint)


def all_well(report: PullReport) -> bool:
    """Check whether all that was asked for is there."""
    return report.is_done and not has_errors(report.findings)
