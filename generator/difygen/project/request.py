"""What there is to build, with everything looked up that it names: definitions, output, templates, a shared runtime.

Imported on every run, so it may import next to nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from difygen import __version__
from difygen.config import Config, DocsOptions, DocumentOptions
from difygen.definitions import Source, discover, names_by_source, without_documents
from difygen.definitions.lockfile import LOCK_NAME, Lock, LockedApp, LockError, read_lock
from difygen.diagnostics import Diagnostic, Location
from difygen.files import STDIN, hash_bytes, hash_file
from difygen.project.report import Progress
from difygen.record import NOTHING, Record, replace

DocumentOptionsT = TypeVar("DocumentOptionsT", bound=DocumentOptions)
RUNTIME_MARK = "runtime"
"""What the lock of a shared runtime has in place of the fingerprint of options."""
ALONE = "."
"""What the lock of documents that go along with no package has in place of the path to it."""


class DocumentFolder(Record):
    """A folder of documents: which targets go there, and a hash of all options that these depend on.

    `folder` is its absolute path, `shown` how messages call it.
    """

    folder: str
    shown: str
    targets: Mapping[str, DocumentOptions]
    fingerprint: str


class Request(Record):
    """What a config asks for, with all paths resolved.

    `folder` is that of the package, `shown` how messages call the output. `names` are the user's names of apps, by
    source relative to `folder`; `fingerprint` is a hash of all options that generated code depends on. `documents` are
    to be made, too, or without the package if `only_documents`. Without `trusting`, nothing that an earlier run left is
    taken to be right. `stdin` is what was read from standard input.
    """

    config: Config
    folder: str
    shown: str
    sources: tuple[Source, ...]
    names: Mapping[str, str]
    fingerprint: str
    trusting: bool
    documents: tuple[DocumentFolder, ...] = ()
    only_documents: bool = False
    stdin: bytes = b""
    progress: Progress | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """The paths of the outputs that have a lock; the first, of the package, is empty if that is a single file."""
        has_lock = self.config.output and not self.config.options.single_file
        return (self.shown if has_lock else "", *(each.shown for each in self.documents))


class OutputState(Record):
    """What stands at an output before it is written: its lock, and the bytes of that.

    `kept` are the files that are as the lock says, if this generator with these options would write the same again;
    `unchanged` has the module of each app that need not be made again, by the path of its source.
    """

    lock: Lock | None = None
    seen: bytes = b""
    kept: Collection[str] = ()
    unchanged: Mapping[str, str] = NOTHING

    def files_with(self, texts: Mapping[str, str], kept: Iterable[str]) -> dict[str, str]:
        """Return the hashes of files that the next lock is to have: of new texts, and as before of what is kept."""
        files = {path: hash_bytes(text.encode()) for path, text in texts.items()}
        return files | ({path: self.lock.files[path] for path in kept} if self.lock else {})

    def is_whole(self, apps: int) -> bool:
        """Check whether everything is as it is to be, of so many apps."""
        lock = self.lock
        if lock is None:
            return False
        return len(self.unchanged) == apps == len(lock.apps) and len(self.kept) == len(lock.files)


def resolve(
    config: Config, *, trusting: bool, stdin: bytes = b"", progress: Progress | None = None, only: str = ""
) -> tuple[Request, list[Diagnostic]]:
    """Return the request of a config, and what is wrong with what it names.

    With `only`, the key of a target, it is for the documents of that alone, and what else is in their folder.
    """
    folder = config.package
    found, problems = discover(config.sources)
    if not only:
        problems += _runtime_problems(config)
    names = names_by_source(config.options.names, found, folder)
    shown, fingerprint = os.path.normpath(config.output or ""), _fingerprint(config, names)
    documents = _document_folders(config, fingerprint, only) if config.with_documents else ()
    for each in documents:
        found = without_documents(found, each.folder)
    return (
        Request(
            config=config,
            folder=folder,
            shown=shown,
            sources=tuple(found),
            names=names,
            fingerprint=fingerprint,
            trusting=trusting,
            documents=documents,
            only_documents=bool(only),
            stdin=stdin,
            progress=progress,
        ),
        problems,
    )


def left_out(shown: str, what: str, folder: str, old: Mapping[str, LockedApp], new: Mapping[str, LockedApp]) -> str:
    """Return which apps of an output would go though their definitions are still there; empty if none would.

    They were left out, and are not gone. `folder` is what the sources of locked apps are relative to.
    """
    listed = {one.source for one in new.values()}
    lines = []
    for name, one in old.items():
        if one.source in listed:
            continue
        path = os.path.join(folder, one.source)
        if one.source == STDIN or os.path.exists(path):
            place = "standard input" if one.source == STDIN else os.path.relpath(path).replace(os.sep, "/")
            lines.append(f"{shown} holds {what} `{name}` of {place}, which is not among the sources")
    hint = "nothing was written; give all sources, or --prune to remove what is not among them"
    return "\n".join([*lines, hint]) if lines else ""


def _document_folders(config: Config, fingerprint: str, only: str) -> tuple[DocumentFolder, ...]:
    """Return the folders that documents go to, each once, with all that goes there."""
    by_folder: dict[str, dict[str, DocumentOptions]] = {}
    for key, options in config.documents.items():
        by_folder.setdefault(os.path.normpath(options.output), {})[key] = options
    package = os.path.basename(os.path.abspath(config.output or "client")).removesuffix(".py")
    found = []
    for shown, targets in by_folder.items():
        if only and only not in targets:
            continue
        mark = _hash(
            [fingerprint, package, {key: {**vars(each), "client": "", "output": ""} for key, each in targets.items()}]
        )
        targets = {key: documents_for(config, each) for key, each in targets.items()}
        found.append(DocumentFolder(os.path.abspath(shown), shown, targets, mark))
    return tuple(found)


def documents_for(config: Config, options: DocumentOptionsT) -> DocumentOptionsT:
    """Return what documents are to be like that tell of the package of a config."""
    if not isinstance(options, DocsOptions):
        return options
    package = os.path.basename(os.path.abspath(config.output or "client")).removesuffix(".py")
    return replace(options, package=package, client=config.options)


def _fingerprint(config: Config, names: Mapping[str, str]) -> str:
    """Return a hash of all options that generated code depends on, the text of the user's own templates included."""
    options = {**vars(config.options), "names": dict(names)}
    if folder := config.options.templates:
        files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        options["templates"] = {name: hash_file(os.path.join(folder, name)) for name in files}
    return _hash(options)


