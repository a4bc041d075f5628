"""Whether a package is what its definitions give: generated anew, and compared with what is there. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import unified_diff
from itertools import islice, zip_longest
from typing import Literal, NamedTuple

from difygen.config import Config
from difygen.console import echo, say_error
from difygen.definitions.lockfile import LOCK_NAME, Lock, LockError, read_lock
from difygen.diagnostics import Diagnostic, Location
from difygen.files import read_file
from difygen.project.build import prepare, read_stdin
from difygen.project.report import BuildReport, Progress, all_findings, progress_bar, show_findings
from difygen.project.request import resolve
from difygen.project.writer import EDITED, FOREIGN, Survey, path_in, survey, survey_file
from difygen.wording import visible

MAX_LINES = 60
"""Lines of differences that are shown of one file."""

MAX_FILES = 10
"""Files whose differences are shown line by line."""


State = Literal["MISSING", "EXTRA", "OUTDATED", "EDITED", "BLOCKED"]

_RERUN = "Run difygen again to bring the package up to date."
_FORCE = "Run difygen with --force to overwrite it, or move it away."
_MEANING: dict[State, str] = {
    "MISSING": "The definitions give this file, and it is not there.",
    "EXTRA": "difygen wrote this file, and the definitions no longer give it.",
    "OUTDATED": "It is not what the definitions give.",
    "EDITED": "It is not what the definitions give, nor what difygen wrote.",
    "BLOCKED": "It is in the way.",
}
_REMEDY: dict[State, str] = {
    "MISSING": _RERUN,
    "EXTRA": _RERUN,
    "OUTDATED": _RERUN,
    "EDITED": _FORCE,
    "BLOCKED": "Move it away, or choose another output.",
}


class Difference(NamedTuple):
    """A file that is not as it should be; `why` is the rest of a sentence about it, where there is more to say."""

    state: State
    path: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What differs.

    `texts` is what the files should hold; `lock` says why the lock has to be written again, if it has to.
    """

    report: BuildReport
    survey: Survey = field(default_factory=Survey)
    texts: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    lock: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return self.survey.is_clean and not self.lock and not self.report.problem

    def exit_code(self, *, strict: bool = False) -> int:
        """0 if nothing differs, 1 if something does (or for warnings, if `strict`), 2 if a definition has errors."""
        return self.report.exit_code(strict=strict) or (0 if self.is_clean else 1)

    def differences(self) -> Iterator[Difference]:
        """Yield what differs, file by file."""
        edited = {one.path for one in self.survey.refused if one.why in (EDITED, FOREIGN)}
        for path in self.survey.missing:
            yield Difference("MISSING", path)
        for path in self.survey.stale:
            yield Difference("EXTRA", path)
        for path in self.survey.changed:
            yield Difference("EDITED" if path in edited else "OUTDATED", path)
        for one in self.survey.refused:
            if one.path not in {*self.survey.changed, *self.survey.stale}:
                yield Difference("BLOCKED", one.path, one.why)
        if self.lock and self.survey.is_clean:
            yield Difference("OUTDATED", LOCK_NAME, self.lock)

    @property
    def is_not_there(self) -> bool:
        """Whether there is nothing of the package yet."""
        return len(self.survey.missing) == len(self.texts) > 1 and not self.survey.refused

    def lines(self) -> Iterator[str]:
        """Yield what differs, with as much of it as can be read."""
        if self.is_not_there:
            yield f"MISSING  {self.report.output} is not there yet. Run difygen without `check` to write it."
            return
        for one in self.differences():
            yield f"{one.state:<8} {self._at(one.path)} {one.why}".rstrip()
        for path in self.survey.changed[:MAX_FILES]:
            yield from self._difference(path)
        more = len(self.survey.changed) - MAX_FILES
        if more > 0:
            yield f"... and {more} more files"
        yield _RERUN

    def findings(self) -> Iterator[Diagnostic]:
        """Yield what differs as findings, at the first line that does."""
        if self.is_not_there:
            message, hint = "The package is not there yet.", "Run difygen without `check` to write it."
            yield Diagnostic("error", "missing", message, Location(self.report.output), hint)
            return
        for state, path, why in self.differences():
            line = self._first_difference(path) if path in self.survey.changed else 0
            message = f"It {why}." if why else _MEANING[state]
            place = Location(self._at(path), line, 1 if line else 0)
            yield Diagnostic("error", state.lower(), message, place, _REMEDY[state])

    def _first_difference(self, path: str) -> int:
        """Return the number of the first line that is not as generated, and 0 where the file cannot be read."""
        try:
            data = read_file(path_in(self.folder, path), follow=False)
        except OSError:
            return 0
        lines = data.decode(errors="replace").splitlines(), self.texts[path].splitlines()
        differs = (number for number, (one, other) in enumerate(zip_longest(*lines), 1) if one != other)
        return min(next(differs, 1), len(lines[0]) or 1)

    def _at(self, path: str) -> str:
        return path_in(self.report.output, path)

    def _difference(self, path: str) -> Iterator[str]:
        try:
            data = read_file(path_in(self.folder, path), follow=False)
        except OSError:
            return
        lines = list(
            islice(
                unified_diff(
                    data.decode(errors="replace").splitlines(),
                    self.texts[path].splitlines(),
                    self._at(path),
                    "as generated",
                    lineterm="",
                    n=2,
                ),
                MAX_LINES + 1,
            )
        )
        yield from (visible(line) for line in lines[:MAX_LINES])
        if len(lines) > MAX_LINES:
            yield "... (more lines differ)"


