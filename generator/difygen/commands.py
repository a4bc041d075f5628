"""The commands that build or call workflows, as the command line calls them: with the project's settings, which they have in common.

Where a command line and a file of settings both speak, the command line wins; settings of single workflows hold in either case.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import click

from difygen.options import Options
from difygen.project.request import Job

if TYPE_CHECKING:
    from difygen.config import Config
    from difygen.diagnostics import Diagnostic

SETTINGS_FILES = ("difygen.toml", "pyproject.toml")


class JobError(click.ClickException):
    """The arguments or the settings are wrong; the message is what to print."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message as it is: it says itself what kind of message it is."""
        click.echo(self.message, file=file, err=True)


def run_generate(**arguments: Any) -> int:
    """`difygen SOURCE… -o DIR`. Returns the exit code."""
    from difygen.project.regenerate import run_generate as generate

    return generate(plan_job(**arguments))


def run_check(**arguments: Any) -> int:
    """`difygen check`. Returns the exit code."""
    from difygen.project.regenerate import run_check as check

    return check(plan_job(**arguments))


def run_watch(**arguments: Any) -> int:
    """`difygen --watch`. Returns the exit code."""
    from difygen.project.watch import run_watch as watch

    return watch(plan_job(**arguments))


def run_runtime(*, output: str | None, config: str | None, force: bool, verbosity: int) -> int:
    """`difygen runtime`. Returns the exit code."""
    from difygen.project.regenerate import run_runtime as write
    from difygen.project.runtime import find_runtime

    settings = _load(config)
    options = _options(settings, ".")
    if output is None and settings and options.runtime:
        found = find_runtime(options.runtime, settings.folder, os.path.join(settings.folder, settings.output or "."))
        output = os.path.relpath(found or os.path.join(settings.folder, *options.runtime.split(".")))
    if not output:
        raise JobError(_usage("No folder to write was given: add -o DIR."))
    if output.endswith(".py"):
        raise JobError(_usage(f"The runtime is a package: -o {output!r} is to be a folder."))
    return write(output, options, force=force, verbosity=verbosity)


def run_call(source: str, **arguments: Any) -> int:
    """`difygen call`. Returns the exit code."""
    from difygen.call.command import run_call as call
    from difygen.call.options import CallOptions

    settings = _load(None)
    return call(CallOptions(source=source, **arguments), _options_for((source,), settings))


def run_mock(sources: tuple[str, ...], **arguments: Any) -> int:
    """`difygen mock`. Returns the exit code."""
    from difygen.mock import run_mock as mock

    settings = _load(None)
    base_folder = settings.folder if settings and not sources else "."
    chosen = sources or (settings.sources if settings else ())
    if not chosen:
        raise JobError(_no_source())
    output = _from(base_folder, settings)
    options = _options(settings, base_folder)
    return mock(sources=chosen, **arguments, options=options, base_folder=base_folder, output=output)


def run_inspect(sources: tuple[str, ...], *, config: str | None, as_json: bool) -> int:
    """`difygen inspect`. Returns the exit code."""
    from difygen.inspection import run_inspect as inspect

    settings = _load(config)
    base_folder = settings.folder if settings and not sources else "."
    chosen = sources or (settings.sources if settings else ())
    if not chosen:
        raise JobError(_no_source())
    options, output = _options(settings, base_folder), _from(base_folder, settings)
    return inspect(chosen, options, base_folder=base_folder, output=output, as_json=as_json)


def run_doctor(sources: tuple[str, ...], **arguments: Any) -> int:
    """`difygen doctor`. Returns the exit code."""
    from difygen.doctor.command import DoctorOptions
    from difygen.doctor.command import run_doctor as doctor

    settings = _load(None)
    return doctor(DoctorOptions(sources=sources, **arguments), _options_for(sources, settings))


def plan_job(
    *,
    sources: tuple[str, ...],
    output: str | None,
    name: str | None,
    templates: str | None,
    config: str | None,
    **choices: Any,
) -> Job:
    """Return the job of these arguments and of the project's settings. `choices` are those that no setting speaks of.

    Raises:
        JobError: They do not make a job.
    """
    settings = _load(config)
    base_folder = settings.folder if settings and not sources else "."
    options = _options(settings, base_folder)
    chosen = sources or (settings.sources if settings else ())
    target = output or (settings.output if settings else None)
    if not chosen:
        raise JobError(_no_source())
    if not target:
        raise JobError(_usage("No package to write was given: add -o DIR."))
    if output and base_folder != ".":
        target = os.path.relpath(output, base_folder)
    if name is not None:
        options = replace(options, names={**options.names, _only_file(chosen, name): name})
    if templates is not None:
        options = replace(options, templates=_template_folder(templates))
    return Job(
        sources=tuple(chosen),
        output=target,
        options=replace(options, single_file=target.endswith(".py")),
        base_folder=base_folder,
        settings=None if sources else settings,
        **choices,
    )


def _options(settings: Config | None, base_folder: str) -> Options:
    """The options of the settings, with the sources that have names relative to `base_folder`."""
    if settings is None:
        return Options()
    names = settings.options.names
    if settings.folder != base_folder:
        names = {
            os.path.relpath(os.path.join(settings.folder, source), base_folder): name for source, name in names.items()
        }
    return replace(settings.options, names=names)


def _load(file: str | None) -> Config | None:
    if file is None and not any(map(os.path.lexists, SETTINGS_FILES)):
        return None
    from difygen.config import load_config

    loaded = load_config(".", file)
    if isinstance(loaded, tuple):
        raise JobError(_lines(loaded))
    return loaded


def _only_file(sources: Iterable[str], name: str) -> str:
    from difygen.naming import explicit_name_problem

    chosen = list(sources)
    if len(chosen) != 1 or os.path.isdir(chosen[0]):
        raise JobError(
            _usage("--name goes with a single file as SOURCE; in difygen.toml each workflow can have its own name.")
        )
    if problem := explicit_name_problem(name):
        raise JobError(_usage(f"--name {name!r} {problem}."))
    return chosen[0]


def _template_folder(folder: str) -> str:
    if not os.path.isdir(folder):
        raise JobError(_usage(f"--templates {folder!r} is no folder."))
    return folder


def _options_for(sources: Sequence[str], settings: Config | None) -> Options:
    """The options of the settings, with the names that the definitions in `sources` have in the project's package."""
    options = _options(settings, ".")
    output = _from(".", settings)
    if output is None:
        return options

    from difygen.project.names import names_in_package
    from difygen.project.sources import discover

    return replace(options, names={**names_in_package(output, discover(sources)[0]), **options.names})


def _no_source() -> str:
    return _usage("No SOURCE was given, and there is no [tool.difygen] in pyproject.toml that names `sources`.")


def _from(base_folder: str, settings: Config | None) -> str | None:
    """The package of the settings, as a path that starts at `base_folder`."""
    if settings is None or settings.output is None:
        return None
    return os.path.relpath(os.path.join(settings.folder, settings.output), base_folder)


def _usage(sentence: str) -> str:
    return f"Error: {sentence}\nTry 'difygen --help' for help."


def _lines(diagnostics: Iterable[Diagnostic]) -> str:
    return "\n".join(str(diagnostic) for diagnostic in diagnostics)
