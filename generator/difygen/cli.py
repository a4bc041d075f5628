"""The command line: parse arguments, call, print, exit. No logic; whatever a command needs is imported when it runs.

Exit codes: 0 done; 1 the answer is "no" (out of date, breaking, a failed run, a refusal to overwrite, warnings
under --strict); 2 the arguments, a definition or the settings are wrong; 130 Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal, NoReturn, TypeVar

import click
from click.core import iter_params_for_processing

from difygen import __version__

CommandT = TypeVar("CommandT", bound=Callable[..., object])

EPILOG = """\b
A SOURCE is a YAML spec, a file that Dify's "Export DSL" wrote, a folder of them, or - for standard input.

\b
Examples:
  difygen specs/concat.yaml -o client/      a package: from client import run_concat
  difygen exports/ -o client/               every definition of a folder
  difygen export.yml -o concat_client.py    one self-contained file
  difygen                                   what [tool.difygen] in pyproject.toml says

\b
Exit codes: 0 done, 1 refused, out of date or failed, 2 wrong arguments or a wrong definition.
Shell completion: eval "$(difygen completion bash)"   (or zsh, fish)
"""

_FORMAT = "difygen.output_format"
"""Where click's context keeps how findings are printed."""

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class _Command(click.Command):
    """A command that says all that is wrong with its arguments, where click says the first mistake alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, [*args])
        except click.UsageError as error:
            mistakes = [*self._mistakes(ctx, args)]
            if len(mistakes) < 2:
                raise
            sentences = dict.fromkeys(each.format_message() for each in mistakes)
            raise click.UsageError("\nError: ".join(sentences), ctx) from error

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


class _Root(click.Group):
    """Generating is the command that needs no name: what is no other command's name belongs to `generate`."""

    command_class = _Command

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the program and end it. Whatever it has to say can be said in any code page."""
        from difygen.console import accept_any_text

        accept_any_text()
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except click.ClickException as error:
            error.show(sys.stderr)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("Aborted!", sys.stderr)
            sys.exit(1)
        sys.exit(code)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help", "--version")):
            args = ["generate", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. What is wrong with what the user gave ends it with sentences and 2."""
        try:
            return super().invoke(ctx)
        except (click.Abort, click.ClickException, click.exceptions.Exit):
            raise
        except Exception as error:
            from difygen.console import WRONG, OutputError, UsageProblem, say, unwritten

            if isinstance(error, OutputError):
                ctx.exit(unwritten(error))
            if not isinstance(error, UsageProblem):
                raise
            if (output_format := ctx.meta.get(_FORMAT, "text")) in ("json", "github", "sarif"):
                from difygen.findings import show_problem

                show_problem(error, output_format, ctx.invoked_subcommand or "")
            else:
                say("\n".join(error.lines()))
            ctx.exit(WRONG)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[SOURCE]... [-o DIR] [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGUMENTS]", prefix="   or: ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        generate.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


class _NamelessContext(click.Context):
    """The context of a command that is called by the program's own name."""

    @property
    def command_path(self) -> str:
        return self.parent.command_path if self.parent else super().command_path


class _Generate(_Command):
    context_class = _NamelessContext


def _sources(*, required: bool) -> Callable[[CommandT], CommandT]:
    metavar = "SOURCE..." if required else "[SOURCE]..."
    return click.argument("sources", metavar=metavar, nargs=-1, required=required)


def _settings(command: CommandT) -> CommandT:
    """Add where the project's settings are: the same for every command."""
    text = "Settings to use, not the nearest pyproject.toml or difygen.toml."
    return click.option("--config", metavar="FILE", help=text)(command)


def _output(command: CommandT) -> CommandT:
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


def _verbosity(command: CommandT) -> CommandT:
    """-q and -v, as `verbosity`: -1 errors alone, 0 a summary, 1 every file."""
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


def _output_format(*also: str) -> Callable[[CommandT], CommandT]:
    """Add for whom findings are printed: the same for every command that has some. `also` are its own ways."""

    def remember(ctx: click.Context, _: click.Parameter, given: str) -> str:
        ctx.meta[_FORMAT] = given
        return given

    return click.option(
        "--output-format",
        "--format",
        type=click.Choice(["text", "json", *also, "github", "sarif"]),
        default="text",
        callback=remember,
        help="How to print: for people, as JSON, as annotations of GitHub Actions, or as SARIF.",
    )


def _server(command: CommandT) -> CommandT:
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


def _end(code: int) -> NoReturn:
    click.get_current_context().exit(code)


@click.group(cls=_Root, epilog=EPILOG, context_settings=HELP_NAMES)
@click.version_option(__version__, message="difygen %(version)s")
def root() -> None:
    """Write typed Python clients for Dify workflows.

    Reads the definitions of workflows and writes a package (or one file) of typed functions that run them: blocking and
    streaming, sync and async. The package needs httpx and pydantic, and nothing of difygen.
    """


