"""The command `diff`: what changes for callers between two versions of a workflow, wherever each of them is.

A version is a definition, a folder of definitions, a generated package or its lock, or any of these in a git
revision, written `REVISION:PATH` as git writes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from difygen.config import OutputFormat
from difygen.console import echo, say, say_error
from difygen.definitions import SUFFIXES, Source, discover
from difygen.definitions.lockfile import LOCK_NAME, LockError, parse_lock, read_contracts
from difygen.definitions.reading import Unnamed, name_modules, read_source
from difygen.diagnostics import Diagnostic
from difygen.diff import compare, compare_all
from difygen.diff.changes import EFFECTS, Change, changes_as_findings, changes_as_json, format_changes
from difygen.diff.public import PublicApp, public_app
from difygen.files import read_file
from difygen.findings import show_findings, without_a_place, write_report
from difygen.model import App
from difygen.project.assemble import public_apps
from difygen.wording import visible

_NO_SUCH_OBJECT = re.compile(
    r"does not exist in|exists on disk, but not in|[Nn]ot a valid object name|outside repository"
)
"""What git says of paths and revisions that there are not."""

DiffFormat = OutputFormat | Literal["markdown"]

FailOn = Literal["breaking", "internal", "any"]
"""The mildest changes that a comparison fails on."""


class VersionError(Exception):
    """A side of the comparison that cannot be had.

    The text says why; `diagnostics` are those of a definition with errors.
    """

    def __init__(self, text: str, diagnostics: Iterable[Diagnostic] = ()) -> None:
        super().__init__(text)
        self.diagnostics = tuple(diagnostics)


@dataclass(frozen=True, slots=True)
class Version:
    """The workflows of one side, by module.

    `folder` is the one that their sources start at; `single` says that it is one definition, `locked` that it was
    generated once.
    """

    workflows: Mapping[str, PublicApp]
    folder: str = ""
    single: bool = False
    locked: bool = False

    @property
    def files(self) -> dict[str, str]:
        """The paths of the definitions, by the name of the app."""
        apps = (each.app for each in self.workflows.values())
        return {app.name: os.path.join(self.folder, app.source) for app in apps}


def run_diff(
    old: str, new: str, output_format: DiffFormat = "text", fail_on: FailOn | None = None, report: str | None = None
) -> int:
    """Print what changes for callers from `old` to `new`; as JSON write it to the file `report`, too, if there is one.

    Returns 1 if there are changes as bad as `fail_on` says, and 2 if a side cannot be had.
    """
    for_machines: OutputFormat = "text" if output_format == "markdown" else output_format
    try:
        before, after = load_version(old), load_version(new)
    except VersionError as error:
        _show_error(error, for_machines)
        return 2
    changes = diff(before, after)
    failing = EFFECTS if fail_on == "any" else EFFECTS[: EFFECTS.index(fail_on) + 1] if fail_on else ()
    fails = any(change.effect in failing for change in changes)
    if report:
        write_report(report, (), "diff", ok=not fails, more=changes_as_json(changes))
    if for_machines == "text":
        echo(format_changes(changes, markdown=output_format == "markdown"))
    else:
        notices = changes_as_findings(changes, {**before.files, **after.files})
        show_findings((), for_machines, "diff", ok=not fails, more=changes_as_json(changes), notices=notices)
    return 1 if fails else 0


def _show_error(error: VersionError, output_format: OutputFormat) -> None:
    if output_format != "text":
        findings = [*error.diagnostics, *without_a_place(filter(None, [str(error)]))]
        show_findings(findings, output_format, "diff", ok=False)
        return
    for finding in error.diagnostics:
        say(str(finding))
    if str(error):
        say_error(str(error))


def diff(before: Version, after: Version) -> tuple[Change, ...]:
    """Return what changes for callers from one version to the other."""
    old_workflows, new_workflows = dict(before.workflows), dict(after.workflows)
    if before.locked != after.locked:
        old_workflows, new_workflows = _without_exports(old_workflows), _without_exports(new_workflows)
    if before.single and after.single:
        (one,), (other,) = old_workflows.values(), new_workflows.values()
        return compare(one.app, other.app, old_names=one.names, new_names=other.names)
    if after.single:
        old_workflows = {module: one for module, one in old_workflows.items() if module in new_workflows}
    elif before.single:
        new_workflows = {module: one for module, one in new_workflows.items() if module in old_workflows}
    return compare_all(old_workflows, new_workflows)


def _without_exports(found: Mapping[str, PublicApp]) -> dict[str, PublicApp]:
    """Leave out the names that modules export: those depend on options that only a lock was made with."""
    return {module: each._replace(names=each.names._replace(exports=())) for module, each in found.items()}


def load_version(side: str) -> Version:
    """Return the apps of a file, a folder, a package or a lock, here or in a git revision. Raises `VersionError`."""
    if os.path.isdir(side):
        lock = os.path.join(side, LOCK_NAME)
        return (_from_lock(_read(lock), lock) if os.path.exists(lock) else None) or _from_folder(side)
    if os.path.exists(side):
        return _from_file(_read(side), side)
    revision, colon, path = side.partition(":")
    if not colon or (len(revision) == 1 and os.name == "nt"):
        raise VersionError(f"{side}: there is no such file or folder")
    return _from_git(revision, path)


def _read(path: str) -> bytes:
    try:
        return read_file(path, special=True)
    except OSError as error:
        raise VersionError(f"{path}: it cannot be read: {error.strerror}") from error


def _from_file(data: bytes, shown: str) -> Version:
    if shown.endswith(LOCK_NAME):
        version = _from_lock(data, shown)
        if version is None:
            raise VersionError(f"{shown}: it is the lock of documents, which has no contracts: name the package")
        return version
    if shown.endswith(".py"):
        raise VersionError(
            f"{shown}: a module has no lock to compare with: name the definition that it was written from"
        )
    return Version(_from_definitions([(shown, shown)], lambda _: data), single=True)


def _from_lock(data: bytes, shown: str) -> Version | None:
    """Return the apps of a package's lock; None for one of documents, which may lie among definitions."""
    try:
        lock = parse_lock(data)
        if lock.package:
            return None
        contracts = read_contracts(lock)
        if missing := sorted(lock.apps.keys() - contracts.keys()):
            raise LockError(f"it was damaged: the contract of {missing[0]!r} cannot be read")
        return Version(public_apps(lock, contracts), os.path.dirname(shown), locked=True)
    except ValueError as error:
        raise VersionError(f"{shown}: the lock cannot be used: {error}") from error


