"""What commands are made of: options that several of them have, how mistakes in arguments are said, and the `Config`
that becomes of arguments and settings.

Where both speak, the command line wins; what settings say of single workflows holds in either case.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import iter_params_for_processing

from difygen.console import SEE_HELP, DefinitionProblem, UsageProblem, collecting

if TYPE_CHECKING:
    from difygen.config import Config, Settings

CommandT = TypeVar("CommandT", bound=Callable[..., object])

HELP_NAMES = {"help_option_names": ["-h", "--help"]}

SETTINGS_FILES = ("difygen.toml", "pyproject.toml")

FORMAT = "difygen.output_format"
"""Where click's context keeps how findings are printed."""


class Command(click.Command):
    """A command that says all that is wrong with its arguments, where click says the first mistake alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            rest = super().parse_args(ctx, [*args])
            self._check_places(ctx)
            return rest
        except click.UsageError as error:
            mistakes = [*self._mistakes(ctx, args)]
            if len(mistakes) < 2:
                raise
            sentences = dict.fromkeys(each.format_message() for each in mistakes)
            raise click.UsageError("\nError: ".join(sentences), ctx) from error

    def _check_places(self, ctx: click.Context) -> None:
        """Refuse options for files, folders and addresses that a variable which is not set has left empty."""
        for option in self.get_params(ctx):
            value = ctx.params.get(option.name or "")
            is_empty = value == "" or (isinstance(value, tuple) and "" in value)
            if is_empty and isinstance(option, click.Option) and re.search("FILE|DIR|URL", option.metavar or ""):
                raise click.UsageError(f"{option.opts[-1]} is empty: is a variable not set?", ctx)

    def _mistakes(self, ctx: click.Context, args: list[str]) -> Iterator[click.UsageError]:
        """Parse once more and yield what is wrong: unknown options, then values of the others."""
        unknown = []
        while True:
            try:
                values, rest, order = self.make_parser(ctx).parse_args([*args])
                break
            except click.NoSuchOption as error:
                yield error
                unknown.append(error.option_name)
                left = [each for each in args if each.partition("=")[0] != error.option_name]
                if left == args:  # one of several letters behind one dash
                    return
                args = left
            except click.UsageError as error:  # an option without its value: what follows cannot be told apart
                yield error
                return
        for parameter in iter_params_for_processing(order, self.get_params(ctx)):
            try:
                _, rest = parameter.handle_parse_result(ctx, values, rest)
            except click.UsageError as error:
                yield error
        if rest and not unknown:  # else the value of an unknown option
            yield click.UsageError(f"Got unexpected extra argument{'s' * (len(rest) > 1)} ({' '.join(rest)})", ctx)


def sources_argument(*, required: bool) -> Callable[[CommandT], CommandT]:
    metavar = "SOURCE..." if required else "[SOURCE]..."
    return click.argument("sources", metavar=metavar, nargs=-1, required=required)


def settings_option(command: CommandT) -> CommandT:
    """Add where the project's settings are: the same for every command."""
    text = "Settings to use, not the nearest pyproject.toml or difygen.toml."
    return click.option("--config", metavar="FILE", help=text)(command)


def output_options(command: CommandT) -> CommandT:
    """Add where the package is, and how its workflows are called: the same for `generate` and `check`."""
    for option in (
        click.option(
            "--templates", metavar="DIR", help="A folder of templates that replace difygen's own, one by one."
        ),
        click.option("--strict", is_flag=True, help="Exit with 1 if there are warnings."),
        click.option("--name", metavar="NAME", help="The app's name in Python, for a single SOURCE."),
        click.option("-o", "--output", metavar="DIR", help="The package to write, or one file if it ends in .py."),
    ):
        command = option(command)
    return command


def verbosity_options(command: CommandT) -> CommandT:
    """Add -q and -v, as `verbosity`: -1 errors alone, 0 a summary, 1 every file."""
    flags = (("-q", "--quiet"), -1, "Print errors alone."), (("-v", "--verbose"), 1, "Print every file.")
    for names, value, text in flags:
        option = click.option(
            *names,
            "verbosity",
            flag_value=value,
            type=int,
            default=0,
            callback=lambda _, __, given: given or 0,  # click 8.1 takes a default of 0 for none
            help=text,
        )
        command = option(command)
    return command


def format_option(*also: str) -> Callable[[CommandT], CommandT]:
    """Add for whom findings are printed: the same for every command that has some. `also` are its own ways."""

    def remember(ctx: click.Context, _: click.Parameter, given: str) -> str:
        ctx.meta[FORMAT] = given
        return given

    return click.option(
        "--output-format",
        "--format",
        type=click.Choice(["text", "json", *also, "github", "sarif"]),
        default="text",
        callback=remember,
        help="How to print: for people, as JSON, as annotations of GitHub Actions, or as SARIF.",
    )


def report_option(command: CommandT) -> CommandT:
    """Add a file for what is found, whatever is printed: the same for `check` and `diff`."""
    return click.option("--report", metavar="FILE", help="Write what is found to FILE as JSON, too.")(command)


def server_options(command: CommandT) -> CommandT:
    """Add how to reach a real server.

    Keys come from the environment or a file: what stands on a command line, others can see.
    """
    for option in (
        click.option("--user", help="Whom the run is for. Default: DIFY_USER, then difygen-call."),
        click.option(
            "--api-key-file",
            metavar="FILE",
            help="A file with the API key. Default: DIFY_<NAME>_API_KEY, DIFY_API_KEY, or a prompt.",
        ),
        click.option("--base-url", metavar="URL", help="The server, with or without /v1. Default: DIFY_BASE_URL."),
    ):
        command = option(command)
    return command


def end(code: int) -> NoReturn:
    """End the command with an exit code."""
    click.get_current_context().exit(code)


# The record that commands are given


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
    from difygen.config import Config  # help can do without
    from difygen.record import replace

    settings = _load(config)
    found = Config(sources=sources, **choices) if settings is None else Config.of_settings(settings, sources, choices)
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


def _only_file(sources: tuple[str, ...], name: str) -> str:
    from difygen.naming import explicit_name_problem  # for this argument alone

    if len(sources) != 1 or os.path.isdir(sources[0]):
        sentence = "--name goes with a single file as SOURCE; in difygen.toml each app can have its own name."
        raise UsageProblem(sentence)
    if problem := explicit_name_problem(name):
        raise UsageProblem(f"--name {name!r} {problem}.")
    return sources[0]