@root.command(cls=_Generate, hidden=True, context_settings=HELP_NAMES)
@_sources(required=False)
@_output
@click.option("--force", is_flag=True, help="Overwrite and remove files that difygen did not write.")
@click.option("--prune", is_flag=True, help="Remove the clients of definitions that are not among the SOURCEs.")
@click.option("--watch", is_flag=True, help="Stay, and generate again whenever a SOURCE is saved.")
@_output_format()
@_settings
@_verbosity
def generate(watch: bool, **arguments: Any) -> None:
    """Write the client of every SOURCE into the package DIR."""
    from difygen.config import read_config

    config = read_config(needs=("sources", "output"), **arguments)
    if watch:
        from difygen.console import UsageProblem
        from difygen.project.watch import run_watch

        if config.output_format != "text":
            raise UsageProblem("--watch prints for people alone: leave --output-format out.")

        _end(run_watch(config))
    from difygen.project.build import run_generate

    _end(run_generate(config))


@root.command(short_help="Tell whether a package is what its definitions give.", context_settings=HELP_NAMES)
@_sources(required=False)
@_output
@_output_format()
@_settings
@_verbosity
def check(**arguments: Any) -> None:
    """Tell whether a package is what its definitions give, for CI.

    Silent and 0 if it is, a short diff and 1 if it is not. Takes what generating takes, and writes nothing.
    """
    from difygen.config import read_config
    from difygen.project.check import run_check

    _end(run_check(read_config(needs=("sources", "output"), **arguments)))


@root.command(short_help="Write the runtime alone, for packages that share it.", context_settings=HELP_NAMES)
@click.option("-o", "--output", metavar="DIR", help="The package to write. Default: `runtime` of the settings.")
@click.option("--force", is_flag=True, help="Overwrite and remove files that difygen did not write.")
@_settings
@_verbosity
def runtime(output: str | None, **arguments: Any) -> None:
    """Write the runtime alone, for packages that share it.

    Packages whose settings say `runtime = "our.dify_runtime"` import it from there, in place of bringing one each.
    """
    from difygen.config import read_config
    from difygen.project.build import run_runtime

    _end(run_runtime(read_config(**arguments), output))


@root.command(short_help="Tell what changed for the callers of an app.", context_settings=HELP_NAMES)
@click.argument("old")
@click.argument("new")
@_output_format("markdown")
@click.option(
    "--fail-on",
    type=click.Choice(["breaking", "internal", "any"]),
    help="Exit with 1 if there are changes that bad: for all callers, for those who name inner steps, or any.",
)
def diff(
    old: str,
    new: str,
    output_format: Literal["text", "json", "markdown", "github", "sarif"],
    fail_on: Literal["breaking", "internal", "any"] | None,
) -> None:
    """Tell what changed between two states of a workflow, as its callers see it.

    OLD and NEW are a spec, an export, a generated package, its difygen.lock, or a file of a git revision such as
    HEAD~1:specs/concat.yaml.
    """
    from difygen.comparison import run_diff

    _end(run_diff(old, new, output_format=output_format, fail_on=fail_on))


