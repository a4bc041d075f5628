"""The commands `generate` and `check`: build or compare, and say what came of it. All decisions are made in `build`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import click

from difygen.options import Options
from difygen.project.package import build, build_runtime
from difygen.project.publish import place
from difygen.project.request import BuildReport, Job
from difygen.project.sources import STDIN

if TYPE_CHECKING:
    from difygen.project.check import CheckReport
    from difygen.project.workers import Progress

QUIET, NORMAL, VERBOSE = -1, 0, 1
_MANY = 40
"""From so many definitions on, progress is shown."""


def run_generate(job: Job) -> int:
    """Generate, and print what was done: findings to stderr, a summary to stdout. Returns the exit code."""
    with _Progress(job.verbosity) as progress:
        report = build(job, progress=progress.tell, stdin=_read_stdin(job.sources))
    show_report(report, job.verbosity, strict=job.strict)
    return report.exit_code(strict=job.strict)


def run_check(job: Job) -> int:
    """Say nothing and return 0 if the output is what the sources give; print what differs and return 1 if not."""
    from difygen.project.check import check

    with _Progress(job.verbosity) as progress:
        report = check(job, progress=progress.tell, stdin=_read_stdin(job.sources))
    _show_check(report, job.verbosity, strict=job.strict)
    return report.exit_code(strict=job.strict)


def run_runtime(folder: str, options: Options, *, force: bool = False, verbosity: int = NORMAL) -> int:
    """Write the runtime alone, for packages that share it. Returns the exit code."""
    report = build_runtime(os.path.normpath(folder), options, force=force)
    show_report(report, verbosity)
    return report.exit_code()


def show_report(report: BuildReport, verbosity: int = NORMAL, *, strict: bool = False) -> None:
    """Print what a build did."""
    _show_findings(report, verbosity, strict=strict)
    if report.problem:
        click.echo(f"{click.style('error:', fg='red')} {report.problem}", err=True)
    if verbosity == QUIET or report.failed or report.problem:
        return
    if verbosity == VERBOSE:
        for path in report.written:
            click.echo(f"wrote {place(report.output, path)}")
        for path in report.removed:
            click.echo(f"removed {place(report.output, path)}")
    click.echo(_summary(report))
    if report.changes:
        from difygen.diff.report import format_changes

        click.echo(format_changes(report.changes))


def _show_findings(report: BuildReport, verbosity: int, *, strict: bool) -> None:
    for finding in report.diagnostics:
        if finding.severity == "error" or verbosity != QUIET or strict:
            click.echo(str(finding), err=True)
    if verbosity == VERBOSE:
        for finding in report.skipped:
            click.echo(f"{finding.location}: skipped: {finding.message}", err=True)
    elif report.skipped and verbosity != QUIET:
        count = len(report.skipped)
        files = "1 file that defines" if count == 1 else f"{count} files that define"
        click.echo(f"left out {files} no workflow (-v names {'it' if count == 1 else 'them'})", err=True)


def _summary(report: BuildReport) -> str:
    """One line: where, how many workflows, what happened to the files."""
    parts = ((len(report.written), "written"), (len(report.removed), "removed"), (report.unchanged, "unchanged"))
    done = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    files = done if report.written or report.removed else "nothing changed"
    line = f"{report.output}: {report.runtime or _count(len(report.modules), 'workflow')}; files: {files}"
    if not report.hidden_warnings:
        return line
    return f"{line}\n{_count(report.hidden_warnings, 'warning')} about unchanged definitions (--strict shows them)"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _show_check(report: CheckReport, verbosity: int, *, strict: bool) -> None:
    _show_findings(report.report, QUIET if report.is_clean and not strict else verbosity, strict=strict)
    if report.report.problem:
        click.echo(report.report.problem, err=True)
    if verbosity == QUIET or report.report.failed or report.is_clean:
        return
    for line in report.lines():
        click.echo(line)


def _read_stdin(sources: Sequence[str]) -> bytes:
    return sys.stdin.buffer.read() if STDIN in sources else b""


class _Progress:
    """A progress bar on a terminal, for work that takes long enough to be watched. Imports rich when there is something to show."""

    def __init__(self, verbosity: int) -> None:
        self._shown = verbosity != QUIET and sys.stderr.isatty()
        self._bar: object = None
        self.tell: Progress | None = self._tell if self._shown else None

    def _tell(self, done: int, total: int) -> None:
        if total < _MANY:
            return
        from rich.console import Console
        from rich.progress import Progress as Bar

        if not isinstance(self._bar, Bar):
            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.add_task("Reading definitions", total=total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        stop = getattr(self._bar, "stop", None)
        if stop:
            stop()
