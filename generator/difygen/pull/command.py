"""The command `difygen pull`, top-down: sign in, list, choose, fetch, compare with the folder, write, say."""

from __future__ import annotations

from contextlib import closing
from functools import partial

from difygen.console import FAILED, INTERRUPTED, OK, WRONG, UsageProblem, say
from difygen.definitions.lockfile import LockError
from difygen.diagnostics import Diagnostic, Location
from difygen.pull.auth.access import Access, ask_password, find_access, find_server, service_api
from difygen.pull.auth.app_key import KeyOptions, fetch_by_keys, parameters_by_key
from difygen.pull.auth.browser import sign_in_by_browser
from difygen.pull.auth.console import AdminSession, ConsoleApi, PasswordSession, Session
from difygen.pull.auth.user_api import RATE, UserApi
from difygen.pull.choosing import choose, choose_keys
from difygen.pull.fetching import StudioApi, fetch_all
from difygen.pull.files import contents
from difygen.pull.lock import PullLock, read_pull_lock
from difygen.pull.plan import Plan, PullOptions
from difygen.pull.publishing import publish
from difygen.pull.report import PullReport, all_well, progress_of, show_report, unreadable_lock
from difygen.pull.traffic import Pace, ServerProblem, Traffic
from difygen.record import replace
from difygen.servers import Address, is_readable_on_the_way
from difygen.settings import mode_words
from difygen.wording import named, names_listed, nearest, quoted


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
    address = find_server(plan.asked, say)
    _check_same_place(plan, lock, address.url, "")  # before anybody signs in there
    accesses = find_access(plan.asked, address)
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
