"""Whether outputs are what their definitions give: generated anew, and compared with what is there. Writes nothing."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from contextlib import suppress
from difflib import unified_diff
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Literal, NamedTuple

from difygen import __version__
from difygen.codegen.runtime import parts_for, runtime_files
from difygen.codegen.syntax import LINE_LENGTH
from difygen.config import Config
from difygen.console import echo, say_error
from difygen.definitions.lockfile import LOCK_NAME, Lock, LockError, read_lock
from difygen.diagnostics import Diagnostic, Location
from difygen.files import hash_bytes, read_file
from difygen.project.build import prepare, read_stdin
from difygen.project.report import BuildReport, Progress, all_findings, progress_bar, show_findings
from difygen.project.request import OutputState, Request, resolve, wrong_place
from difygen.publish import EDITED, FOREIGN, Destination, Survey, path_in, survey_output
from difygen.record import Record, replace
from difygen.wording import visible

MAX_LINES = 60
"""Lines of differences that are shown of one file."""

MAX_FILES = 10
"""Files whose differences are shown line by line."""


if TYPE_CHECKING:
    from difygen.model import JsonValue

State = Literal["MISSING", "EXTRA", "OUTDATED", "EDITED", "BLOCKED"]

_RERUN = "Run difygen again to bring the package up to date."
_FORCE_EDITED = (
    "difygen replaces no file that somebody edited, or that is not its own: move it away and run difygen again, "
    "or run it with --force to overwrite it."
)
_CLEAR_WAY = "difygen writes nothing while something is in the way: move it away, or choose another output."
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
    """A file that is not as it should be; `why` is the rest of a sentence about it, where there is more to say.

    `path` starts at the current folder; `text` is what the file should hold, if it is there and should.
    """

    state: State
    path: str
    why: str = ""
    text: str | None = None


class CheckedOutput(Record):
    """An output as it should be, what differs, and why its lock has to be written again, if it has to."""

    output: Destination
    survey: Survey
    lock: str = ""

    @property
    def is_not_there(self) -> bool:
        """Whether there is nothing of it yet."""
        texts, survey = self.output.texts, self.survey
        return bool(self.output.lock and texts) and len(survey.missing) == len(texts) and not survey.refused

    def differences(self) -> Iterator[Difference]:
        """Yield what differs, file by file."""
        survey, texts = self.survey, self.output.texts
        edited = {one.path for one in survey.refused if one.why in (EDITED, FOREIGN)}
        for path in survey.missing:
            yield Difference("MISSING", self._at(path))
        for path in survey.stale:
            yield Difference("EXTRA", self._at(path))
        for path in survey.changed:
            yield Difference("EDITED" if path in edited else "OUTDATED", self._at(path), text=texts[path])
        for one in survey.refused:
            if one.path not in {*survey.changed, *survey.stale}:
                yield Difference("BLOCKED", self._at(one.path), one.why)
        if self.lock and survey.is_clean:
            yield Difference("OUTDATED", self._at(LOCK_NAME), self.lock)

    def _at(self, path: str) -> str:
        return path_in(self.output.path, path)


class CheckReport(Record):
    """What differs, output by output."""

    report: BuildReport
    checked: tuple[CheckedOutput, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not self.report.problem and all(each.survey.is_clean and not each.lock for each in self.checked)

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 0 if nothing differs, 1 if something does (or warnings, if `strict`), 2 if a definition has errors."""
        return self.report.exit_code(strict=strict) or (0 if self.is_clean else 1)

    def lines(self) -> Iterator[str]:
        """Yield what differs, with as much of it as can be read."""
        found: list[Difference] = []
        for each in self.checked:
            if each.is_not_there:
                yield f"MISSING  {each.output.path} is not there yet. Run difygen without `check` to write it."
            else:
                found += each.differences()
        for one in found:
            yield f"{one.state:<8} {one.path} {one.why}".rstrip()
        changed = [one for one in found if one.text is not None]
        for one in changed[:MAX_FILES]:
            yield from _difference(one)
        if len(changed) > MAX_FILES:
            yield f"... and {len(changed) - MAX_FILES} more files"
        reasons = {one.why for each in self.checked for one in each.survey.refused}
        if reasons & {EDITED, FOREIGN}:
            yield _FORCE_EDITED
        if reasons - {EDITED, FOREIGN}:
            yield _CLEAR_WAY
        if found and not reasons:
            yield _RERUN

    def findings(self) -> Iterator[Diagnostic]:
        """Yield what differs as findings, at the first line that does."""
        for each in self.checked:
            if each.is_not_there:
                what = "documents are" if each.output.lock and each.output.lock.package else "package is"
                message, hint = f"The {what} not there yet.", "Run difygen without `check` to write it."
                yield Diagnostic("error", "missing", message, Location(each.output.path), hint)
                continue
            for one in each.differences():
                line = _first_difference(one) if one.text is not None else 0
                message = f"It {one.why}." if one.why else _MEANING[one.state]
                place = Location(one.path, line, 1 if line else 0)
                yield Diagnostic("error", one.state.lower(), message, place, _REMEDY[one.state])


