"""A conversation in the terminal, or with a pipe: a line is a turn, or a command that begins with `/`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import click

from difygen.call.run import can_be_asked, fill_in
from difygen.call.text import beside_answer, print_answer
from difygen.config import Config
from difygen.console import (
    FAILED,
    INTERRUPTED,
    OK,
    WRONG,
    OutputError,
    UsageProblem,
    compact_json,
    echo,
    finish,
    is_terminal,
    one_line,
    printable,
    say,
    say_error,
)
from difygen.definitions.reading import read_definition
from difygen.model import App
from difygen.servers import read_connection
from difygen.servers.arguments import Values, file_argument, parse_arguments, usage_line, value_from_text
from difygen.servers.generated_client import GeneratedClient, generated, is_usage, sentences
from difygen.wording import named, nearest

COMMANDS = {
    "/file": "/file PATH            send a file or URL along with the next question",
    "/new": "/new                  begin a new conversation",
    "/conversations": "/conversations [ID]   list the conversations, or go on with one",
    "/history": "/history              show the turns so far",
    "/variables": "/variables            show the conversation variables of a chatflow",
    "/help": "/help                 show this; // begins a question with /",
    "/quit": "/quit                 leave, as Ctrl-D does",
}
_LISTED = 20  # conversations and turns; more than a screen helps nobody
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """A conversation with the app in the source of `config`. `values` are `name=value` texts of its inputs.

    `timeout` is in seconds and for each turn.
    """

    config: Config
    values: tuple[str, ...] = ()
    conversation: str | None = None
    user: str | None = None
    base_url: str | None = None
    api_key_file: str | None = None
    timeout: float | None = None


def run_chat(options: ChatOptions) -> int:
    """Hold a conversation until the input ends.

    Off a terminal the first line that does not succeed ends it. Returns 0 for success, 1 for a turn that failed, 2
    for wrong arguments, inputs, definition, settings or commands, and 130 after Ctrl-C.
    """
    return finish(lambda: _chat(options), "Interrupted.")


def _chat(options: ChatOptions) -> int:
    if options.config.sources[0] == "-":
        raise UsageProblem("The conversation is read from standard input, so SOURCE must be a file.")
    app, name, _ = read_definition(options.config)
    if "query" not in app.kind.parameters:
        raise UsageProblem(f"{named(app.name)} is {app.kind.noun}, which holds no conversations: use difygen call.")
    if hasattr(sys.stdin, "reconfigure"):  # questions are UTF-8 in every locale
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    with generated(app, name, options.config.options) as loaded:
        values = parse_arguments(app, options.values, loaded.wire_names)
        connection = read_connection(
            options.base_url, options.user, options.api_key_file, options.timeout, loaded.key_variables
        )
        try:
            with loaded.client(**connection.arguments()) as client:
                return ChatSession(app, loaded, client).run(values, options.conversation)
        except loaded.failures as error:
            for sentence in sentences(error, loaded):
                say_error(sentence)
            if is_usage(error):
                say(usage_line(app))
            return WRONG if is_usage(error) else FAILED


class ChatSession:
    """The conversation that goes on, and the files that wait for its next turn."""

    def __init__(self, app: App, loaded: GeneratedClient, client: Any) -> None:
        self._app, self._loaded, self._client = app, loaded, client
        self._asks = is_terminal(sys.stdin) and is_terminal(sys.stdout)
        self._files: list[object] = []

    def run(self, values: Values, conversation_id: str | None) -> int:
        """Take line after line; the exit code."""
        if self._asks:
            with suppress(ImportError):  # Windows has none
                import readline  # noqa: F401  (lets the prompt edit and recall lines)
            values = {**values, **self._missing(values)}
        self._inputs = self._loaded.inputs(**self._loaded.arguments(values))
        self._open(conversation_id)
        if self._asks and conversation_id is None:
            self._greet(values)
        while (line := self._read("you> ")) is not None:
            if line.strip():
                code = self._take(line)
                if code is None:
                    break
                if code and not self._asks:
                    return code
        return OK

    def _open(self, conversation_id: str | None) -> None:
        self._conversation = self._client.conversation_of(self._inputs, conversation_id=conversation_id)

    def _missing(self, values: Values) -> Values:
        """Ask for the inputs without which there is no turn."""
        found: Values = {}
        for input_ in self._app.inputs:
            while input_.required and input_.default is None and input_.name not in {**values, **found}:
                text = self._read(f"{one_line(input_.name)} ({input_.traits.placeholder}): ")
                if text is None:
                    return found  # the client says what is missing
                try:
                    found[input_.name] = value_from_text(input_, text)
                except UsageProblem as problem:
                    say("\n".join(problem.lines()))
        return found

    def _greet(self, values: Mapping[str, object]) -> None:
        features = self._app.features
        if features.opening_statement:
            say(
                printable(
                    _PLACEHOLDER.sub(lambda found: str(values.get(found[1], found[0])), features.opening_statement)
                )
            )
        self._suggest(features.suggested_questions)
        self._aside("/help shows the commands.")

    def _read(self, prompt: str) -> str | None:
        """Return the next line, or None at the end of the input. Ctrl-C empties a line that was begun."""
        while True:
            try:
                line = input(prompt) if self._asks else sys.stdin.readline()
            except EOFError:
                echo("")
                return None
            except KeyboardInterrupt:
                readline = sys.modules.get("readline")
                if not self._asks or readline is None or not readline.get_line_buffer():
                    raise
                echo("")
                continue
            if not self._asks and not line:
                return None
            try:
                line.encode()
            except UnicodeEncodeError:
                raise UsageProblem("Standard input is not UTF-8 text.") from None
            return line.removesuffix("\n").removesuffix("\r").removeprefix("\ufeff")

    def _take(self, line: str) -> int | None:
        """Make a turn or follow a command. Returns an exit code, None to leave."""
        try:
            if not line.startswith("/") or line.startswith("//"):
                return self._turn(line.removeprefix("/") if line.startswith("//") else line)
            command, _, argument = line.strip().partition(" ")
            if command == "/quit":
                return None
            self._command(command, argument.strip())
        except UsageProblem as problem:
            say("\n".join(problem.lines()))
            return WRONG
        except self._loaded.failures as error:
            for sentence in sentences(error, self._loaded):
                say_error(sentence)
            return WRONG if is_usage(error) else FAILED
        return OK

    def _command(self, command: str, argument: str) -> None:
        match command:
            case "/file":
                if self._client._app.files is None:
                    raise UsageProblem(f"{named(self._app.name)} takes no files in a turn.")
                self._files.append(file_argument("/file", argument))
            case "/new":
                self._open(None)
                self._files.clear()
            case "/conversations" if argument:
                next(iter(self._client.messages(argument, limit=1)), None)  # raises where there is none
                self._open(argument)
            case "/conversations":
                for each in islice(self._client.conversations(), _LISTED):
                    echo(f"{one_line(each.id)}  {one_line(each.name)}")
            case "/history":
                for message in self._conversation.messages(limit=_LISTED) if self._conversation.id else ():
                    echo(f"you> {printable(message.query)}\n{printable(message.answer)}")
            case "/variables":
                self._show_variables()
            case "/help":
                echo("\n".join(COMMANDS.values()))
            case _:
                close = nearest(command, [*COMMANDS])
                hint = f"did you mean {close}?" if close else "/help shows them; // begins a question with /."
                raise UsageProblem(f"There is no command {command!r}; {hint}")

    def _show_variables(self) -> None:
        if not self._app.variables:
            raise UsageProblem(f"{named(self._app.name)} has no conversation variables.")
        variables = self._conversation.variables()
        read = {name: row.value for name, row in variables.model_rows.items()}
        for name, value in (variables.model_dump(mode="json", by_alias=True) | read).items():
            echo(f"{one_line(name)}: {compact_json(value)}")

    def _turn(self, query: str) -> int:
        """Make a turn, and go on with it as long as it waits for forms that can be filled in here."""
        files, self._files = self._files, []
        stream, shown = self._conversation.stream(query, files=files or None), ""
        while True:
            try:
                return self._follow(stream, shown)
            except self._loaded.failures as error:
                if not (self._asks and can_be_asked(error)):
                    raise
                for form in error.forms:  # type: ignore[attr-defined]
                    fill_in(form, self._client, self._loaded, self._read)
                stream = self._client.resume(error.workflow_run_id)  # type: ignore[attr-defined]
                shown = error.answer  # type: ignore[attr-defined]  # which the server replays

    def _follow(self, stream: Any, shown: str) -> int:
        """Show what of a turn was not shown yet, while it goes on. Ctrl-C stops it on the server."""
        try:
            with stream:
                for _ in self._asides(stream):
                    answer = stream.answer
                    if self._asks and answer.startswith(shown):
                        echo(printable(answer[len(shown) :]), nl=False)
                        shown = answer
                turn = stream.result()
        except (KeyboardInterrupt, OutputError) as error:
            said = self._loaded.stop(self._client, stream.task_id)
            if isinstance(error, OutputError) or not self._asks:
                raise
            self._aside(f"\nInterrupted. {said}")
            return INTERRUPTED
        except self._loaded.failures:
            if stream.answer and not self._asks:
                print_answer(stream.answer)  # what there was of it
            elif shown:
                echo("")
            raise
        if not self._asks:
            print_answer(turn.answer)
        elif turn.answer.startswith(shown):
            echo(printable(turn.answer[len(shown) :]))
        else:
            self._aside("\nThe answer was replaced:")
            print_answer(turn.answer)
        for line in beside_answer(turn.citations, turn.files):
            self._aside(line)
        if self._asks and self._app.features.suggested_questions_after_answer:
            with suppress(*self._loaded.failures):  # the answer is there all the same
                self._suggest(turn.suggested_questions())
        return OK

    def _asides(self, stream: Any) -> Iterator[None]:
        """Show the tools that an agent calls, each once, beside what it answers."""
        called = set()
        for event in stream:
            raw = event.raw
            tool = raw.get("tool") if raw.get("event") == "agent_thought" else None
            if tool and (raw.get("id"), tool) not in called:
                called.add((raw.get("id"), tool))
                self._aside(one_line(f"tool: {tool} {raw.get('tool_input') or ''}")[:100])
            yield

    def _suggest(self, questions: tuple[str, ...]) -> None:
        for question in questions:
            self._aside(f"try: {one_line(question)}")

    def _aside(self, line: str) -> None:
        say(click.style(line, dim=True) if self._asks else line)
