"""What a command is to do, from the command line and the project's settings: one record, given whole.

Where both speak, the command line wins; what settings say of single workflows holds in either case.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from difygen.console import DefinitionProblem, UsageProblem, collecting
from difygen.diagnostics import Diagnostic
from difygen.options import DocumentOptions, Options
from difygen.record import NOTHING, Record, replace

if TYPE_CHECKING:
    from difygen.findings import OutputFormat
    from difygen.settings import Settings

SETTINGS_FILES = ("difygen.toml", "pyproject.toml")

SEE_HELP = "Try 'difygen --help' for help."


class Config(Record, kw_only=True):
    """What the command line and the settings ask for. Paths start at the current folder.

    `folder` is the project's: generated code calls definitions by their path from it. `options` say what the code is
    to be like; their `names` are keyed by paths like `sources`. `documents` says of targets beside the code how they
    are to be, and where, by the keys of the settings; `with_documents` whether they are made along with the code: not
    where the command line names a SOURCE or an output, which is one thing of several then. `settings` are the file
    that names the sources, if one does: they are all that the package holds then. `force` overwrites files that
    difygen did not write, and trusts nothing that an earlier run left; `prune` removes the clients of definitions that
    are there and not among the sources; `strict` brings the warnings of unchanged definitions up again. `verbosity` is
    -1 for errors alone, 1 for every file. `output_format` says for whom findings are printed, and
    `report` is a file that they are written to as JSON, too.
    """

    sources: tuple[str, ...] = ()
    output: str | None = None
    folder: str = "."
    options: Options = Options()
    documents: Mapping[str, DocumentOptions] = NOTHING
    with_documents: bool = False
    settings: Settings | None = None
    force: bool = False
    prune: bool = False
    strict: bool = False
    verbosity: int = 0
    output_format: OutputFormat = "text"
    report: str | None = None

    @property
    def package(self) -> str:
        """The absolute path of the folder that the output is, or is in if it is a single file."""
        output = os.path.abspath(self.output or self.folder)
        return os.path.dirname(output) if self.options.single_file else output

    def unused_settings(self, names: Collection[str]) -> tuple[Diagnostic, ...]:
        """Return what the settings say about apps that there are not. `names` are those of all that there are."""
        return self.settings.unused(names) if self.settings else ()


def read_config(
    *,
    sources: tuple[str, ...] = (),
    output: str | None = None,
    name: str | None = None,
    templates: str | None = None,
    config: str | None = None,
    needs: Collection[str] = (),
    **choices: Any,
) -> Config:
    """Return what these arguments and the settings of the project, or those in the file `config`, ask for.

    Args:
        sources: Definitions; without any, those of the settings.
        output: The package, or the one file, to write.
        name: The Python name of the workflow in the one source.
        templates: A folder of templates.
        config: A file of settings in place of the project's.
        needs: "sources", "output": what the command cannot do without.
        choices: What no settings speak of, by the names of `Config`'s fields.

    Raises:
        UsageProblem: The arguments or the settings are wrong.
    """
    settings = _load(config)
    found = Config(sources=sources, **choices) if settings is None else _from_settings(settings, sources, choices)
    if output is not None:
        found = replace(found, output=output, with_documents=False)
    problems = []
    if "sources" in needs and not found.sources:
        problems.append("No SOURCE was given, and there is no [tool.difygen] in pyproject.toml that names `sources`.")
    if "output" in needs and not found.output:
        problems.append("No package to write was given: add -o DIR.")
    options = replace(found.options, single_file=(found.output or "").endswith(".py"))
    if name is not None:
        with collecting(problems):
            options = replace(options, names={**options.names, _only_file(found.sources, name): name})
    if templates is not None:
        if not os.path.isdir(templates):
            problems.append(f"--templates {templates!r} is no folder.")
        options = replace(options, templates=templates)
    if problems:
        raise UsageProblem(*problems, note=SEE_HELP)
    return replace(found, options=options)


def _load(file: str | None) -> Settings | None:
    """Return the settings in the file, or else the nearest ones from here upwards."""
    for folder in [os.curdir] if file is not None else _folders_with_settings():
        from difygen.settings import load_settings  # only where there is a file that may have some

        loaded = load_settings(folder, file)
        if isinstance(loaded, tuple):
            raise DefinitionProblem(*loaded)
        if loaded is not None:
            return loaded
    return None


def _folders_with_settings() -> Iterator[str]:
    """Yield folders that may have settings: this one and those around it, as far as the root of the repository."""
    folder, here = os.curdir, os.getcwd()
    while True:
        if any(os.path.lexists(os.path.join(here, name)) for name in SETTINGS_FILES):
            yield folder
        above = os.path.dirname(here)
        if above == here or os.path.lexists(os.path.join(here, ".git")):
            return
        folder, here = os.path.normpath(os.path.join(folder, os.pardir)), above


def _from_settings(settings: Settings, sources: tuple[str, ...], choices: dict[str, Any]) -> Config:
    """Return the settings with all their paths from the current folder, and with these sources, if there are any."""

    def from_here(path: str) -> str:
        is_here = settings.folder in ("", ".") or path == "-"
        return path if is_here else os.path.normpath(os.path.join(settings.folder, path))

    names = {from_here(source): name for source, name in settings.options.names.items()}
    return Config(
        sources=sources or tuple(map(from_here, settings.sources)),
        output=from_here(settings.output) if settings.output else None,
        folder="." if sources else settings.folder,
        options=replace(settings.options, names=names),
        documents={key: replace(each, output=from_here(each.output)) for key, each in settings.documents.items()},
        with_documents=not sources,
        settings=None if sources else settings,
        **choices,
    )


def _only_file(sources: tuple[str, ...], name: str) -> str:
    from difygen.naming import explicit_name_problem  # for this argument alone

    if len(sources) != 1 or os.path.isdir(sources[0]):
        sentence = "--name goes with a single file as SOURCE; in difygen.toml each app can have its own name."
        raise UsageProblem(sentence)
    if problem := explicit_name_problem(name):
        raise UsageProblem(f"--name {name!r} {problem}.")
    return sources[0]
