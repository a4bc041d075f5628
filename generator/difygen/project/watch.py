"""`difygen --watch`: generate again whenever a definition is saved.

Knows how to watch; what to build is decided in `build`.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from functools import partial
from importlib.util import find_spec

from difygen.config import Config
from difygen.console import say, say_error
from difygen.definitions import SUFFIXES, discover
from difygen.definitions.lockfile import locked_files
from difygen.files import STDIN
from difygen.project.build import build
from difygen.project.report import show_report
from difygen.record import replace

_QUIET_TIME = 20
"""Milliseconds without a change after which a save is taken to be complete: editors save in steps.
"""

_BREATH = 200
"""Milliseconds between the moments in which the watcher lets go, whether or not something changed."""

_PATIENCE = 500
"""Milliseconds after which that is no longer waited for."""


def run_watch(config: Config) -> int:
    """Generate now and after every change, until Ctrl-C. Mistakes are printed, and the next change is waited for.

    Returns 0 after Ctrl-C, and 2 if there is nothing that could be watched.
    """
    if find_spec("watchfiles") is None:
        say_error("--watch needs the package watchfiles: pip install 'difygen[watch]'")
        return 2
    roots = _roots(config)
    if STDIN in config.sources or not roots:
        say_error("There is nothing to watch: no SOURCE is a file or a folder that exists.")
        return 2
    show = partial(show_report, config=config)
    try:
        show(build(config))
        _prepare()
        later = replace(config, force=False)
        for number, _ in enumerate(_saves(roots, _ChangeFilter(config))):
            report = build(later)
            if number or any(folder.written or folder.removed for folder in report.folders):
                show(report)
    except KeyboardInterrupt:
        pass
    return 0


def _saves(roots: Iterable[str], saves: _ChangeFilter) -> Iterator[None]:
    """Yield when something was saved, and first as soon as nothing is missed any more, to make up for what was."""
    from watchfiles import watch

    watcher = watch(
        *roots,
        watch_filter=saves,
        step=_QUIET_TIME,
        debounce=_PATIENCE,
        rust_timeout=_BREATH,
        yield_on_timeout=True,
    )
    next(watcher)
    say(f"watching {', '.join(map(os.path.relpath, roots))} (Ctrl-C ends it)")
    yield
    for changes in watcher:
        if changes:
            yield


def _prepare() -> None:
    """Import what the first change will need, so that it need not wait for that."""
    from difygen.parser import dsl, spec
    from difygen.project import assemble

    assert assemble and dsl and spec
    gc.collect()
    gc.freeze()


def _roots(config: Config) -> list[str]:
    """Return the folders to watch. A file is watched through its folder, as many editors replace it by a new one."""
    sources = [os.path.abspath(source) for source in config.sources if source != STDIN]
    roots = set(map(_folder_of, sources))
    if config.options.templates:
        roots.add(os.path.abspath(config.options.templates))
    return sorted(root for root in roots if os.path.isdir(root))


def _folder_of(path: str) -> str:
    while not os.path.isdir(path) or any(sign in path for sign in "*?["):
        above = os.path.dirname(path)
        if above == path:
            break
        path = above
    return path


class _ChangeFilter:
    """Tells the changes that matter from all others, those of the package itself first of all."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._output = os.path.abspath(config.output or "")
        self._documents = {os.path.abspath(each.output) for each in config.documents.values() if config.with_documents}
        self._templates = os.path.abspath(config.options.templates) if config.options.templates else None
        self._known = set(self._found())

    def __call__(self, change: object, path: str) -> bool:
        if path == self._output or path.startswith(self._output + os.sep):
            return False
        for folder in self._documents:  # which may hold definitions, too
            if path.startswith(folder + os.sep) and os.path.relpath(path, folder).replace(os.sep, "/") in locked_files(
                folder
            ):
                return False
        if self._templates and path.startswith(self._templates + os.sep):
            return True
        if path not in self._known and path.endswith(SUFFIXES):
            self._known |= set(self._found())
        return path in self._known

    def _found(self) -> Iterator[str]:
        return (source.path for source in discover(self._config.sources)[0])
