"""The commands beside `generate`, loaded when one of them is called: each calls one function of its own package."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

import click

from difygen.command_line import (
    HELP_NAMES,
    Command,
    end,
    format_option,
    output_options,
    read_config,
    report_option,
    server_options,
    settings_option,
    sources_argument,
    verbosity_options,
)
from difygen.config import DocsFormat, DocsLanguage, OpenApiFormat, OpenApiVersion, ToolForm

command = partial(click.command, cls=Command, context_settings=HELP_NAMES)
check_option = click.option(
    "--check", is_flag=True, help="Write nothing; exit with 1 if a file is not what it should be."
)
force_option = click.option("--force", is_flag=True, help="Overwrite and remove files that difygen did not write.")
prune_documents_option = click.option(
    "--prune", is_flag=True, help="Remove the documents of definitions that are not among the SOURCEs."
)


@command(short_help="Tell whether a package is what its definitions give.")
@sources_argument(required=False)
@output_options
@format_option()
@report_option
@settings_option
@verbosity_options
def check(**arguments: Any) -> None:
    """Tell whether a package is what its definitions give, for CI.

    Silent and 0 if it is, a short diff and 1 if it is not. Takes what generating takes, and writes nothing.
    """
    from difygen.project.check import run_check

    end(run_check(read_config(needs=("sources", "output"), **arguments)))


@command(short_help="Write the runtime alone, for packages that share it.")
@click.option("-o", "--output", metavar="DIR", help="The package to write. Default: `runtime` of the settings.")
@force_option
@settings_option
@verbosity_options
def runtime(output: str | None, **arguments: Any) -> None:
    """Write the runtime alone, for packages that share it.

    Packages whose settings say `runtime = "our.dify_runtime"` import it from there, in place of bringing one each.
    """
    from difygen.project.build import run_runtime

    end(run_runtime(read_config(**arguments), output))


@command(short_help="Tell what changed for the callers of an app.")
@click.argument("old")
@click.argument("new")
@format_option("markdown")
@report_option
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
    report: str | None,
) -> None:
    """Tell what changed between two states of a workflow, as its callers see it.

    OLD and NEW are a spec, an export, a generated package, its difygen.lock, or a file of a git revision such as
    HEAD~1:specs/concat.yaml.
    """
    from difygen.project.comparison import run_diff

    end(run_diff(old, new, output_format=output_format, fail_on=fail_on, report=report))


@command(short_help="Write a commented difygen.toml, or a spec to review.")
@click.argument("export", required=False)
@click.option(
    "-o", "--output", metavar="FILE", help="What to write. Default: difygen.toml, or specs/<name>.yaml for an EXPORT."
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@settings_option
def init(export: str | None, output: str | None, config: str | None, force: bool) -> None:
    """Write a commented difygen.toml, or from an EXPORT a spec to review."""
    from difygen.project.init import init_settings, init_spec

    if export is None:
        end(init_settings(output or config, force=force))
    end(init_spec(read_config(sources=(export,), config=config, force=force), output))


@command(short_help="Fetch definitions from a Dify server.")
@click.argument("apps", metavar="[APP]...", nargs=-1)
@click.option("-o", "--output", metavar="DIR", help="The folder of the definitions. Default: exports.")
@click.option("--server", metavar="URL", help="Where people open Dify in a browser.")
@click.option("--workspace", metavar="NAME|ID", help="The workspace. Default: the user's current one.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Apps with this tag.")
@click.option("--mode", "modes", metavar="MODE", multiple=True, help="Apps of this mode: workflow, chatflow, …")
@click.option(
    "--auth",
    type=click.Choice(["token", "difyctl", "browser", "admin-key", "password", "app-key"]),
    help="How to sign in. Default: the first of these for which there is something.",
)
@click.option("--email", metavar="EMAIL", help="Who signs in with a password. Default: DIFY_EMAIL.")
@click.option("--token-file", metavar="FILE", help="A file with a user's token. Default: DIFY_TOKEN.")
@click.option("--keep-token", metavar="FILE", help="Sign in with a browser, and keep the token there for --token-file.")
@click.option("--api-key-file", metavar="FILE", help="A file with an app's key. Default: DIFY_API_KEY.")
@click.option(
    "--sample-runs",
    type=click.IntRange(0, 100),
    default=0,
    metavar="N",
    help="With an app's key: suggest outputs from N stored runs.",
)
@click.option("--draft", is_flag=True, help="Take drafts, even where a version is published.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if the server has something else.")
@click.option("--diff", is_flag=True, help="Write nothing; tell what the server's changes do to callers.")
@click.option("--prune", is_flag=True, help="Remove the files of apps that are gone, or no longer meant.")
@click.option("--force", is_flag=True, help="Overwrite files that pull did not write, or that were edited.")
@format_option()
@settings_option
@verbosity_options
def pull(
    config: str | None,
    force: bool,
    prune: bool,
    verbosity: int,
    output_format: Literal["text", "json", "github", "sarif"],
    **options: Any,
) -> None:
    """Fetch the definitions of APP... (names or ids) from a Dify server into a folder, for difygen to generate from.

    Without an APP, those that [tool.difygen.pull] names, or all of the workspace. Tokens, keys and passwords come from
    the environment, a file or a prompt; docs/pull.md has the ways to sign in.
    """
    from difygen.pull.command import PullOptions, run_pull

    given = read_config(config=config, force=force, prune=prune, verbosity=verbosity, output_format=output_format)
    end(run_pull(PullOptions(config=given, **options)))


@command(short_help="Serve apps as Dify's API would.")
@sources_argument(required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8098, show_default=True, help="The port to listen on; 0 for any free one.")
@click.option("--handler", metavar="MODULE:FUNCTION", help="A Python function from a run's inputs to its outputs.")
@click.option("--api-key", metavar="[NAME=]KEY", multiple=True, help="The only key to accept. Default: any.")
@click.option("--latency", default=0.0, metavar="SECONDS", help="How long each node takes.")
@click.option("--ping-interval", default=10.0, show_default=True, metavar="SECONDS", help="The time between pings.")
@click.option("--fail-rate", default=0.0, metavar="SHARE", help="The share of runs that fail, from 0 to 1.")
@click.option("--dify", metavar="VERSION", help="The Dify to act like, 1.12 to 1.17. Default: the newest observed.")
@click.option("--cut-after", metavar="N[b]", help="Cut every stream after N events, or N bytes with b.")
@settings_option
def mock(sources: tuple[str, ...], config: str | None, **options: Any) -> None:
    """Serve SOURCE... as Dify's API would, to develop and test without a Dify server.

    Without a SOURCE, those of the project's settings are served.
    """
    from difygen.mock import run_mock

    end(run_mock(config=read_config(sources=sources, config=config, needs=("sources",)), **options))


@command(short_help="Find out why a server does not answer.")
@sources_argument(required=False)
@server_options
@click.option("--run", is_flag=True, help="Also start one run. Without it, doctor only reads.")
@click.option("--input", "inputs", metavar="NAME=VALUE", multiple=True, help="An input of that run.")
@click.option("--timeout", default=10.0, show_default=True, metavar="SECONDS", help="How long to wait in each step.")
@format_option()
@settings_option
def doctor(sources: tuple[str, ...], config: str | None, **options: Any) -> None:
    """Find out why a server does not answer, or answers differently than SOURCE... says."""
    from difygen.doctor import DoctorOptions, run_doctor

    end(run_doctor(DoctorOptions(config=read_config(sources=sources, config=config), **options)))


@command(short_help="Run an app from the terminal.")
@click.argument("source")
@click.argument("values", metavar="[NAME=VALUE]...", nargs=-1)
@server_options
@click.option("--query", metavar="TEXT", help="What to ask an app that chats; @FILE and @- as for values.")
@click.option("--file", "files", metavar="FILE", multiple=True, help="A path or URL of a file that goes with a query.")
@click.option("--conversation", metavar="ID", help="The conversation to go on with. Default: a new one.")
@click.option("--timeout", type=float, metavar="SECONDS", help="How long the whole run may take.")
@click.option("--blocking", is_flag=True, help="Wait for one answer instead of streaming.")
@click.option("--events", is_flag=True, help="Print the raw events, one JSON line each.")
@click.option("--json", is_flag=True, help="Print the result alone, as JSON.")
@click.option("--html", metavar="FILE", help="Write the timeline as a web page.")
@click.option("--inputs", metavar="FILE", help="Run once per row of a .csv, .jsonl or .parquet file.")
@click.option(
    "--concurrency", type=click.IntRange(1, 10_000), metavar="N", help="How many rows to run at a time. Default: 4."
)
@click.option("--output", metavar="FILE", help="The table of results: .csv, .jsonl or .parquet. Default: print them.")
@click.option("--store", metavar="FILE|DIR", help="What was run already: a file, or a folder/ for many machines.")
@click.option("--shard", metavar="I/N", help="Run the I-th of N parts of the table, from 1/N to N/N.")
@click.option("--id-column", metavar="NAME", help="The column that tells rows apart. Default: all values.")
@click.option("--conversation-column", metavar="NAME", help="Rows alike in it are the turns of one conversation.")
@click.option("--pass-through", is_flag=True, help="Keep columns that are no inputs: in the results, and not sent.")
@click.option("--retry-failed", is_flag=True, help="Also run the rows again that failed.")
@click.option("--rerun-unknown", is_flag=True, help="Also run those again of which nobody knows whether they ran.")
@click.option(
    "--user-per-row/--one-user",
    default=None,
    help="Whether each row is a user of its own, by which a lost run is found. Default: where that changes nothing.",
)
@settings_option
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

    end(run_call(CallOptions(config=read_config(sources=(source,), config=config), **options)))


@command(short_help="Talk with an app in the terminal.")
@click.argument("source")
@click.argument("values", metavar="[NAME=VALUE]...", nargs=-1)
@server_options
@click.option("--conversation", metavar="ID", help="The conversation to go on with. Default: a new one.")
@click.option("--timeout", type=float, metavar="SECONDS", help="How long a turn may take.")
@settings_option
def chat(source: str, config: str | None, **options: Any) -> None:
    """Talk with a chatflow, a chatbot or an agent: difygen chat support.yml order=A-17

    VALUEs are those of the app's inputs, as in difygen call. A line is a turn; /help shows the commands. Ctrl-C stops
    the turn that goes on, and leaves at an empty prompt.

    Off a terminal each line of standard input is a turn, and each answer goes to standard output. The first that does
    not succeed ends it. Exit codes: 0 all succeeded, 1 a turn did not, 2 something was wrong, 130 Ctrl-C.
    """
    from difygen.call.chat import ChatOptions, run_chat

    end(run_chat(ChatOptions(config=read_config(sources=(source,), config=config), **options)))


@command(short_help="Print what apps take and give, and their names in Python.")
@sources_argument(required=False)
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other tools; docs/inspect.md has its members.")
def inspect(as_json: bool, **arguments: Any) -> None:
    """Print what the apps of SOURCE... take and give, and how their clients call it, without writing anything."""
    from difygen.project.inspection import run_inspect

    end(run_inspect(read_config(needs=("sources",), **arguments), as_json=as_json))


@command(short_help="Write pages about apps for people.")
@sources_argument(required=False)
@click.option("-o", "--output", metavar="DIR|FILE", help="A folder, a .md or .html file, or - to print one page.")
@click.option(
    "--language", type=click.Choice(get_args(DocsLanguage)), help="Of what is not the definition's own. Default: en."
)
@click.option(
    "--format", "formats", type=click.Choice(get_args(DocsFormat)), multiple=True, help="Default: both, in a folder."
)
@click.option("--base-url", metavar="URL", help="The server, with /v1. Default: that of Dify's cloud.")
@check_option
@force_option
@prune_documents_option
@settings_option
def docs(
    sources: tuple[str, ...],
    config: str | None,
    output: str | None,
    check: bool,
    force: bool,
    prune: bool,
    **choices: Any,
) -> None:
    """Write a page about every SOURCE for people who call it, in whatever language, and one that lists them.

    What is left out is as `docs` in the project's settings says; without it and -o, the one page is printed.
    """
    from difygen.project.documents import DocumentRun, run_docs

    settings = read_config(sources=sources, config=config, needs=("sources",))
    end(run_docs(settings, DocumentRun(output, check, force, prune), **choices))


@command(short_help="Write OpenAPI documents of apps.")
@sources_argument(required=False)
@click.option("-o", "--output", metavar="FILE|DIR", help="A .yaml or .json file, a folder, or - to print it.")
@click.option("--format", "style", type=click.Choice(get_args(OpenApiFormat)), help="Default: as FILE ends, else yaml.")
@click.option("--openapi", "version", type=click.Choice(get_args(OpenApiVersion)), help="The version. Default: 3.1.")
@click.option("--base-url", metavar="URL", help="The server, with /v1. Default: that of Dify's cloud.")
@check_option
@force_option
@prune_documents_option
@settings_option
def openapi(
    sources: tuple[str, ...],
    config: str | None,
    output: str | None,
    check: bool,
    force: bool,
    prune: bool,
    **choices: Any,
) -> None:
    """Write the API of every SOURCE as an OpenAPI document, for clients in other languages and for API tools.

    Each app has a document of its own: one address serves all of them, and the key chooses the app. What is left out is
    as `openapi` in the project's settings says; without it and -o, the one document is printed.
    """
    from difygen.project.documents import DocumentRun, run_openapi

    settings = read_config(sources=sources, config=config, needs=("sources",))
    end(run_openapi(settings, DocumentRun(output, check, force, prune), **choices))


@command(short_help="Print apps as tools that a model may call.")
@sources_argument(required=False)
@click.option(
    "--for",
    "form",
    type=click.Choice(get_args(ToolForm)),
    help="Whose tools to print: OpenAI's Responses or Chat Completions, Anthropic's Messages, MCP, or schemas alone.",
)
@click.option("--strict", "is_strict", is_flag=True, help="Let the API hold the model to the schema, where it can.")
@check_option
@force_option
@settings_option
def tools(sources: tuple[str, ...], config: str | None, form: Any, is_strict: bool, check: bool, force: bool) -> None:
    """Print the apps of SOURCE... as tools that a language model may call, as a JSON array.

    Without --for and a SOURCE, write those that `tools` in the project's settings names. `difygen.tools` makes the
    calls, through generated clients.
    """
    from difygen.project.documents import DocumentRun, run_tools

    settings = read_config(sources=sources, config=config, needs=("sources",))
    end(run_tools(settings, DocumentRun(None, check, force), form=form, is_strict=is_strict))


@command(short_help="Serve apps as tools of an MCP server.")
@sources_argument(required=False)
@click.option(
    "--transport",
    type=click.Choice(["stdio", "http"]),
    default="stdio",
    show_default=True,
    help="Standard input and output, for a client that starts this; or streamable HTTP.",
)
@click.option("--host", help="The address to listen on, over HTTP. Default: 127.0.0.1.")
@click.option("--port", type=int, help="The port to listen on, over HTTP; 0 for any free one. Default: 8099.")
@click.option("--allow-host", metavar="NAME", multiple=True, help="Another name by which clients reach it over HTTP.")
@click.option("--allow-path", metavar="DIR", multiple=True, help="A folder whose files a model may name. stdio alone.")
@click.option(
    "--api-key-file",
    metavar="[NAME=]FILE",
    multiple=True,
    help="A file with the API key of an app. Default: DIFY_<NAME>_API_KEY, then DIFY_API_KEY.",
)
@click.option("--long-runs", is_flag=True, help="Add tools that start a run and give its result later.")
@click.option("--base-url", metavar="URL", help="The server, with or without /v1. Default: DIFY_BASE_URL.")
@click.option("--user", help="Whom the runs are for. Default: DIFY_USER, then difygen-mcp.")
@settings_option
def mcp(sources: tuple[str, ...], config: str | None, **options: Any) -> None:
    """Serve the apps of SOURCE... as tools of an MCP server, for Claude, Cursor, VS Code and the like.

    The key of each app comes from a file, or from the environment: DIFY_<NAME>_API_KEY, else DIFY_API_KEY. Over HTTP,
    DIFYGEN_MCP_TOKEN is what clients have to send, if it is set: Authorization: Bearer <token>.
    """
    from difygen.mcp import run_mcp

    end(run_mcp(read_config(sources=sources, config=config, needs=("sources",)), **options))


@command(short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell's completion script: eval "$(difygen completion bash)"."""
    from click.shell_completion import get_completion_class

    from difygen.console import echo

    script = get_completion_class(shell)
    assert script is not None, "click knows the three shells above"
    echo(script(click.get_current_context().find_root().command, {}, "difygen", "_DIFYGEN_COMPLETE").source())
