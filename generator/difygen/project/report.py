"""What came of a build, and how it is said: findings, a summary, a bar while it takes long.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from difygen.config import Config
from difygen.console import echo, is_terminal, say, say_error
from difygen.definitions.lockfile import LOCK_NAME, Lock
from difygen.diagnostics import Diagnostic, Location
from difygen.project.writer import path_in
from difygen.record import NOTHING, Record
from difygen.wording import count, count_each

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from difygen.diff.workflows import Change

Progress = Callable[[int, int], None]
"""What is called with how many of how many are done."""

_MANY = 40
"""From so many definitions on, progress is shown."""


class BuildReport(Record):
    """What a build did. Paths are relative to `output`.

    `kinds` has the word of each app for its kind; `hidden_warnings` counts those of definitions that did not
    change, which were shown when they did; `skipped` are files of folders that define no workflow; `notes` are nothing
    that is wrong, but worth to be told of definitions that are new or did change; `problem` says
    why nothing could be written; `runtime` says which runtime was written, where that was what to do; `lock` whether
    the lock was written, which is none of the files that are counted.
    """

    output: str
    kinds: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()
    hidden_warnings: int = 0
    skipped: tuple[Diagnostic, ...] = ()
    notes: tuple[Diagnostic, ...] = ()
    changes: tuple[Change, ...] = ()
    problem: str = ""
    runtime: str = ""
    lock: bool = False

    @property
    def failed(self) -> bool:
        """Whether a definition has errors, so that nothing was written."""
        return any(finding.severity == "error" for finding in self.diagnostics)

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 0 if all is well, 1 for files in the way (or for warnings, if `strict`), 2 for errors."""
        if self.failed:
            return 2
        return 1 if self.problem or (strict and self.diagnostics) else 0


class Package(Record):
    """What the folder should hold: `texts` to be written if they differ, and `kept`, which are known to be right."""

    report: BuildReport
    texts: Mapping[str, str] = NOTHING
    kept: Collection[str] = ()
    lock: Lock = Lock("", "")


def show_report(report: BuildReport, config: Config) -> None:
    """Print what a build did."""
    if config.output_format != "text":
        _show_to_machines(report, config)
        return
    show_findings(report, config.verbosity, strict=config.strict)
    if report.problem:
        say_error(report.problem)
    if config.verbosity < 0 or report.failed or report.problem:
        return
    if config.verbosity > 0:
        for path in _all_written(report):
            echo(f"wrote {path_in(report.output, path)}")
        for path in report.removed:
            echo(f"removed {path_in(report.output, path)}")
    echo(_summary(report))
    if report.changes:
        from difygen.diff.report import format_changes

        echo(format_changes(report.changes))


def _show_to_machines(report: BuildReport, config: Config) -> None:
    from difygen.diff.report import changes_as_json  # when there is somebody to read it
    from difygen.findings import show_findings as show

    more = {
        "output": report.output,
        "written": _all_written(report),
        "removed": [*report.removed],
        "unchanged": report.unchanged,
        **changes_as_json(report.changes),
    }
    ok = report.exit_code(strict=config.strict) == 0
    show(all_findings(report, config), config.output_format, "generate", ok=ok, more=more)


def all_findings(report: BuildReport, config: Config) -> list[Diagnostic]:
    """Return what there is to say about definitions, and why nothing could be written."""
    found = [*shown_findings(report, config.verbosity, strict=config.strict)]
    if config.verbosity > 0:
        found += [finding._replace(severity="note") for finding in report.skipped]
    if config.verbosity >= 0 and not report.failed:
        found += report.notes
    if report.problem:
        found.append(Diagnostic("error", "not-written", report.problem, Location(report.output)))
    return found


def shown_findings(report: BuildReport, verbosity: int, *, strict: bool) -> Iterator[Diagnostic]:
    """Yield what was found in the definitions: with `strict` all that was found, however quiet it is to be."""
    return (each for each in report.diagnostics if each.severity == "error" or verbosity >= 0 or strict)


def show_findings(report: BuildReport, verbosity: int, *, strict: bool) -> None:
    """Print what was found in the definitions."""
    for finding in shown_findings(report, verbosity, strict=strict):
        say(str(finding))
    for note in report.notes if verbosity >= 0 and not report.failed else ():
        say(str(note))
    if verbosity > 0:
        for finding in report.skipped:
            say(f"{finding.location}: skipped: {finding.message}")
    elif report.skipped and verbosity == 0:
        files = "1 file that defines" if len(report.skipped) == 1 else f"{len(report.skipped)} files that define"
        them = "it" if len(report.skipped) == 1 else "them"
        say(f"left out {files} no app (-v names {them})")


def _all_written(report: BuildReport) -> list[str]:
    return [*report.written, *([LOCK_NAME] if report.lock else [])]


def _summary(report: BuildReport) -> str:
    """Say in one line where, how many apps of which kind, what happened to the files."""
    numbers = ((len(report.written), "written"), (len(report.removed), "removed"), (report.unchanged, "unchanged"))
    done = ", ".join(f"{number:,} {what}" for number, what in numbers if number)
    nothing = f"nothing changed but {LOCK_NAME}" if report.lock else "nothing changed"
    files = done if report.written or report.removed else nothing
    line = f"{report.output}: {report.runtime or count_each(report.kinds) or count(0, 'app')}; files: {files}"
    if not report.hidden_warnings:
        return line
    return f"{line}\n{count(report.hidden_warnings, 'warning')} about unchanged definitions (--strict shows them)"


@contextmanager
def progress_bar(config: Config) -> Iterator[Progress | None]:
    """Give a function that shows a bar on a terminal, for work that takes long enough to be watched."""
    if config.verbosity < 0 or not is_terminal(sys.stderr):
        yield None
        return
    with ExitStack() as stack:
        shown: list[Bar] = []

        def show(done: int, total: int) -> None:
            if total < _MANY:
                return
            if not shown:
                from rich.console import Console  # when there is something to show
                from rich.progress import Progress as Bar

                shown.append(stack.enter_context(Bar(console=Console(stderr=True), transient=True)))
                shown[0].add_task("Reading definitions", total=total)
            shown[0].update(shown[0].task_ids[0], completed=done)

        yield show
