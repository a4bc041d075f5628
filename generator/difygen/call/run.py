"""One call: follow the run or turn, show it, print what came out. Ctrl-C stops it on the server.

Where it waits for people, its forms are asked for in the terminal: questions for their fields and their button, checked
as they are answered.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self

from difygen.bulk.rows import result_of
from difygen.call.options import CallOptions
from difygen.call.text import PlainView, blocking_line, print_answer, print_result
from difygen.call.timeline import Timeline
from difygen.console import (
    FAILED,
    INTERRUPTED,
    OK,
    WRONG,
    OutputError,
    UsageProblem,
    ask,
    compact_json,
    duration,
    echo,
    is_terminal,
    one_line,
    printable,
    say,
)
from difygen.model import App
from difygen.servers import Connection
from difygen.servers.arguments import file_argument, usage_line
from difygen.servers.generated_client import GeneratedClient, is_hopeless, is_late, is_usage, sentences
from difygen.wording import quoted

_FIELD = re.compile(r"\{\{#\$output\.(\w+)#\}\}")


class View(Protocol):
    """What shows a run while it goes on."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def update(self, event: Mapping[str, Any]) -> None: ...


class SingleCall:
    """A call of an app, from its values to an exit code."""

    def __init__(self, workflow: App, loaded: GeneratedClient, connection: Connection, options: CallOptions) -> None:
        self._workflow, self._loaded, self._options = workflow, loaded, options
        self._timeline = Timeline({node.id: node.parent for node in workflow.nodes if node.parent})
        self._notes: list[str] = []
        self._seen: set[tuple[object, ...]] = set()
        self._before: frozenset[tuple[object, ...]] = frozenset()
        self._client = loaded.client(**connection.arguments())

    def run(self, values: Mapping[str, object], turn: Mapping[str, object]) -> int:
        """Call with the values of the inputs and what a `turn` takes beside them, print, and say how it came out."""
        arguments = self._loaded.arguments(values)
        try:
            self._loaded.inputs(**arguments)
        except ValueError as error:  # pydantic's ValidationError is one
            return self._explain(error, usage_line(self._workflow))
        self._timeline.query = str(turn.get("query", ""))
        if not self._workflow.kind.terminal_nodes:  # no event tells them
            self._timeline.inputs = values
        code = self._run({**arguments, **turn})
        return self._write_page(code) if self._options.html is not None and self._timeline.events else code

    def _run(self, arguments: Mapping[str, object]) -> int:
        try:
            with self._client:
                self._print(self._outcome(arguments))
            return OK
        except FormLeftError as problem:
            say("\n".join(problem.lines()))
            return FAILED
        except KeyboardInterrupt:
            return INTERRUPTED
        except self._loaded.failures as error:
            advice = f"difygen doctor {self._workflow.source} looks for the reason."
            return self._explain(error, *self._notes, *([advice] if is_hopeless(error) and not is_usage(error) else []))

    def _outcome(self, arguments: Mapping[str, object]) -> Any:
        """Return what came out, after the forms that it waits for were filled in where somebody can be asked."""
        asks = is_terminal(sys.stdin) and is_terminal(sys.stderr) and not (self._options.json or self._options.events)
        stream: Any = None
        while True:
            try:
                if stream is None and self._options.blocking:
                    return self._wait(arguments)
                return self._stream(stream or self._loaded.stream(self._client)(**arguments))
            except self._loaded.failures as error:
                if not (asks and can_be_asked(error)):
                    raise
                for form in error.forms:  # type: ignore[attr-defined]
                    fill_in(form, self._client, self._loaded, ask)
                # A run that pauses twice says "resumption" anew each time; that is no repetition.
                self._before = frozenset(key for key in self._seen if key[2] != "resumption")
                stream = self._client.resume(error.workflow_run_id)  # type: ignore[attr-defined]

    def _wait(self, arguments: Mapping[str, object]) -> Any:
        """Make one request, for one answer; its run cannot be stopped, since its id comes with the answer."""
        began = time.monotonic()
        try:
            with self._spinner():
                return self._loaded.start(self._client)(**arguments)
        except KeyboardInterrupt:
            say(
                f"Interrupted after {duration(time.monotonic() - began)}. "
                "A blocking call cannot be stopped: the run may go on on the server."
            )
            raise

    def _spinner(self) -> Any:
        if self._options.json or not is_terminal(sys.stderr):
            return nullcontext()
        from rich.console import Console

        return Console(stderr=True).status("waiting for the run to end")

    def _stream(self, opened: Any) -> Any:
        """Follow a stream to its end. What a stream that goes on after a form repeats is passed over."""
        with self._view() as view:
            try:
                with opened as stream:
                    for event in stream:
                        if not self._keep(event.raw):
                            continue
                        self._timeline.feed(event.raw, time.monotonic())  # first: it tells how to stop the run
                        if self._options.events:
                            echo(compact_json(event.raw))
                        view.update(event.raw)
                    return stream.result()
            except OutputError:  # nobody sees how it goes on
                self._stop()
                raise
            except KeyboardInterrupt:
                self._timeline.interrupt("interrupted", "Interrupted at the terminal.", time.monotonic())
            except self._loaded.failures as error:
                if self._timeline.ended is None:
                    self._timeline.interrupt("interrupted", str(error), time.monotonic())
                if is_late(error):
                    self._notes.append(self._stop())
                raise
        say(f"Interrupted. {self._stop()}")
        raise KeyboardInterrupt

    def _keep(self, event: Mapping[str, Any]) -> bool:
        """Remember an event of a run that may pause, unless it was there before the run was taken up again.

        Within one stream the same id may come in several rounds, which are no repetitions.
        """
        data = event.get("data")
        facts = data if isinstance(data, Mapping) else {}
        key = (event.get("event"), facts.get("id"), facts.get("reason"))
        if facts.get("id") and key in self._before:
            return False
        self._seen.add(key)
        return True

    def _stop(self) -> str:
        """Ask the server to stop the run or turn, and say how that went."""
        timeline = self._timeline
        return self._loaded.stop(self._client, timeline.task_id, timeline.message_id or timeline.run_id)

    def _print(self, run: Any) -> None:
        if self._options.json:
            echo(compact_json(result_of(run)))
        elif not self._options.events:
            if self._options.blocking:
                say(blocking_line(run))
            print_result(run)

    def _explain(self, error: Exception, *more: str) -> int:
        result = getattr(error, "run", None) or getattr(error, "turn", None)
        if result is not None and self._options.json:
            echo(compact_json(result_of(result)))
        elif result is not None and not self._options.events:
            print_result(result)
        elif self._timeline.message_id and self._timeline.text and not (self._options.json or self._options.events):
            print_answer(self._timeline.text)  # what was answered before the stream broke
        for sentence in sentences(error, self._loaded):
            say(f"Error: {sentence}")
        for line in more:
            say(line)
        return WRONG if is_usage(error) else FAILED

    def _view(self) -> View:
        if self._options.json or self._options.events:
            return _NoView()
        if is_terminal(sys.stderr):
            from rich.console import Console

            from difygen.call.live import LiveView

            console = Console(stderr=True)
            if not console.is_dumb_terminal:  # which cannot write a line anew
                return LiveView(console, self._timeline, time.monotonic)
        return PlainView(say, self._timeline, time.monotonic)

    def _write_page(self, code: int) -> int:
        from difygen.call.html import render_page

        name = str(self._options.html)
        try:
            Path(name).write_text(render_page(self._timeline, self._workflow), encoding="utf-8")
        except OSError as error:
            say(f"Error: Cannot write {name}: {(error.strerror or str(error)).lower()}.")
            return code or FAILED
        say(f"The timeline is in {name}.")
        return code


