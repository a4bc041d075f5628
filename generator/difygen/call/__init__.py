"""Runs an app from the terminal with its own generated client: one call with a live timeline, or a table of them.

run       one call: timeline follows its events, live or progress shows them, html keeps them as a page
results   what came out, as JSON and as text: of a run and of a turn
chat      a conversation, turn after turn
batch     a table of calls: rows reads and checks it, and knows from the results what is done
options   what the command line asks of a call
"""

from __future__ import annotations

from difygen.arguments import parse_arguments
from difygen.call.batch import call_rows
from difygen.call.options import CallOptions
from difygen.call.run import SingleCall
from difygen.connection import read_connection
from difygen.console import finish
from difygen.definitions.reading import read_definition
from difygen.generated_client import generated


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
            return call_rows(app, client, connection, values, options)
        return SingleCall(app, client, connection, options).run(values, options.turn_arguments())
