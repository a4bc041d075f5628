"""What was fetched, compared with the folder; written there, unless that was not asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from difygen.console import DefinitionProblem, UsageProblem
from difygen.diagnostics import Diagnostic, Location
from difygen.diff.rules import Change
from difygen.files import hash_bytes
from difygen.project.comparison import VersionError, definitions_version, diff
from difygen.publish import PublishError
from difygen.pull.choosing import ChosenApps
from difygen.pull.fetching import Fetched
from difygen.pull.files import FileChange, apply, assign_files, contents, locked_row, survey_files
from difygen.pull.lock import LockedDefinition, PullLock
from difygen.pull.plan import Plan
from difygen.pull.report import PullReport
from difygen.record import replace
from difygen.wording import count


def publish(plan: Plan, old: PullLock, new: PullLock, fetched: Fetched, choice: ChosenApps) -> PullReport:
    """Compare what was fetched with the folder, and write what differs, unless that was not asked for.

    `new` says where it came from.
    """
    options, config, folder = plan.options, plan.options.config, plan.folder
    files = assign_files(old, {app_id: fetched.apps[app_id].name for app_id in fetched.definitions})
    rows = {app_id: _row(folder, old, fetched, app_id, file) for app_id, file in files.items()}
    texts = {file: fetched.definitions[app_id].data for app_id, file in files.items()}
    wanted = {app_id: (file, texts[file]) for app_id, file in files.items()}
    changes = tuple(survey_files(folder, old, wanted, choice.gone))
    said = [*choice.findings, *_findings(plan, fetched, {**{key: row.file for key, row in old.apps.items()}, **files})]
    is_done = not (fetched.stopped or fetched.is_interrupted)
    is_written = not plan.is_dry and (is_done or bool(changes))  # no lock of what nobody told
    unwritten = _write(plan, old, replace(new, apps=rows), changes, texts) if is_written else []
    return PullReport(
        folder=folder,
        files=changes,
        rows={**old.apps, **rows},
        words={app_id: fetched.apps[app_id].word for app_id in files},
        findings=(*said, *unwritten),
        is_dry=plan.is_dry,
        is_pruning=config.prune,
        is_done=is_done,
        is_settled=not unwritten,
        changes=_changes(folder, old, texts, choice.gone) if options.diff else None,
    )


def _write(
    plan: Plan, old: PullLock, new: PullLock, changes: Sequence[FileChange], texts: Mapping[str, bytes]
) -> list[Diagnostic]:
    """Write and remove files, and return what stood in the way: then nothing was written at all."""
    config, folder = plan.options.config, plan.folder
    meant = [each for each in changes if each.what != "removed" or config.prune]
    if not config.force and (blocked := [each for each in meant if each.blocked]):
        hint = "Use --force to overwrite it, or move it away. Nothing was written."
        return [
            Diagnostic("error", "in-the-way", f"The file {each.blocked}.", Location(f"{folder}/{each.file}"), hint)
            for each in blocked
        ]
    pruned = {each.app_id: each.file for each in meant if each.what == "removed"}
    kept = {app_id: row for app_id, row in old.apps.items() if app_id not in pruned}
    write = {each.file: texts[each.file] for each in meant if each.what in ("new", "changed")}
    remove = [file for file in pruned.values() if contents(folder, file) is not None]
    lock = replace(new, apps={**kept, **new.apps})
    try:
        apply(folder, old, lock, write, remove, seen=None if config.force else old)
    except PublishError as problem:
        return [Diagnostic("error", "not-written", f"{problem}.", Location(folder))]
    return []


def _row(folder: str, old: PullLock, fetched: Fetched, app_id: str, file: str) -> LockedDefinition:
    """Return what the lock is to say of an app: what it said, where nothing has changed."""
    app, found, before = fetched.apps[app_id], fetched.definitions[app_id], old.apps.get(app_id)
    is_edited = before is not None and before.state == "parameters" and contents(folder, file) == found.data
    row = LockedDefinition(
        file=file,
        name=app.name,
        mode=app.mode,
        state=found.state,
        version=found.version,
        hash=before.hash if before is not None and is_edited else hash_bytes(found.data),
        pulled=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    return locked_row(before, row)


def _findings(plan: Plan, fetched: Fetched, files: Mapping[str, str]) -> list[Diagnostic]:
    """Return what is to be said of apps, at their files where they have one, and why the rest was not fetched."""
    found = [
        finding._replace(location=Location(f"{plan.folder}/{files[app_id]}" if app_id in files else ""))
        for app_id, finding in fetched.findings
    ]
    if fetched.stopped is None and not fetched.is_interrupted:
        return found
    done, total = len(fetched.definitions), len(fetched.apps)
    kept = "" if plan.is_dry or not done else " What came is written as a whole; run it again to go on with the rest."
    if fetched.stopped is None:
        message, hint = f"Interrupted after {done} of {count(total, 'app')}.{kept}", ""
    else:
        message = f"Stopped after {done} of {count(total, 'app')}: {fetched.stopped.message}{kept}"
        hint = fetched.stopped.hint
    return [*found, Diagnostic("error", "stopped", message, Location(""), hint)]


def _changes(folder: str, old: PullLock, texts: Mapping[str, bytes], gone: Collection[str]) -> tuple[Change, ...]:
    """Return what changes for callers from the files that are there to what was fetched, as `difygen diff` judges."""
    there = {row.file: contents(folder, row.file) for row in old.apps.values()}
    before = {file: data for file, data in there.items() if isinstance(data, bytes)}
    removed = {old.apps[app_id].file for app_id in gone}
    after = {**{file: data for file, data in before.items() if file not in removed}, **texts}
    try:
        return diff(definitions_version(before), definitions_version(after))
    except VersionError as error:
        if not error.diagnostics:
            raise UsageProblem(f"{error}.") from error
        placed = (each.location._replace(file=f"{folder}/{each.location.file}") for each in error.diagnostics)
        pairs = zip(error.diagnostics, placed, strict=True)
        raise DefinitionProblem(*(each._replace(location=place) for each, place in pairs)) from error