def _from_folder(folder: str) -> Version:
    found, problems = discover([folder])
    if problems:
        raise VersionError("", problems)
    return Version(
        _from_definitions([(source.relative_to(os.path.abspath(folder)), source.path) for source in found], _read),
        folder,
    )


def definitions_version(files: Mapping[str, bytes]) -> Version:
    """Return the apps of definitions that are given with their names. Raises `VersionError`."""
    return Version(_from_definitions([(name, name) for name in sorted(files)], files.__getitem__))


def _from_definitions(files: list[tuple[str, str]], load: Callable[[str], bytes]) -> dict[str, PublicApp]:
    """Return the workflows of `(name, path)`. What else lies about in a folder is left out."""
    apps: list[App] = []
    for name, path in files:
        file = read_source(Source(name, name, named=len(files) == 1), load(path))
        if file.app:
            apps.append(file.app)
        elif not file.is_other_thing:
            raise VersionError("", file.diagnostics)
    names, _ = name_modules([Unnamed(app.source, app.source, app.name) for app in apps], {}, {})
    return {names[app.source]: public_app(app, names[app.source]) for app in apps}


def _from_git(revision: str, path: str) -> Version:
    """Paths are taken from the top of the repository, as git does, or else from the current folder."""
    if _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}") is None:
        raise VersionError(
            f"{revision}:{path}: there is no file {revision}:{path}, and git knows no revision {revision!r}"
        )
    for object_ in (f"{revision}:{path}", f"{revision}:./{path}"):
        kind = _git("cat-file", "-t", object_)
        if kind == b"blob\n":
            return _from_file(_git("cat-file", "blob", object_) or b"", object_)
        if kind == b"tree\n":
            return _from_tree(object_.rstrip("/"))
    raise VersionError(f"{revision}:{path}: there is no such file or folder in that revision")


def _from_tree(tree: str) -> Version:
    join = "" if tree.endswith(":") else "/"
    lock = _git("cat-file", "blob", f"{tree}{join}{LOCK_NAME}")
    if lock is not None and (version := _from_lock(lock, f"{tree}{join}{LOCK_NAME}")):
        return version
    listing = (_git("ls-tree", "-r", "-z", "--name-only", tree) or b"").decode(errors="surrogateescape")
    files = [name for name in listing.split("\0") if name.endswith(SUFFIXES)]
    if not files:
        raise VersionError(f"{tree}: the folder holds no definitions")
    return Version(
        _from_definitions(
            [(name, f"{tree}{join}{name}") for name in files], lambda name: _git("cat-file", "blob", name) or b""
        ),
        tree,
    )


def _git(*arguments: str) -> bytes | None:
    """Return what git answers, or None if there is no such object. Any other failure is told in git's own words."""
    import subprocess

    try:
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(["git", *arguments], capture_output=True, check=False, env=environment)
    except FileNotFoundError as error:
        raise VersionError("git is not installed, and it is needed to read a revision") from error
    if b"not a git repository (or" in done.stderr:  # else git names the one that it was told to use
        raise VersionError("the current folder is in no git repository, which is needed to read a revision")
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip()
    if said and not _NO_SUCH_OBJECT.search(said):
        raise VersionError(
            "\n  ".join(["git cannot read the revision:", *map(visible, said.expandtabs().splitlines())])
        )
    return None