@root.command(short_help="Write a commented difygen.toml, or a spec to review.", context_settings=HELP_NAMES)
@click.argument("export", required=False)
@click.option(
    "-o", "--output", metavar="FILE", help="What to write. Default: difygen.toml, or specs/<name>.yaml for an EXPORT."
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@_settings
def init(export: str | None, output: str | None, config: str | None, force: bool) -> None:
    """Write a commented difygen.toml, or from an EXPORT a spec to review."""
    from difygen.config import read_config
    from difygen.init import init_settings, init_spec

    if export is None:
        _end(init_settings(output or config, force=force))
    _end(init_spec(read_config(sources=(export,), config=config, force=force), output))


@root.command(short_help="Serve apps as Dify's API would.", context_settings=HELP_NAMES)
@_sources(required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8098, show_default=True, help="The port to listen on; 0 for any free one.")
@click.option("--handler", metavar="MODULE:FUNCTION", help="A Python function from a run's inputs to its outputs.")
@click.option("--api-key", metavar="[NAME=]KEY", multiple=True, help="The only key to accept. Default: any.")
@click.option("--latency", default=0.0, metavar="SECONDS", help="How long each node takes.")
@click.option("--ping-interval", default=10.0, show_default=True, metavar="SECONDS", help="The time between pings.")
@click.option("--fail-rate", default=0.0, metavar="SHARE", help="The share of runs that fail, from 0 to 1.")
@click.option("--cut-after", metavar="N[b]", help="Cut every stream after N events, or N bytes with b.")
@_settings
def mock(sources: tuple[str, ...], config: str | None, **options: Any) -> None:
    """Serve SOURCE... as Dify's API would, to develop and test without a Dify server.

    Without a SOURCE, those of the project's settings are served.
    """
    from difygen.config import read_config
    from difygen.mock import run_mock

    _end(run_mock(config=read_config(sources=sources, config=config, needs=("sources",)), **options))


@root.command(short_help="Find out why a server does not answer.", context_settings=HELP_NAMES)
@_sources(required=False)
@_server
@click.option("--run", is_flag=True, help="Also start one run. Without it, doctor only reads.")
@click.option("--input", "inputs", metavar="NAME=VALUE", multiple=True, help="An input of that run.")
@click.option("--timeout", default=10.0, show_default=True, metavar="SECONDS", help="How long to wait in each step.")
@_output_format()
@_settings
def doctor(sources: tuple[str, ...], config: str | None, **options: Any) -> None:
    """Find out why a server does not answer, or answers differently than SOURCE... says."""
    from difygen.config import read_config
    from difygen.doctor.command import DoctorOptions, run_doctor

    _end(run_doctor(DoctorOptions(config=read_config(sources=sources, config=config), **options)))


@root.command(short_help="Run an app from the terminal.", context_settings=HELP_NAMES)
@click.argument("source")
@click.argument("values", metavar="[NAME=VALUE]...", nargs=-1)
@_server
@click.option("--query", metavar="TEXT", help="What to ask an app that chats; @FILE and @- as for values.")
@click.option("--file", "files", metavar="FILE", multiple=True, help="A path or URL of a file that goes with a query.")
@click.option("--conversation", metavar="ID", help="The conversation to go on with. Default: a new one.")
@click.option("--timeout", type=float, metavar="SECONDS", help="How long the whole run may take.")
@click.option("--blocking", is_flag=True, help="Wait for one answer instead of streaming.")
@click.option("--events", is_flag=True, help="Print the raw events, one JSON line each.")
@click.option("--json", is_flag=True, help="Print the result alone, as JSON.")
@click.option("--html", metavar="FILE", help="Write the timeline as a web page.")
@click.option("--inputs", metavar="FILE", help="Run once per row of a .jsonl or .csv file.")
@click.option(
    "--concurrency", type=click.IntRange(min=1), metavar="N", help="How many rows to run at a time. Default: 4."
)
@click.option("--output", metavar="FILE", help="Where the results of the rows go; what is done there is not run again.")
@_settings
def call(source: str, config: str | None, **options: Any) -> None:
    """Run an app from the terminal: difygen call specs/concat.yaml string=hello num=3 list=list_b

    Of an app that chats it makes one turn: difygen call support.yml --query "Where is my order?"

    A VALUE is read by the type of its input: true or false, a number, JSON for objects, a path or URL for files.
    @FILE takes a text from a file, @- from standard input, and @@ begins a text with @. A list of files repeats its
    NAME.

    The results go to standard output and the progress to standard error; Ctrl-C stops the run on the server. Exit
    codes: 0 it succeeded, 1 it did not, 2 something about the call was wrong, 130 Ctrl-C.
    """
    from difygen.call import run_call
    from difygen.call.options import CallOptions
    from difygen.config import read_config

    _end(run_call(CallOptions(config=read_config(sources=(source,), config=config), **options)))


@root.command(short_help="Talk with an app in the terminal.", context_settings=HELP_NAMES)
@click.argument("source")
@click.argument("values", metavar="[NAME=VALUE]...", nargs=-1)
@_server
@click.option("--conversation", metavar="ID", help="The conversation to go on with. Default: a new one.")
@click.option("--timeout", type=float, metavar="SECONDS", help="How long a turn may take.")
@_settings
def chat(source: str, config: str | None, **options: Any) -> None:
    """Talk with a chatflow, a chatbot or an agent: difygen chat support.yml order=A-17

    VALUEs are those of the app's inputs, as in difygen call. A line is a turn; /help shows the commands. Ctrl-C stops
    the turn that goes on, and leaves at an empty prompt.

    Off a terminal each line of standard input is a turn, and each answer goes to standard output. The first that does
    not succeed ends it. Exit codes: 0 all succeeded, 1 a turn did not, 2 something was wrong, 130 Ctrl-C.
    """
    from difygen.call.chat import ChatOptions, run_chat
    from difygen.config import read_config

    _end(run_chat(ChatOptions(config=read_config(sources=(source,), config=config), **options)))


@root.command(short_help="Print what apps take and give, and their names in Python.", context_settings=HELP_NAMES)
@_sources(required=False)
@_settings
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other tools; docs/inspect.md has its members.")
def inspect(as_json: bool, **arguments: Any) -> None:
    """Print what the apps of SOURCE... take and give, and how their clients call it, without writing anything."""
    from difygen.config import read_config
    from difygen.inspection import run_inspect

    _end(run_inspect(read_config(needs=("sources",), **arguments), as_json=as_json))


@root.command(short_help="Print the shell's completion script.", context_settings=HELP_NAMES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell's completion script: eval "$(difygen completion bash)"."""
    from click.shell_completion import get_completion_class

    from difygen.console import echo

    script = get_completion_class(shell)
    assert script is not None, "click knows the three shells above"
    echo(script(root, {}, "difygen", "_DIFYGEN_COMPLETE").source())
