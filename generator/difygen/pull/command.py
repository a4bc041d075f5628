"""The command `difygen pull`, top-down: sign in, list, choose, fetch, compare with the folder, write, say."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from difygen.comparison import Version, VersionError, definitions_version, diff
from difygen.config import Config
from difygen.console import FAILED, INTERRUPTED, OK, WRONG, UsageProblem, finish, say
from difygen.definitions.lockfile import LockError
from difygen.diagnostics import Diagnostic, Location
from difygen.files import hash_bytes
from difygen.findings import OutputFormat
from difygen.project.writer import PublishError
from difygen.pull.access import WORKSPACE, Access, Asked, Way, ask_password, find_access, find_server, service_api
from difygen.pull.app_key import PREFIX, KeyOptions, fetch_by_keys
from difygen.pull.catalogue import select
from difygen.pull.console import AdminSession, ConsoleApi, PasswordSession, Session
from difygen.pull.fetching import Fetched, StudioApi, fetch_all
from difygen.pull.files import FileChange, apply, assign_files, contents, locked_row, survey_files
from difygen.pull.lock import LockedDefinition, PullLock, read_pull_lock
from difygen.pull.report import PullReport, all_well, progress_of, show_report, unreadable_lock
from difygen.pull.traffic import Pace, ServerProblem, Traffic
from difygen.pull.user_api import RATE, UserApi
from difygen.pull_settings import FOLDER, PullSettings, Selection
from difygen.record import replace
from difygen.servers import Address
from difygen.wording import count, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    """What the command line asks for; the settings of `config` say the rest.

    `check` and `diff` write nothing: the one tells whether the server has something else, the other what that changes
    for callers.
    """

    config: Config
    apps: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    output: str | None = None
    server: str | None = None
    workspace: str | None = None
    auth: Way | None = None
    email: str | None = None
    token_file: str | None = None
    api_key_file: str | None = None
    draft: bool = False
    check: bool = False
    diff: bool = False
    sample_runs: int = 0

    @property
    def output_format(self) -> OutputFormat:
        """For whom findings are printed."""
        return self.config.output_format


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be fetched, and where it goes. `is_whole` says that the folder holds nothing else."""

    options: PullOptions
    settings: PullSettings
    selection: Selection
    folder: str
    workspace: str | None
    is_whole: bool

    @classmethod
    def of(cls, options: PullOptions) -> Plan:
        """Put the command line before the settings."""
        found = options.config.settings
        settings = found.pull if found is not None else PullSettings()
        named = Selection(apps=options.apps, tags=options.tags, modes=options.modes)
        is_narrowed = named != Selection()
        folder = options.output
        if folder is None:
            home = found.folder if found is not None else "."
            folder = os.path.normpath(os.path.join(home, settings.folder or FOLDER))
        return cls(
            options=options,
            settings=settings,
            selection=named if is_narrowed else settings.selection,
            folder=folder,
            workspace=options.workspace or os.environ.get(WORKSPACE) or settings.workspace,
            is_whole=not is_narrowed,
        )

    @property
    def asked(self) -> Asked:
        """What is said of the way into the server."""
        options = self.options
        return Asked(
            server=options.server or self.settings.server,
            auth=options.auth,
            email=options.email,
            token_file=options.token_file,
            api_key_file=options.api_key_file,
            keys=self.settings.keys,
        )


def run_pull(options: PullOptions) -> int:
    """Fetch definitions and write them, or compare them with those that are there.

    Returns 0 if all is well, 1 where something could not be had or written, or is not what is there under --check,
    2 for wrong arguments or settings, 130 after Ctrl-C.
    """
    return finish(lambda: _pull(Plan.of(options)), "Interrupted. Nothing was written.")


def _pull(plan: Plan) -> int:
    options = plan.options
    try:
        lock = read_pull_lock(plan.folder)
    except LockError as error:
        if not options.config.force:
            return _show(PullReport(folder=plan.folder, findings=(unreadable_lock(plan.folder, str(error)),)), plan)
        lock = PullLock()
    try:
        report, is_interrupted = _fetch_and_write(plan, lock)
    except ServerProblem as problem:
        failure = Diagnostic("error", "server", problem.message, Location(""), problem.hint)
        return _show(PullReport(folder=plan.folder, findings=(failure,), is_done=False), plan)
    code = _show(report, plan)
    return INTERRUPTED if is_interrupted else code


