"""Folders of documents: what is to be in them, what of it is ours, whose definition is gone. Writes nothing.

Those that the settings name go along with a package, and what did not change in them is not made again. Those that a
command names have a lock, too, so that the documents of apps that are gone go, which says that they stand alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from difygen import __version__
from difygen.config import Config, DocumentOptions
from difygen.definitions import Source, origin_of
from difygen.definitions.lockfile import Lock, LockedApp
from difygen.definitions.reading import NamedApp, Reader
from difygen.diagnostics import Diagnostic, Location
from difygen.documents import DOCUMENT_TARGETS, DocumentTarget
from difygen.documents.facts import NamedDefinition, named_definition
from difygen.files import STDIN
from difygen.project.report import BuildPlan
from difygen.project.request import (
    ALONE,
    DocumentFolder,
    OutputState,
    Request,
    app_of,
    left_out,
    package_from,
    what_it_holds,
)
from difygen.publish import Destination, PublishError, read_own_lock, signed
from difygen.record import replace


def assemble_documents(
    request: Request, plan: BuildPlan, states: Sequence[OutputState], apps: Mapping[str, LockedApp], reader: Reader
) -> BuildPlan:
    """Return the plan with the folders of documents. `apps` are all that there are, by name, as the package's lock
    has them."""
    every = _Apps(request, apps, reader)
    outputs = [_output(folder, one, every) for folder, one in zip(request.documents, states, strict=True)]
    findings = every.problems() if request.only_documents else []  # else they were found when the code was made
    report = replace(
        plan.report, diagnostics=(*plan.report.diagnostics, *findings), notes=(*plan.report.notes, *every.remarks)
    )
    return BuildPlan(report, (*plan.outputs, *outputs) if not report.failed else ())


class _Apps:
    """All apps, of which those are read that are asked for."""

    def __init__(self, request: Request, apps: Mapping[str, LockedApp], reader: Reader) -> None:
        self.request = request
        self.remarks: list[Diagnostic] = []
        by_path = {source.relative_to(request.folder): source for source in request.sources}
        order = {source: number for number, source in enumerate(by_path)}
        self.locked = dict(sorted(apps.items(), key=lambda one: order[one[1].source]))
        self.sources: dict[str, Source] = {name: by_path[one.source] for name, one in self.locked.items()}
        self._reader = reader
        self._read: dict[str, NamedDefinition] = {}

    def named(self, name: str) -> NamedDefinition:
        """Return an app with all that documents tell of."""
        if name not in self._read:
            (file,) = self._reader.read([self.sources[name]])
            assert file.app is not None
            app = replace(file.app, source=self.locked[name].origin)
            self._read[name] = named_definition(NamedApp(app, name, file.data), self.request.config.options)
        return self._read[name]

    def problems(self) -> list[Diagnostic]:
        """Return what is wrong with the names that were chosen for those that were read."""
        return [
            problem._replace(location=Location(self.sources[name].shown))
            for name, one in self._read.items()
            for problem in one.names.problems
        ]


def _output(folder: DocumentFolder, state: OutputState, every: _Apps) -> Destination:
    """Return a folder of documents as it is to be."""
    same = {name for name, source in every.sources.items() if state.unchanged.get(source.path) == name}
    old = state.lock
    if old and len(same) == len(every.sources) == len(old.apps) and len(state.kept) == len(old.files):
        return Destination(folder.shown, kept=state.kept, lock=old, old=old, seen=state.seen)
    texts: dict[str, str] = {}
    for key, options in folder.targets.items():
        target = DOCUMENT_TARGETS[key]
        changed = (every.named(name) for name in every.sources if name not in same)
        texts |= signed_texts(target, options, changed, map(every.named, every.sources))
        if target.remarks:
            remarks = target.remarks([*map(every.named, every.sources)], options)
            every.remarks += [
                Diagnostic("note", key, text, Location(every.sources[name].shown)) for name, text in remarks.items()
            ]
    kept = {path for path in state.kept if app_of(path) in {name.rstrip("_") for name in same}} - texts.keys()
    apps = {
        name: one._replace(source=every.sources[name].relative_to(folder.folder), warnings=0)
        for name, one in every.locked.items()
    }
    package = package_from(folder.folder, every.request.config)
    new = Lock(__version__, folder.fingerprint, state.files_with(texts, kept), apps, package=package)
    return Destination(folder.shown, texts, kept, new, old, state.seen)


def signed_texts(
    target: DocumentTarget,
    options: DocumentOptions,
    changed: Iterable[NamedDefinition],
    every: Iterable[NamedDefinition],
) -> dict[str, str]:
    """Return the files of a target, by their paths. Only apps that it asks for are taken from what is given."""
    texts = dict(target.pages([*changed], options)) if target.pages else {}
    texts |= target.overview([*every], options) if target.overview else {}
    return {path: signed(text, __version__, path) for path, text in texts.items()}


# Those that a command names


_MARK = "documents"
"""What the lock has in place of a fingerprint of options: each run makes all of it anew."""


def folder_of(
    texts: Mapping[str, str], apps: Sequence[NamedDefinition], output: str, key: str, config: Config
) -> Destination:
    """Return a folder with the files that a target made of apps. What other targets wrote there stays.

    Raises `PublishError` where something else was written there by difygen, or where an app would go though its
    definition is still there.
    """
    folder, endings = os.path.abspath(output), DOCUMENT_TARGETS[key].endings
    state = OutputState(*read_own_lock(output, force=config.force))
    old = state.lock
    if old:
        _refuse_others(output, old)
    locked = {}
    for each in apps:
        about = each.definition.workflow
        source = Source(STDIN if about.source == STDIN else os.path.abspath(about.source), about.source)
        path, origin = source.relative_to(folder), origin_of(source, folder, config.folder)
        locked[each.name] = LockedApp(path, origin, each.source_hash, about.name, about.mode)
    others = {path for path in old.files if not path.endswith(endings)} if old else set()
    if old and not config.prune:
        ours = {app_of(path) for path in old.files.keys() - others}
        before = {name: one for name, one in old.apps.items() if name.rstrip("_") in ours}
        if problem := left_out(output, "documents of", folder, before, locked):
            raise PublishError(problem)
    theirs = {*map(app_of, others)}
    elsewhere = {name: one for name, one in old.apps.items() if name.rstrip("_") in theirs} if old else {}
    new = Lock(__version__, _MARK, state.files_with(texts, others), elsewhere | locked, package=ALONE)
    return Destination(output, texts, others, new, old, state.seen)


def _refuse_others(output: str, old: Lock) -> None:
    """Refuse a folder that holds a package, or documents that the settings of one name."""
    holds = what_it_holds(old)
    if holds != "documents":
        raise PublishError(f"{output} holds {holds}\nnothing was written; choose another output")
    package = os.path.normpath(os.path.join(output, old.package))
    if old.package != ALONE and os.path.lexists(package):
        hint = "leave out SOURCE and -o to write these, or choose another output"
        raise PublishError(f"{output} holds the documents that go along with {package}\nnothing was written; {hint}")
