"""Writes the blocking clients of the runtime from the asynchronous ones: `--check` says whether they are what they
would be.

What is awaited blocks: the client's own methods by their blocking counterparts, everything else by `run_now`. What the
two say of themselves in prose is in a table here, which must fit: a phrase that is not found is a mistake.
"""

import argparse
import ast
import re
import sys
from pathlib import Path

import black

RUNTIME = Path(__file__).parent.parent / "templates" / "runtime"
MODULES = {
    "_async_client.py": "_client.py",
    "chat/_async_client.py": "chat/_client.py",
}
OWN = re.compile(r"self\.(?:_transport\.)?(?:\w+)\(")
"""What blocks by itself: methods of the same class, and of the transport that it holds."""

NAMES = {
    "AsyncWorkflowClient": "WorkflowClient",
    "AsyncRunStream": "RunStream",
    "AsyncStreams": "Streams",
    "AsyncRunLogs": "RunLogs",
    "AsyncRunMethods": "RunMethods",
    "AClientT": "ClientT",
    "AStreamT": "StreamT",
    "AsyncAppClient": "AppClient",
    "AsyncEventStream": "EventStream",
    "AsyncTurn": "Turn",
    "AsyncTurnStream": "TurnStream",
    "AsyncTurnClient": "TurnClient",
    "AsyncChatClient": "ChatClient",
    "AsyncChatflowClient": "ChatflowClient",
    "AsyncCompletionClient": "CompletionClient",
    "_async_client": "_client",
    "AsyncAppMethods": "AppMethods",
    "AsyncConversation": "Conversation",
    "AsyncConversationMethods": "ConversationMethods",
    "items_async": "items_blocking",
    "AsyncTransport": "SyncTransport",
    "AsyncClient": "Client",
    "AsyncIterator": "Iterator",
    "StopAsyncIteration": "StopIteration",
    "aclose": "close",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "astream_x": "stream_x",
}
CLIENT_PHRASES = {
    "The async client: every method awaits a flow of `_operations`.": (
        "The blocking client: every method runs a flow of `_operations` to its end."
    ),
    "from ._transport import SyncTransport\n": "from ._transport import SyncTransport, run_now\n",
    "Leaving the `with` block\n"
    "    closes the connection, and so does cancelling the task; the run itself goes on at the\n"
    "    server, unless": (
        "Leaving the `with` block closes\n"
        "    the connection; so does breaking out of a loop that stands outside of one. The run\n"
        "    itself goes on at the server, unless"
    ),
    "A wait that was cancelled\n": "A wait that was interrupted\n",
    "One task at a time": "One thread at a time",
    "`(await result()).outputs`": "`result().outputs`",
    "run = await stream.result()": "run = stream.result()",
    "from asyncio code": "from any thread",
    "leaving an `with`\n    block, closes the connections; a later call opens new ones. One client may serve\n"
    "    several event loops: each has its own connections, closed when it shuts down.": (
        "leaving a `with` block,\n    closes the connections; a later call opens new ones."
    ),
    "How many runs may go on at a time in an event loop; more wait\n            their turn.": (
        "How many runs may go on at a time; more wait their turn."
    ),
    "another task took": "another thread took",
    "import Iterator, Callable, Coroutine, Mapping": "import Callable, Iterator, Mapping",
    "Coroutine[Any, Any, StartedRun]": "StartedRun",
    "for entry in news.of(page):\n                yield entry\n": "yield from news.of(page)\n",
}
CHAT_PHRASES = {
    "turn = await conversation.send": "turn = conversation.send",
    "from any number of tasks and threads": "from any number of threads",
    "for message in run_now(self._flows.messages(limit)):\n            yield message\n": (
        "yield from run_now(self._flows.messages(limit))\n"
    ),
    "The async clients of": "The blocking clients of",
    "Every method awaits a flow": "Every method runs a flow",
    "from ._conversations import": "from .._transport import run_now\nfrom ._conversations import",
    "turn = await stream.result()": "turn = stream.result()",
    "Leaving the `with` block closes the connection, and so\n    does cancelling the task; the turn may go on at the "
    "server, unless `stop_on_exit` was\n    set. An ErrorEvent and a broken stream raise after the events "
    "before them. A chatflow\n": (
        "Leaving the `with` block closes the connection; so does\n    breaking out of a loop that stands outside of "
        "one. The turn may go on at the server,\n    unless `stop_on_exit` was set. An ErrorEvent and a broken stream "
        "raise after the\n    events before them. A chatflow\n"
    ),
    "One task at a time": "One thread at a time",
    "for item in items:\n            yield item\n": "yield from items\n",
    "for message in run_now(self._chat.messages(conversation_id, user, limit)):\n            yield message\n": (
        "yield from run_now(self._chat.messages(conversation_id, user, limit))\n"
    ),
}
PHRASES = {
    "_async_client.py": CLIENT_PHRASES,
    "chat/_async_client.py": CHAT_PHRASES,
}


def derive(module: str) -> str:
    """Return the text of the blocking module that belongs to an async one."""
    source = RUNTIME / module
    text = _block_on_awaits(source.read_text("utf-8"))
    text = re.sub(r"\basync (def|for|with)\b", r"\1", text)
    text = re.sub(r"\w+", lambda word: NAMES.get(word[0], word[0]), text)
    text = _sort_imports(text)
    for phrase, other in PHRASES[module].items():
        if phrase not in text:
            raise SystemExit(f"{source}: does not say any more:\n{phrase}")
        text = text.replace(phrase, other)
    return black.format_str(text, mode=black.Mode(line_length=88))


def _block_on_awaits(source: str) -> str:
    """Return the source with each `await x` as `x` or `run_now(x)`, from the last to the first."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    awaits = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Await)]
    for node in sorted(awaits, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        value = node.value
        assert node.end_lineno is not None and node.end_col_offset is not None
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        inner = source[starts[value.lineno - 1] + value.col_offset : end]
        source = source[:start] + (inner if OWN.match(inner) else f"run_now({inner})") + source[end:]
    return source


def _sort_imports(text: str) -> str:
    """Return the text with the imports of siblings in the order of their names."""
    block = re.compile(r"(?:^from \.+\w+ import (?:\([^)]*\)|[^\n]*)\n)+", re.MULTILINE)
    one = re.compile(r"^from \.+\w+ import (?:\([^)]*\)|[^\n]*)\n", re.MULTILINE)
    return block.sub(lambda found: "".join(sorted(one.findall(found[0]))), text, count=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if there is something to write")
    check = parser.parse_args().check
    for module, name in MODULES.items():
        target, wanted = RUNTIME / name, derive(module)
        if not check:
            target.write_text(wanted, "utf-8")
        elif target.read_text("utf-8") != wanted:
            sys.exit(f"{name} is not what {module} gives: run python scripts/derive_blocking.py")


if __name__ == "__main__":
    main()