def _first_difference(one: Difference) -> int:
    """Return the number of the first line that is not as generated, and 0 where the file cannot be read."""
    old, new = _compared(one)
    differs = (number for number, (left, right) in enumerate(zip_longest(old, new), 1) if left != right)
    return min(next(differs, 1), len(old) or 1) if new else 0


def _difference(one: Difference) -> Iterator[str]:
    old, new = _compared(one)
    lines = list(islice(unified_diff(old, new, one.path, "as generated", lineterm="", n=2), MAX_LINES + 1))
    yield from (visible(line) for line in lines[:MAX_LINES])
    if len(lines) > MAX_LINES:
        yield "... (more lines differ)"


def _compared(one: Difference) -> tuple[list[str], list[str]]:
    """Return the lines of a file, and those that it should have; none if it cannot be read."""
    try:
        data = read_file(one.path, follow=False)
    except OSError:
        return [], []
    return data.decode(errors="replace").splitlines(), (one.text or "").splitlines()


def run_check(config: Config, only: str = "") -> int:
    """Say nothing and return 0 if all outputs are what the sources give; print what differs and return 1 if not.

    With `only`, the key of a target, look at documents of that alone.
    """
    with progress_bar(config) as progress:
        found = check(config, progress=progress, stdin=read_stdin(config), only=only)
    _show(found, config)
    return found.exit_code(strict=config.strict)


def _show(found: CheckReport, config: Config) -> None:
    quiet = found.is_clean and not config.strict
    if config.output_format != "text" or config.report:
        from difygen import findings as machines  # when there is a machine to read it: 9 modules

        findings = [*all_findings(found.report, config), *found.findings()]
        ok = found.exit_code(strict=config.strict) == 0
        more: dict[str, JsonValue] = {"output": found.report.output}
        if config.report:
            machines.write_report(config.report, findings, "check", ok=ok, more=more)
        if config.output_format != "text":
            machines.show_findings(findings, config.output_format, "check", ok=ok, more=more)
            return
    show_findings(found.report, -1 if quiet else config.verbosity, strict=config.strict)
    if found.report.problem:
        say_error(found.report.problem)
    if config.verbosity < 0 or found.report.failed or found.is_clean:
        return
    for line in found.lines():
        echo(line)


def check(config: Config, *, progress: Progress | None = None, stdin: bytes = b"", only: str = "") -> CheckReport:
    """Compare all outputs with what the sources give.

    Trusts no hash of a lock: every definition is read and every file generated, but for the layout of the runtime.
    """
    request, problems = resolve(config, trusting=False, stdin=stdin, progress=progress, only=only)
    if problems:
        return CheckReport(BuildReport(request.shown, diagnostics=tuple(problems)))
    locks = {path: _read_lock(path) if path else (OutputState(), "") for path in request.folders}
    package, *documents = states = [lock for lock, _ in locks.values()]
    if problem := wrong_place(request, states):
        return CheckReport(BuildReport(request.shown, problem=problem))
    plan = prepare(request, replace(package, kept=_laid_out(request, package.lock)), documents)
    checked = []
    for output in plan.outputs:
        _, problem = locks.get(output.path, (None, ""))
        if output.lock:
            problem = problem or _lock_differs(output.old, output.lock)
        checked.append(CheckedOutput(output, survey_output(output), problem))
    return CheckReport(plan.report, tuple(checked))


def _laid_out(request: Request, lock: Lock | None) -> set[str]:
    """Return the files of the runtime that need not be laid out again, for which black takes ten seconds.

    They are what difygen wrote with these settings if the lock is right, and the same program as ours if it is not.
    """
    is_usual = request.config.options.line_length == LINE_LENGTH
    if is_usual or lock is None or (lock.generator, lock.options) != (__version__, request.fingerprint):
        return set()
    found = set()
    for path, text in runtime_files(parts_for(one.mode for one in lock.apps.values())).items():
        with suppress(OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # whatever stands there
            data = read_file(os.path.join(request.folder, path), follow=False)
            if lock.wrote(path, hash_bytes(data)) and ast.dump(ast.parse(data)) == ast.dump(ast.parse(text)):
                found.add(path)
    return found


def _read_lock(folder: str) -> tuple[OutputState, str]:
    try:
        return OutputState(*read_lock(folder)), ""
    except LockError as error:
        return OutputState(), f"cannot be used: {error}"
    except OSError as error:
        return OutputState(), f"cannot be read: {error.strerror}"


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
