"""The command line: parse arguments, call, print, exit. No logic; whatever a command needs is imported when it runs.

Exit codes: 0 done; 1 the answer is "no" (out of date, breaking, a failed run, a refusal to overwrite, warnings
under --strict); 2 the arguments, a definition or the settings are wrong; 130 Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from difygen import __version__
from difygen.command_line import (
    FORMAT,
    HELP_NAMES,
    Command,
    end,
    format_option,
    output_options,
    read_config,
    settings_option,
    sources_argument,
    verbosity_options,
)

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

COMMANDS = (
    "check",
    "runtime",
    "diff",
    "init",
    "pull",
    "mock",
    "doctor",
    "call",
    "chat",
    "inspect",
    "docs",
    "openapi",
    "tools",
    "mcp",
    "completion",
)
"""Those of `difygen.commands`."""


class _Root(click.Group):
    """Generating is the command that needs no name: what is no other command's name belongs to `generate`."""

    command_class = Command

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

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return super().get_command(ctx, name)
        from difygen import commands  # most runs generate

        command: click.Command = getattr(commands, name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*COMMANDS, "generate", "-h", "--help", "--version"):
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
            if (output_format := ctx.meta.get(FORMAT, "text")) in ("json", "github", "sarif"):
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


class _Generate(Command):
    context_class = _NamelessContext


@click.group(cls=_Root, epilog=EPILOG, context_settings=HELP_NAMES)
@click.version_option(__version__, message="difygen %(version)s")
def root() -> None:
    """Write typed Python clients for Dify workflows.

    Reads the definitions of workflows and writes a package (or one file) of typed functions that run them: blocking and
    streaming, sync and async. The package needs httpx and pydantic, and nothing of difygen.
    """


@root.command(cls=_Generate, hidden=True, context_settings=HELP_NAMES)
@sources_argument(required=False)
@output_options
@click.option("--force", is_flag=True, help="Overwrite and remove files that difygen did not write.")
@click.option("--prune", is_flag=True, help="Remove the clients of definitions that are not among the SOURCEs.")
@click.option("--watch", is_flag=True, help="Stay, and generate again whenever a SOURCE is saved.")
@format_option()
@settings_option
@verbosity_options
def generate(watch: bool, **arguments: Any) -> None:
    """Write the client of every SOURCE into the package DIR."""
    config = read_config(needs=("sources", "output"), **arguments)
    if watch:
        from difygen.console import UsageProblem
        from difygen.project.watch import run_watch

        if config.output_format != "text":
            raise UsageProblem("--watch prints for people alone: leave --output-format out.")

        end(run_watch(config))
    from difygen.project.build import run_generate

    end(run_generate(config))
