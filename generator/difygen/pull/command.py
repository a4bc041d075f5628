"""The command `difygen pull`, top-down: sign in, list, choose, fetch, compare with the folder, write, say.

`PullOptions` is what the command line asks for, and `Plan` what is to be pulled, from where, and where it goes: the
command line before the settings.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from difygen.config import Config, OutputFormat, PullSettings, Selection
from difygen.console import FAILED, INTERRUPTED, OK, WRONG, DefinitionProblem, UsageProblem, say
from difygen.definitions.lockfile import LockError
from difygen.diagnostics import Diagnostic, Location
from difygen.diff.changes import Change
from difygen.files import hash_bytes
from difygen.model import APP_KINDS
from difygen.project.comparison import VersionError, definitions_version, diff
from difygen.publish import PublishError
from difygen.pull.access import (
    WORKSPACE,
    Access,
    AccessOptions,
    AuthMethod,
    ask_password,
    find_access,
    find_server,
    service_api,
)
from difygen.pull.app_key import KeyOptions, fetch_by_keys, parameters_by_key
from difygen.pull.catalogue import Fetched, RemoteApp, StudioApi, fetch_all, select
from difygen.pull.console import AdminSession, ConsoleApi, PasswordSession, Session
from difygen.pull.folder import (
    KEY_PREFIX,
    FileChange,
    LockedDefinition,
    PullLock,
    apply,
    assign_files,
    contents,
    read_pull_lock,
    survey_files,
)
from difygen.pull.report import PullReport, all_well, progress_of, show_report, unreadable_lock
from difygen.pull.traffic import Pace, ServerProblem, Traffic
from difygen.pull.user_api import RATE, UserApi, sign_in_by_browser
from difygen.record import Record, replace
from difygen.servers import Address, is_readable_on_the_way
from difygen.settings import PULL_FOLDER, mode_words
from difygen.wording import count, named, names_listed, nearest, quoted


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
    auth: AuthMethod | None = None
    email: str | None = None
    token_file: str | None = None
    api_key_file: str | None = None
    draft: bool = False
    check: bool = False
    diff: bool = False
    sample_runs: int = 0
    keep_token: str | None = None

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
            folder = os.path.normpath(os.path.join(home, settings.folder or PULL_FOLDER))
        return cls(
            options=options,
            settings=settings,
            selection=named if is_narrowed else settings.selection,
            folder=folder,
            workspace=options.workspace or os.environ.get(WORKSPACE) or settings.workspace,
            is_whole=not is_narrowed,
        )

    @property
    def is_dry(self) -> bool:
        """Whether nothing is to be written."""
        return self.options.check or self.options.diff

    @property
    def access_options(self) -> AccessOptions:
        """What is said of the way into the server."""
        options = self.options
        return AccessOptions(
            server=options.server or self.settings.server,
            auth=options.auth,
            email=options.email,
            token_file=options.token_file,
            api_key_file=options.api_key_file,
            keys=self.settings.keys,
            sample_runs=options.sample_runs,
            keep_token=options.keep_token,
        )


def run_pull(options: PullOptions) -> int:
    """Fetch definitions and write them, or compare them with those that are there.

    Returns 0 if all is well, 1 where something could not be had or written, or is not what is there under --check,
    2 for wrong arguments or settings, 130 after Ctrl-C.
    """
    try:
        return _pull(Plan.of(options))
    except KeyboardInterrupt:
        say("Interrupted.")
        return INTERRUPTED


def _pull(plan: Plan) -> int:
    options = plan.options
    for mode in options.modes:
        if mode not in mode_words():
            near = nearest(mode, mode_words())
            hint = f"Did you mean {named(near)}?" if near else f"There are {names_listed(mode_words())}."
            raise UsageProblem(f"{quoted(mode)} is no kind of app. {hint}")
    if options.config.prune and not plan.is_whole:
        raise UsageProblem("--prune compares the folder with all that is meant: leave APP, --tag and --mode out.")
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
    address = find_server(plan.access_options, say)
    _check_same_place(plan, lock, address.url, "")  # before anybody signs in there
    accesses = find_access(plan.access_options, address)
    if is_readable_on_the_way(address):
        say(f"{address.url} is not encrypted, so that others may read what signs in there: does https:// answer?")
    if accesses[0].method == "app-key":
        return _fetch_specs(plan, lock, address, accesses)
    options, access = plan.options, accesses[0]
    pace = Pace(RATE if access.method in ("token", "difyctl", "browser") else None)
    with closing(Traffic(address, pace, say)) as traffic, closing(_sign_in(traffic, access, plan)) as api:
        _check_same_place(plan, lock, traffic.origin, api.workspace.id)
        choice = choose(plan, lock, api)
        pulled = {app_id: row.pulled for app_id, row in lock.apps.items()}
        with progress_of(options.config.verbosity) as progress:
            fetched = fetch_all(
                api,
                sorted(choice.apps, key=lambda app: (pulled.get(app.id, ""), app.id)),
                draft=options.draft or plan.settings.draft,
                parameters=partial(parameters_by_key, address),
                progress=progress,
            )
        place = {"server": traffic.origin, "server_version": traffic.version, "workspace": api.workspace.name}
        new = PullLock(server=traffic.origin, server_version=traffic.version, workspace=api.workspace.id)
    return replace(publish(plan, lock, new, fetched, choice), **place), fetched.is_interrupted


def _fetch_specs(plan: Plan, lock: PullLock, address: Address, accesses: tuple[Access, ...]) -> tuple[PullReport, bool]:
    """Fetch what the keys of apps tell. A key opens one app, so that there is nothing to choose."""
    if not plan.is_whole:
        raise UsageProblem("A key opens its own app: leave APP, --tag and --mode out, or sign in in another way.")

    def existing(app_id: str) -> bytes | None:
        found = contents(plan.folder, lock.apps[app_id].file) if app_id in lock.apps else None
        return found if isinstance(found, bytes) else None

    names = {app_id: row.name for app_id, row in lock.apps.items()}
    with closing(Traffic(service_api(address), Pace(None), say)) as traffic:
        with progress_of(plan.options.config.verbosity) as progress:
            fetched = fetch_by_keys(accesses, traffic, KeyOptions(existing, names, plan.options.sample_runs), progress)
        choice = choose_keys(plan, lock, [access.user for access in accesses])
        place = {"server": address.url, "server_version": traffic.version}
        new = PullLock(server=address.url, server_version=traffic.version, workspace=lock.workspace)
    return replace(publish(plan, lock, new, fetched, choice), **place), fetched.is_interrupted


def _sign_in(traffic: Traffic, access: Access, plan: Plan) -> StudioApi:
    """Sign in by the way that was found."""
    workspace = plan.workspace
    if access.method == "browser":
        return sign_in_by_browser(traffic, access, workspace, plan.options.keep_token)
    if access.method in ("token", "difyctl"):
        return UserApi(traffic, access, workspace)
    session: Session
    if access.method == "admin-key":
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


def _show(report: PullReport, plan: Plan) -> int:
    is_well = all_well(report)
    differs = plan.options.check and report.differs
    ok = is_well and not differs
    show_report(report, plan.options.output_format, plan.options.config.verbosity, ok=ok)
    is_wrong = any(finding.code == "bad-lock" for finding in report.findings)
    return OK if ok else WRONG if is_wrong else FAILED


# Which apps


class ChosenApps(Record, kw_only=True):
    """The apps to fetch, the ids of the lock whose files are wanted no more, and what is to be said about both."""

    apps: tuple[RemoteApp, ...] = ()
    gone: tuple[str, ...] = ()
    findings: tuple[Diagnostic, ...] = ()


def choose(plan: Plan, lock: PullLock, api: StudioApi) -> ChosenApps:
    """Choose among the apps of a workspace. Raises `UsageProblem` for a choice that there is not.

    That the list does not have an app proves nothing: it loses some, and leaves out those whose API is off. So each
    that has a file is asked for by its id before that file is anything but kept.
    """
    listed, untold = api.apps()
    apps = {app.id: app for app in listed}
    findings: list[Diagnostic] = []
    of_workspace = {app_id for app_id in lock.apps if plan.is_whole and not app_id.startswith(KEY_PREFIX)}
    unsure = set()
    for app_id in sorted(of_workspace - apps.keys()):
        row = lock.apps[app_id]
        try:
            if found := api.find(app_id):
                apps[app_id] = found
        except ServerProblem as problem:
            unsure.add(app_id)
            message = f"Its app {quoted(row.name)} is not given any more: {problem.message}"
            findings.append(
                Diagnostic("warning", "app-not-given", message, Location(f"{plan.folder}/{row.file}"), problem.hint)
            )
    chosen, problems = select(plan.selection, apps.values(), api.find)
    if problems:
        raise UsageProblem(*problems)
    gone = sorted(of_workspace - unsure - {app.id for app in chosen})
    findings += _gone_apps(plan, lock, gone, there=apps)
    findings += _left_out(apps.values(), chosen, untold - (len(apps) - len(listed)))
    return ChosenApps(apps=tuple(chosen), gone=tuple(gone), findings=tuple(findings))


def choose_keys(plan: Plan, lock: PullLock, names: Collection[str]) -> ChosenApps:
    """Return the keys of the lock that are not among those named. Each opens its own app: there is no other choice."""
    if plan.options.api_key_file is not None:  # this one, and nothing is said of others
        return ChosenApps()
    of_keys = {app_id for app_id in lock.apps if app_id.startswith(KEY_PREFIX)}
    gone = sorted(of_keys - {f"{KEY_PREFIX}{name}" for name in names})
    return ChosenApps(gone=tuple(gone), findings=tuple(_gone_apps(plan, lock, gone, there=gone)))


def _gone_apps(plan: Plan, lock: PullLock, gone: Collection[str], *, there: Collection[str]) -> Iterator[Diagnostic]:
    """Yield whose files are wanted no more, unless they are removed, which the summary says."""
    for app_id in () if plan.options.config.prune else gone:
        row = lock.apps[app_id]
        what, code = "is no longer on the server", "app-removed"
        if app_id in there:
            what, code = "is no longer among those asked for", "app-not-meant"
        message, place = f"Its app {quoted(row.name)} {what}.", Location(f"{plan.folder}/{row.file}")
        yield Diagnostic("warning", code, message, place, "--prune removes the file.")


def _left_out(apps: Collection[RemoteApp], chosen: Collection[RemoteApp], untold: int) -> Iterator[Diagnostic]:
    """Yield which apps are not pulled though nobody said so: of modes that are not known, and not told at all."""
    unknown = [app for app in apps if app.mode not in APP_KINDS and app not in chosen]
    if unknown:
        modes = names_listed(sorted({app.mode for app in unknown}))
        message = f"{count(len(unknown), 'app')} of kinds that difygen makes no clients for ({modes}) left out."
        yield Diagnostic("note", "unknown-mode", message, Location(""), "Name one in `apps` to have its definition.")
    if untold > 0:
        yield Diagnostic(
            "warning",
            "apps-not-told",
            f"The server counts {count(untold, 'app')} more than its list shows, however it is gone through.",
            Location(""),
            "Name apps that are missing by their ids (`apps`), as their addresses in the console have them.",
        )


# Into the folder


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
    if before is not None and replace(before, pulled=row.pulled) == row:
        return before
    return row


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
