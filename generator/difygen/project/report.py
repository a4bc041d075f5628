"""What came of a build, and how it is said: findings, a summary, a bar while it takes long.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from difygen.config import Config
from difygen.console import echo, is_terminal, say, say_error
from difygen.definitions.lockfile import LOCK_NAME
from difygen.diagnostics import Diagnostic, Location
from difygen.publish import Destination, Survey, path_in
from difygen.record import Record, replace
from difygen.wording import count, count_each

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from difygen.diff.changes import Change
    from difygen.model import JsonValue

Progress = Callable[[int, int], None]
"""What is called with how many of how many are done."""

_MANY = 40
"""From so many definitions on, progress is shown."""


class WrittenFolder(Record):
    """What was done to a folder of documents. Paths are relative to `output`."""

    output: str
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    lock: bool = False


class BuildReport(Record):
    """What a build did. Paths are relative to `output`, the package.

    `kinds` has the word of each app for its kind; `hidden_warnings` counts those of definitions that did not
    change, which were shown when they did; `skipped` are files of folders that define no workflow; `notes` are nothing
    that is wrong, but worth to be told of definitions that are new or did change; `problem` says
    why nothing could be written; `runtime` says which runtime was written, where that was what to do; `lock` whether
    the lock was written, which is none of the files that are counted. `documents` says the same of folders of
    documents; `only_documents` that there was nothing else to do.
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
    documents: tuple[WrittenFolder, ...] = ()
    only_documents: bool = False

    @property
    def folders(self) -> tuple[BuildReport | WrittenFolder, ...]:
        """The package and all folders of documents."""
        return self.documents if self.only_documents else (self, *self.documents)

    @property
    def failed(self) -> bool:
        """Whether a definition has errors, so that nothing was written."""
        return any(finding.severity == "error" for finding in self.diagnostics)

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 0 if all is well, 1 for files in the way (or for warnings, if `strict`), 2 for errors."""
        if self.failed:
            return 2
        return 1 if self.problem or (strict and self.diagnostics) else 0


class BuildPlan(Record):
    """What outputs are to hold, and the report on it, which is all there is where a definition has errors.

    The package is the first of them.
    """

    report: BuildReport
    outputs: tuple[Destination, ...] = ()


def reported(report: BuildReport, outputs: Sequence[Destination], surveys: Sequence[Survey]) -> BuildReport:
    """Return the report with what was done to each of the outputs."""
    found = []
    for output, survey in zip(outputs, surveys, strict=True):
        written = tuple(sorted((*survey.missing, *survey.changed)))
        unchanged = (len(output.lock.files) if output.lock else 1) - len(written)
        found.append(WrittenFolder(output.path, written, survey.stale, unchanged, survey.lock))
    if report.only_documents:
        return replace(report, documents=tuple(found))
    package, *documents = found
    return replace(report, documents=tuple(documents), **vars(package))


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
    for folder in report.folders if config.verbosity > 0 else ():
        for path in _all_written(folder):
            echo(f"wrote {path_in(folder.output, path)}")
        for path in folder.removed:
            echo(f"removed {path_in(folder.output, path)}")
    for folder in report.folders:
        echo(_summary(folder))
    if report.hidden_warnings:
        echo(f"{count(report.hidden_warnings, 'warning')} about unchanged definitions (--strict shows them)")
    if report.changes:
        from difygen.diff.changes import format_changes

        echo(format_changes(report.changes))


def _show_to_machines(report: BuildReport, config: Config) -> None:
    from difygen.diff.changes import changes_as_json  # both when there is somebody to read it: most runs have nobody
    from difygen.findings import show_findings as show

    more = {**_facts(report), **changes_as_json(report.changes), "documents": [*map(_facts, report.documents)]}
    ok = report.exit_code(strict=config.strict) == 0
    show(all_findings(report, config), config.output_format, "generate", ok=ok, more=more)


def _facts(folder: BuildReport | WrittenFolder) -> dict[str, JsonValue]:
    return {
        "output": folder.output,
        "written": _all_written(folder),
        "removed": [*folder.removed],
        "unchanged": folder.unchanged,
    }


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


def _all_written(folder: BuildReport | WrittenFolder) -> list[str]:
    return [*folder.written, *([LOCK_NAME] if folder.lock else [])]


def _summary(folder: BuildReport | WrittenFolder) -> str:
    """Say in one line where, how many apps of which kind or documents, what happened to the files."""
    if isinstance(folder, BuildReport):
        what = folder.runtime or count_each(folder.kinds) or count(0, "app")
    else:
        what = count(len(folder.written) + folder.unchanged, "document")
    return summary_line(
        folder.output, what, len(folder.written), len(folder.removed), folder.unchanged, lock=folder.lock
    )


def summary_line(output: str, what: str, written: int, removed: int, unchanged: int = 0, *, lock: bool) -> str:
    """Say in one line what an output is and how many of its files were written; `lock` is whether that was, too."""
    numbers = ((written, "written"), (removed, "removed"), (unchanged, "unchanged"))
    done = ", ".join(f"{number:,} {word}" for number, word in numbers if number)
    nothing = f"nothing changed but {LOCK_NAME}" if lock else "nothing changed"
    return f"{output}: {what}; files: {done if written or removed else nothing}"


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