def _hash(value: object) -> str:
    return hash_bytes(json.dumps(value, sort_keys=True, default=dict).encode())[:16]


# Whose a folder is


def wrong_place(request: Request, states: Sequence[OutputState]) -> str:
    """Return which of the folders of a request something else was written to by difygen, and what; else nothing."""
    for path, folder, one in zip(request.folders, (None, *request.documents), states, strict=True):
        if one.lock is None:
            continue
        holds = what_it_holds(one.lock)
        if holds != ("clients" if folder is None else "documents"):
            return f"{path} holds {holds}"
        if folder is not None and one.lock.package not in (ALONE, package_from(folder.folder, request.config)):
            other = os.path.join(folder.folder, one.lock.package)
            if os.path.lexists(other):
                return f"{path} holds the documents of another package, {os.path.relpath(other)}"
    return ""


def what_it_holds(lock: Lock) -> str:
    """Return what difygen wrote to the folder of a lock."""
    if lock.options == RUNTIME_MARK:
        return "the runtime that packages share"
    return "documents" if lock.package else "clients"


def app_of(path: str) -> str:
    """Return what the name of a file begins with, which is the name of its app but for underscores at the end.

    No two apps differ in these alone; a file has more of them where its name is taken.
    """
    return path.partition(".")[0].rstrip("_")


def package_from(folder: str, config: Config) -> str:
    """Return the path from a folder to the package, as locks of documents have it."""
    return Source(os.path.abspath(config.output or config.folder), "").relative_to(folder)


# A runtime that several packages share


def find_runtime(config: Config) -> str | None:
    """Return the folder of the package that generated code is to import its runtime from; None where there is none.

    Looks for files alone: importing it would run what its parents hold.
    """
    path = (config.options.runtime or "").replace(".", os.sep)
    folders = (os.path.join(root, path) for root in _import_roots(config))
    return next((folder for folder in folders if os.path.isfile(os.path.join(folder, "__init__.py"))), None)


def _import_roots(config: Config) -> Iterator[str]:
    """Yield where a project may import from: folders around it and the output, their `src`; Python's path."""
    above = ""
    for start in (config.folder, config.package):
        folder = os.path.abspath(start)
        while folder != above:
            yield folder
            yield os.path.join(folder, "src")
            above, folder = folder, os.path.dirname(folder)
    yield from sys.path


def _runtime_problems(config: Config) -> tuple[Diagnostic, ...]:
    """Return what is wrong with the runtime that generated code is to import: not there, or of another version."""
    package = config.options.runtime
    if package is None:
        return ()
    folder = find_runtime(config)
    if folder is None:
        target = os.path.normpath(os.path.join(config.folder, *package.split(".")))
        hint = f"Write it with `difygen runtime -o {target}`, or where else your project imports from."
        return (_problem("no-runtime", target, f"There is no package `{package}` to import the runtime from.", hint),)
    shown = os.path.relpath(folder).replace(os.sep, "/")
    hint = f"Write it anew with `difygen runtime -o {shown}`."
    try:
        lock, _ = read_lock(folder)
    except (LockError, OSError) as error:
        return (_problem("no-runtime", shown, f"Its {LOCK_NAME} cannot be used: {error}.", hint),)
    if lock is None or lock.options != RUNTIME_MARK:
        message = f"This package is not a runtime that `difygen runtime` wrote, or has lost its {LOCK_NAME}."
        return (_problem("no-runtime", shown, message, hint),)
    if lock.generator != __version__:
        message = f"This runtime was written by difygen {lock.generator}, and the clients would be by {__version__}."
        return (_problem("other-runtime", shown, message, hint),)
    return ()


def _problem(code: str, folder: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic("error", code, message, Location(folder), hint)