def run_check(config: Config) -> int:
    """Say nothing and return 0 if the output is what the sources give; print what differs and return 1 if not."""
    with progress_bar(config) as progress:
        found = check(config, progress=progress, stdin=read_stdin(config))
    _show(found, config)
    return found.exit_code(strict=config.strict)


def _show(found: CheckReport, config: Config) -> None:
    quiet = found.is_clean and not config.strict
    if config.output_format != "text":
        from difygen.findings import show_findings as show  # when there is a machine to read it

        findings = [*all_findings(found.report, config), *found.findings()]
        ok = found.exit_code(strict=config.strict) == 0
        show(findings, config.output_format, "check", ok=ok, more={"output": found.report.output})
        return
    show_findings(found.report, -1 if quiet else config.verbosity, strict=config.strict)
    if found.report.problem:
        say_error(found.report.problem)
    if config.verbosity < 0 or found.report.failed or found.is_clean:
        return
    for line in found.lines():
        echo(line)


def check(config: Config, *, progress: Progress | None = None, stdin: bytes = b"") -> CheckReport:
    """Compare the output with what the sources give.

    Trusts no hash of the lock: every definition is read and every file generated.
    """
    request, problems = resolve(config, trusting=False, stdin=stdin, progress=progress)
    if problems:
        return CheckReport(BuildReport(request.shown, diagnostics=tuple(problems)))
    lock, problem = (None, "") if config.options.single_file else _read_lock(request.folder)
    package = prepare(request, lock)
    if package.report.failed:
        return CheckReport(package.report)
    if config.options.single_file:
        found = survey_file(request.shown, package.texts[""])
        return CheckReport(package.report, found, package.texts, request.shown)
    found = survey(request.folder, package.texts, (), lock)
    problem = problem or _lock_differs(lock, package.lock)
    return CheckReport(package.report, found, package.texts, request.folder, problem)


def _read_lock(folder: str) -> tuple[Lock | None, str]:
    try:
        return read_lock(folder)[0], ""
    except LockError as error:
        return None, f"cannot be used: {error}"
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"


def _lock_differs(old: Lock | None, new: Lock) -> str:
    """Return why the lock has to be written again.

    That a definition was only rearranged, or difygen updated, is no reason.
    """
    if old is None:
        return "is missing"
    if dict(old.files) != dict(new.files):
        return "does not know the files"
    before = {module: one.source for module, one in old.apps.items()}
    if before != {module: one.source for module, one in new.apps.items()} or old.contracts != new.contracts:
        return "does not know the apps"
    return ""