def _fetch_and_write(plan: Plan, lock: PullLock) -> tuple[PullReport, bool]:
    address = find_server(plan.asked, say)
    accesses = find_access(plan.asked, address)
    if accesses[0].way == "app-key":
        return _fetch_specs(plan, lock, address, accesses)
    options, access = plan.options, accesses[0]
    pace = Pace(RATE if access.way in ("token", "difyctl") else None)
    with closing(Traffic(address, pace, say)) as traffic:
        api = _sign_in(traffic, access, plan.workspace)
        _check_same_place(plan, lock, traffic.origin, api.workspace.id)
        listed, untold = api.apps()
        chosen, problems = select(plan.selection, listed, api.find)
        if problems:
            raise UsageProblem(*problems)
        gone, findings = _gone(plan, lock, {app.id for app in chosen}, api)
        findings += [_untold(untold)] if untold else []
        with progress_of(options.config.verbosity) as progress:
            fetched = fetch_all(
                api,
                sorted(chosen, key=lambda app: (app.id in lock.apps, _pulled(lock, app.id), app.id)),
                draft=options.draft or plan.settings.draft,
                parameters=lambda app: None,
                progress=progress,
            )
        place = {"server": traffic.origin, "server_version": traffic.version, "workspace": api.workspace.name}
        new = PullLock(server=traffic.origin, server_version=traffic.version, workspace=api.workspace.id)
    return replace(_publish(plan, lock, new, fetched, gone, findings), **place), fetched.is_interrupted


def _fetch_specs(plan: Plan, lock: PullLock, address: Address, accesses: tuple[Access, ...]) -> tuple[PullReport, bool]:
    """Fetch what the keys of apps tell. A key opens one app, so that there is nothing to choose."""
    if not plan.is_whole:
        raise UsageProblem("A key opens its own app: leave APP, --tag and --mode out, or sign in in another way.")
    _check_same_place(plan, lock, address.url, "")

    def existing(app_id: str) -> bytes | None:
        found = contents(plan.folder, lock.apps[app_id].file) if app_id in lock.apps else None
        return found if isinstance(found, bytes) else None

    meant = {f"{PREFIX}{access.user}" for access in accesses}
    with closing(Traffic(service_api(address), Pace(None), say)) as traffic:
        with progress_of(plan.options.config.verbosity) as progress:
            fetched = fetch_by_keys(accesses, traffic, KeyOptions(existing, plan.options.sample_runs), progress)
        gone, findings = _gone(plan, lock, meant, None)
        place = {"server": address.url, "server_version": traffic.version}
        new = PullLock(server=address.url, server_version=traffic.version, workspace=lock.workspace)
    return replace(_publish(plan, lock, new, fetched, gone, findings), **place), False


def _sign_in(traffic: Traffic, access: Access, workspace: str | None) -> StudioApi:
    """Sign in by the way that was found."""
    if access.way in ("token", "difyctl"):
        return UserApi(traffic, access, workspace)
    session: Session
    if access.way == "admin-key":
        session = AdminSession(traffic, access, workspace)
    else:
        session = PasswordSession(traffic, access, lambda found: ask_password(found, traffic.origin))
    return ConsoleApi(traffic, session, workspace)


def _check_same_place(plan: Plan, lock: PullLock, server: str, workspace: str) -> None:
    """Refuse to mix what comes from two servers or workspaces in one folder."""
    if not lock.apps or plan.options.config.force:
        return
    advice = "Give each its own folder (-o DIR), or use --force to let this one go over."
    if lock.server and lock.server != server:
        raise UsageProblem(f"The definitions in {plan.folder} are from {lock.server}, not from {server}. {advice}")
    if lock.workspace and workspace and lock.workspace != workspace:
        raise UsageProblem(f"The definitions in {plan.folder} are from another workspace of {server}. {advice}")


def _gone(
    plan: Plan, lock: PullLock, meant: Collection[str], api: StudioApi | None
) -> tuple[list[str], list[Diagnostic]]:
    """Return the apps of the lock that are no more, or no longer meant, and what is to be said of them.

    That the list does not have an app proves nothing: it loses some, and leaves out those whose API is off. Files
    that came by keys of apps are of no concern to whoever signs in, nor the other way round.
    """
    gone: list[str] = []
    findings: list[Diagnostic] = []
    if not plan.is_whole:
        return gone, findings
    for app_id in sorted(lock.apps.keys() - set(meant)):
        row = lock.apps[app_id]
        path = f"{plan.folder}/{row.file}"
        if app_id.startswith(PREFIX) is not (api is None):
            continue
        try:
            is_there = api is None or api.find(app_id) is not None
        except ServerProblem as problem:
            message = f"Its app {quoted(row.name)} is not given any more: {problem.message}"
            findings.append(Diagnostic("warning", "app-not-given", message, Location(path), problem.hint))
            continue
        gone.append(app_id)
        if not plan.options.config.prune:
            what = "is no longer among those asked for" if is_there else "is no longer on the server"
            hint = "--prune removes the file."
            code = "app-not-meant" if is_there else "app-removed"
            findings.append(Diagnostic("warning", code, f"Its app {quoted(row.name)} {what}.", Location(path), hint))
    return gone, findings


