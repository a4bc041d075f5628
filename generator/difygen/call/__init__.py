"""Runs an app from the terminal with its own generated client: one call with a live timeline, or a table of them.

run       one call: timeline follows its events, live or text shows them, html keeps them as a page; its forms
text      a run or a turn in words: how it goes on, and what came out
chat      a conversation, turn after turn
batch     a table of calls: tables/ reads it and writes its results, bulk runs it
options   what the command line asks of a call
"""

from __future__ import annotations

import os

from difygen.call.batch import call_rows
from difygen.call.options import CallOptions
from difygen.call.run import SingleCall
from difygen.console import finish
from difygen.definitions.reading import read_definition
from difygen.files import content
from difygen.model import App
from difygen.servers import Connection, read_connection
from difygen.servers.arguments import parse_arguments
from difygen.servers.generated_client import generated


def run_call(options: CallOptions) -> int:
    """Call an app once, or once per row of a table.

    Results go to standard output and everything else to standard error. Returns 0 for success, 1 if the run (or any
    row) did not succeed, 2 for wrong arguments, inputs, definition or settings, and 130 after Ctrl-C, when the run was
    stopped on the server.
    """
    return finish(lambda: _call(options), "Interrupted; nothing was run.")


def _call(options: CallOptions) -> int:
    options.check()
    app, name, _ = read_definition(options.config)
    with generated(app, name, options.config.options) as client:
        options.check_kind(app)
        values = parse_arguments(app, options.values, client.wire_names)
        connection = read_connection(
            options.base_url, options.user, options.api_key_file, options.timeout, client.key_variables
        )
        if options.inputs is not None:
            turn = options.turn_arguments()
            return call_rows(app, client, connection, values, options, turn, _row_users(app, connection, options))
        return SingleCall(app, client, connection, options).run(values, options.turn_arguments())


def _row_users(app: App, connection: Connection, options: CallOptions) -> str | None:
    """Return how the users begin that rows have of their own; None for one user for all.

    Such a user is what a run is found by in the logs if nobody heard its id. It is no good where the app looks at it,
    and only an export tells that it does not; nor where the caller has said who it is for.
    """
    if options.user_per_row is None:
        is_said = options.user is not None or bool(os.environ.get("DIFY_USER"))
        is_known = bool(app.nodes) and options.source != "-" and b"user_id" not in content(options.source)
        return connection.user if is_known and not is_said else None
    return connection.user if options.user_per_row else None