class _NoView:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, event: Mapping[str, Any]) -> None:
        """Show nothing."""


# Forms


class FormLeftError(UsageProblem):
    """The input ended before a form was filled in."""


Read = Callable[[str], str | None]
"""Shows a prompt and returns the line that was typed; None at the end of the input."""


def can_be_asked(error: Exception) -> bool:
    """Check whether a run or turn waits for forms alone that the API takes answers for."""
    forms = getattr(error, "forms", ())
    return bool(forms) and all(form.form_token for form in forms)


def fill_in(form: Any, client: Any, loaded: GeneratedClient, read: Read) -> None:
    """Ask for what a form asks for, again where it does not fit, and submit it.

    Raises:
        FormLeftError: The input ended before the form was filled in.
    """
    if not form.actions:  # its node may not be delivered to the web app at all; the server knows
        form = client.get_form(form.form_token)
    content = _FIELD.sub(r"[\1]", form.form_content)
    say(f"\n{printable(content.strip() or form.node_title)}")
    if form.expiration_time:
        say(f"(waits for an answer until {form.expiration_time.astimezone():%Y-%m-%d %H:%M})")
    forms = import_module(f"{loaded.package.__name__}._runtime._operations")
    values = {}
    for field in form.inputs:
        for number, option in enumerate(field.options, 1):
            say(f"  {number}. {one_line(option)}")
        while field.name not in values:
            try:
                value = _value(field, form.default_of(field), read)
                forms.check_value(field, value)
                values[field.name] = value
            except FormLeftError:
                raise
            except UsageProblem as problem:
                say("\n".join(problem.lines()))
            except ValueError as error:
                say(printable(f"Error: {field.name} {error}."))
    client.submit_form(form, action=_action(form, read), inputs=values)


def _value(field: Any, default: str, read: Read) -> object:
    """Ask for the value of one field. Enter takes the default of a text."""
    name = one_line(field.name)
    if field.type == "file":
        return file_argument(name, _line(f"{name} (path or URL): ", read).strip())
    if field.type == "file-list":
        files: list[object] = []
        while field.max_files is None or len(files) < field.max_files:
            text = _line(f"{name} (path or URL; Enter ends the list): ", read).strip()
            if not text:
                break
            files.append(file_argument(name, text))
        return files
    if field.options:
        text = _line(f"{name} (number or text): ", read).strip()
        return _chosen(text, list(field.options))
    beside = f" (Enter for {one_line(default)!r})" if default else ""
    return _line(f"{name}{beside}: ", read) or default


def _action(form: Any, read: Read) -> str:
    """Ask for a button, by its number, its title or its id. A single one is not asked for."""
    titles: dict[str, str] = {action.id: action.title or action.id for action in form.actions}
    if len(titles) == 1:
        return next(iter(titles))
    for number, title in enumerate(titles.values(), 1):
        say(f"  {number}. {one_line(title)}")
    while True:
        text = _chosen(_line("your choice (number or text): ", read).strip(), list(titles))
        if (choice := next((id_ for id_, title in titles.items() if text in (id_, title)), None)) is not None:
            return choice
        say(f"Error: There is no choice {quoted(text)}.")


def _chosen(text: str, options: list[str]) -> str:
    """Return the option that a text means: itself, or the one of that number."""
    if text not in options and text.isdecimal() and 0 < int(text) <= len(options):
        return options[int(text) - 1]
    return text


def _line(prompt: str, read: Read) -> str:
    left = "The form was not filled in: the run waits for it on the server."
    try:
        text = read(prompt)
    except KeyboardInterrupt:
        say(f"\n{left}")
        raise
    if text is None:
        say("")
        raise FormLeftError(left)
    return text