def _publish(
    plan: Plan, old: PullLock, new: PullLock, fetched: Fetched, gone: list[str], findings: list[Diagnostic]
) -> PullReport:
    """Compare what was fetched with the folder, and write what differs, unless that was not asked for."""
    options, folder = plan.options, plan.folder
    config = options.config
    is_dry = options.check or options.diff
    apps, definitions = fetched.apps, fetched.definitions
    files = assign_files(old, {app_id: apps[app_id].name for app_id in definitions})
    contents_of = {app_id: (files[app_id], found.data) for app_id, found in definitions.items()}
    changes = tuple(survey_files(folder, old, contents_of, gone))
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = {
        app_id: locked_row(
            old.apps.get(app_id),
            LockedDefinition(
                file=files[app_id],
                name=apps[app_id].name,
                mode=apps[app_id].mode,
                state=found.state,
                version=found.version,
                hash=_hash(folder, old.apps.get(app_id), files[app_id], found.data),
                pulled=now,
            ),
        )
        for app_id, found in definitions.items()
    }
    pruned = gone if config.prune else []
    blocked = [each for each in changes if each.blocked and (each.what != "removed" or config.prune)]
    findings = [*findings, *_placed(plan, fetched, {**{key: row.file for key, row in old.apps.items()}, **files})]
    findings += [] if config.force or is_dry else [_in_the_way(folder, each) for each in blocked]
    is_blocked = bool(blocked) and not config.force
    if not is_dry and not is_blocked:
        kept = {app_id: row for app_id, row in old.apps.items() if app_id not in pruned}
        lock = replace(new, apps={**kept, **rows})
        write = {
            files[each.app_id]: definitions[each.app_id].data for each in changes if each.what in ("new", "changed")
        }
        there = [old.apps[app_id].file for app_id in pruned if contents(folder, old.apps[app_id].file) is not None]
        try:
            apply(folder, old, lock, write, there)
        except PublishError as problem:
            findings.append(Diagnostic("error", "not-written", f"{problem}.", Location(folder)))
    return PullReport(
        folder=folder,
        files=changes,
        rows={**old.apps, **rows},
        words={app_id: app.word for app_id, app in apps.items() if app_id in definitions},
        findings=tuple(findings),
        is_dry=is_dry,
        is_pruning=config.prune,
        is_done=not (fetched.stopped or fetched.is_interrupted or (is_blocked and not is_dry)),
        changes=_changes(folder, old, contents_of, gone) if options.diff else None,
    )


def _placed(plan: Plan, fetched: Fetched, files: Mapping[str, str]) -> list[Diagnostic]:
    """Return what is to be said of apps, at their files where they have one, and why the rest was not fetched."""
    found = [
        finding._replace(location=Location(f"{plan.folder}/{files[app_id]}" if app_id in files else ""))
        for app_id, finding in fetched.findings
    ]
    if fetched.stopped is None and not fetched.is_interrupted:
        return found
    done, total = len(fetched.definitions), len(fetched.apps)
    is_dry = plan.options.check or plan.options.diff
    kept = "" if is_dry else " What came is written as a whole; run it again to go on with the rest."
    if fetched.stopped is None:
        message, hint = f"Interrupted after {done} of {count(total, 'app')}.{kept}", ""
    else:
        message = f"Stopped after {done} of {count(total, 'app')}: {fetched.stopped.message}{kept}"
        hint = fetched.stopped.hint
    return [*found, Diagnostic("error", "stopped", message, Location(""), hint)]


def _in_the_way(folder: str, change: FileChange) -> Diagnostic:
    hint = "Use --force to overwrite it, or move it away. Nothing was written."
    return Diagnostic("error", "in-the-way", f"The file {change.blocked}.", Location(f"{folder}/{change.file}"), hint)


def _untold(number: int) -> Diagnostic:
    return Diagnostic(
        "warning",
        "apps-not-told",
        f"The server counts {count(number, 'app')} more than its list shows, however it is gone through.",
        Location(""),
        "Name apps that are missing by their ids (`apps`), as their addresses in the console have them.",
    )


def _hash(folder: str, old: LockedDefinition | None, file: str, data: bytes) -> str:
    """Return the hash of what was written: a spec that was edited since, and needs nothing new, keeps the old one."""
    is_edited = old is not None and old.state == "parameters" and contents(folder, file) == data
    return old.hash if old is not None and is_edited else hash_bytes(data)


def _pulled(lock: PullLock, app_id: str) -> str:
    return lock.apps[app_id].pulled if app_id in lock.apps else ""


def _changes(folder: str, old: PullLock, fetched: Mapping[str, tuple[str, bytes]], gone: list[str]) -> tuple[Any, ...]:
    """Return what changes for callers from the files that are there to what was fetched, as `difygen diff` judges."""
    there = {row.file: contents(folder, row.file) for row in old.apps.values()}
    before = {file: data for file, data in there.items() if isinstance(data, bytes)}
    kept = {file: data for file, data in before.items() if file not in {old.apps[app_id].file for app_id in gone}}
    after = {**kept, **dict(fetched.values())}
    load: Callable[[Mapping[str, bytes]], Version] = definitions_version
    try:
        return diff(load(before), load(after))
    except VersionError as error:
        raise UsageProblem(*([str(error)] if str(error) else []), *map(str, error.diagnostics)) from error


def _show(report: PullReport, plan: Plan) -> int:
    is_well = all_well(report)
    differs = plan.options.check and report.differs
    ok = is_well and not differs
    show_report(report, plan.options.output_format, plan.options.config.verbosity, ok=ok)
    is_wrong = any(finding.code == "bad-lock" for finding in report.findings)
    return OK if ok else WRONG if is_wrong else FAILED
