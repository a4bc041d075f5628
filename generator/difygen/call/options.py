"""What the command line asks of a call, as one record, and which of its options say nothing together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from os import W_OK, access
from os.path import dirname, exists, isdir

from difygen.config import Config
from difygen.console import UsageProblem
from difygen.model import App
from difygen.servers.arguments import file_argument, text_argument
from difygen.wording import named

DEFAULT_CONCURRENCY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """A call of the app in the source of `config` with `name=value` texts, or of every row of the table `inputs`.

    `query`, `files` and `conversation` are for a turn of a chat-type app.

    `events`, `json` and `html` choose what is shown of a run: its raw events, one JSON object, or (with neither)
    progress and outputs; and a page of its timeline. `timeout` is in seconds.

    What follows `inputs` is for tables: `store` is where rows are kept (else beside `output`), `shard` is "3/16",
    `pass_through` takes columns that are no inputs, `user_per_row` makes an end user of each row (None: where that is
    known to change nothing).
    """

    config: Config
    values: tuple[str, ...] = ()
    query: str | None = None
    files: tuple[str, ...] = ()
    conversation: str | None = None
    user: str | None = None
    base_url: str | None = None
    api_key_file: str | None = None
    timeout: float | None = None
    events: bool = False
    json: bool = False
    blocking: bool = False
    html: str | None = None
    inputs: str | None = None
    concurrency: int | None = None
    output: str | None = None
    store: str | None = None
    shard: str | None = None
    id_column: str | None = None
    conversation_column: str | None = None
    pass_through: bool = False
    retry_failed: bool = False
    rerun_unknown: bool = False
    user_per_row: bool | None = None

    @property
    def source(self) -> str:
        """The definition of the app."""
        return self.config.sources[0]

    def check(self) -> None:
        """Raise `UsageProblem` for options that say nothing together, or that cannot be followed."""
        only_single = "--events" if self.events else "--html"
        if self.events and self.json:
            raise UsageProblem("--events and --json exclude each other: both are about what goes to standard output.")
        if self.blocking and (self.events or self.html):
            raise UsageProblem(f"--blocking brings one answer and no events, so there is nothing for {only_single}.")
        if self.inputs is None and (option := next(self._options_of_tables(), None)):
            raise UsageProblem(f"{option} is for a table of --inputs.")
        if self.inputs is not None and self.blocking:
            raise UsageProblem(
                "--blocking is for a single call: a table is streamed, since the id of a run comes with its first "
                "event, and what has an id is not lost."
            )
        if self.inputs is not None and self.conversation is not None:
            raise UsageProblem(
                "--conversation is for a single call: in a table each row is a conversation of its own, or the rows "
                "are that are alike in --conversation-column."
            )
        keeps = self.output is not None or self.store is not None
        if not keeps and (self.retry_failed or self.rerun_unknown):
            option = "--retry-failed" if self.retry_failed else "--rerun-unknown"
            raise UsageProblem(f"{option} needs what an earlier run has kept: its --output or --store.")
        self.shard_of()
        if self.inputs is not None and (self.events or self.html):
            raise UsageProblem(f"{only_single} is for a single call, not for a table of --inputs.")
        if self.html is not None and (reason := _unwritable(self.html)):
            raise UsageProblem(f"Cannot write {self.html}: {reason}.")
        if self.concurrency is not None and self.concurrency < 1:
            raise UsageProblem("--concurrency must be at least 1.")
        wanted = {"SOURCE": self.source, "--api-key-file": self.api_key_file, "--inputs": self.inputs}
        users = [name for name, file in wanted.items() if file == "-"]
        users += [value for value in self.values if value.endswith("=@-")]
        users += ["--query"] if self.query == "@-" else []
        if len(users) > 1:
            raise UsageProblem(f"Standard input can be read once, and {' and '.join(users)} want it.")

    def check_kind(self, app: App) -> None:
        """Raise `UsageProblem` for options that the app does not know, or for those of a turn that it lacks."""
        kind = app.kind
        given = {"--query": self.query, "--conversation": self.conversation, "--file": self.files or None}
        allowed = {"--query": "query", "--conversation": "conversation_id", "--file": "files"}
        for option, value in given.items():
            is_allowed = allowed[option] in kind.parameters or (option == "--file" and app.files is not None)
            if value is not None and not is_allowed:
                raise UsageProblem(f"{named(app.name)} is {kind.noun}, which takes no {option}.")
        if self.conversation_column is not None and "conversation_id" not in kind.parameters:
            raise UsageProblem(f"{named(app.name)} is {kind.noun}, which takes no --conversation-column.")
        if "query" in kind.parameters and self.query is None and self.inputs is None:
            raise UsageProblem(f"{named(app.name)} is {kind.noun}: say what to ask it with --query TEXT.")

    def shard_of(self) -> tuple[int, int]:
        """Return which part of how many is meant, from 0."""
        if self.shard is None:
            return 0, 1
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", self.shard, re.ASCII)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise UsageProblem(f"--shard is 1/16 to 16/16 for sixteen parts, not {self.shard!r}.")
        return int(found[1]) - 1, int(found[2])

    def _options_of_tables(self) -> Iterator[str]:
        """Yield the options that were given and mean nothing without a table."""
        given = {
            "--concurrency": self.concurrency,
            "--output": self.output,
            "--store": self.store,
            "--shard": self.shard,
            "--id-column": self.id_column,
            "--conversation-column": self.conversation_column,
            "--pass-through": self.pass_through or None,
            "--retry-failed": self.retry_failed or None,
            "--rerun-unknown": self.rerun_unknown or None,
            "--user-per-row": self.user_per_row,
        }
        return (option for option, value in given.items() if value is not None)

    def turn_arguments(self) -> dict[str, object]:
        """Return what a turn takes beside its inputs, as keyword arguments of the client's methods."""
        found: dict[str, object] = {}
        if self.query is not None:
            found["query"] = text_argument("--query", self.query)
        if self.conversation is not None:
            found["conversation_id"] = self.conversation
        if self.files:
            found["files"] = [file_argument("--file", file) for file in self.files]
        return found


def _unwritable(file: str) -> str:
    """Say why a file cannot be written, as far as can be seen beforehand; empty if it can."""
    folder = dirname(file) or "."
    if not isdir(folder):
        return f"there is no folder {folder}"
    if isdir(file):
        return "it is a folder"
    return "" if access(file if exists(file) else folder, W_OK) else "permission denied"
