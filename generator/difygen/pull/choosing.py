"""Which apps are meant, of those that are there, and which of the lock have no definition any more."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from difygen.console import UsageProblem
from difygen.diagnostics import Diagnostic, Location
from difygen.model import APP_KINDS
from difygen.pull.catalogue import RemoteApp, select
from difygen.pull.fetching import StudioApi
from difygen.pull.lock import KEY_PREFIX, PullLock
from difygen.pull.plan import Plan
from difygen.pull.traffic import ServerProblem
from difygen.record import Record
from difygen.wording import count, names_listed, quoted


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
    findings += _gone(plan, lock, gone, there=apps)
    findings += _left_out(apps.values(), chosen, untold - (len(apps) - len(listed)))
    return ChosenApps(apps=tuple(chosen), gone=tuple(gone), findings=tuple(findings))


def choose_keys(plan: Plan, lock: PullLock, names: Collection[str]) -> ChosenApps:
    """Return the keys of the lock that are not among those named. Each opens its own app: there is no other choice."""
    if plan.options.api_key_file is not None:  # this one, and nothing is said of others
        return ChosenApps()
    of_keys = {app_id for app_id in lock.apps if app_id.startswith(KEY_PREFIX)}
    gone = sorted(of_keys - {f"{KEY_PREFIX}{name}" for name in names})
    return ChosenApps(gone=tuple(gone), findings=tuple(_gone(plan, lock, gone, there=gone)))


def _gone(plan: Plan, lock: PullLock, gone: Collection[str], *, there: Collection[str]) -> Iterator[Diagnostic]:
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
