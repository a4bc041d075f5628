"""From a definition to typed calls, as a user goes: the command, a fresh interpreter, a server on loopback.

Runs in every environment of `scripts/matrix.py`, and so with the oldest and the newest of all that a client needs.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from support.fault_events import event, finished
from support.processes import importing
from support.servers import RUN, Server, as_json, by_mode, stream

SPEC = """\
name: docs
inputs:
  text: {type: text-input, max_length: 5}
  doc: {type: file, allowed_file_types: [document], required: false}
  num: {type: number, required: false}
outputs:
  result: string
  copy: {type: file, optional: true}
"""
COPY = {"dify_model_identity": "__dify__file__", "filename": "a.pdf", "url": "/files/1", "type": "document", "id": "f1"}
DATA = {"id": "r1", "workflow_id": "w1", "status": "succeeded", "outputs": {"result": "x", "copy": COPY}, "error": None}
TIMES = {"elapsed_time": 0.5, "total_tokens": 0, "total_steps": 1, "created_at": 1, "finished_at": 2}
ANSWER = {"workflow_run_id": "r1", "task_id": "t1", "data": DATA | TIMES}
EVENTS = [event("workflow_started", id="r1", workflow_id="w1", inputs={}), finished(outputs=DATA["outputs"])]
ROUTES = {RUN: by_mode(streaming=stream(EVENTS), blocking=as_json(ANSWER))}

CALLS = """\
import asyncio, sys, threading
sys.setswitchinterval(1e-6)
from client import AsyncDocsClient, DocsClient, DocsInputs, run_docs, stream_docs
from pydantic import ValidationError

kinds, others = set(), []
everybody = threading.Barrier(12)

def first_calls(mode):
    everybody.wait()
    try:
        DocsInputs(text="a", num=3)
        run = run_docs(text="a", num=3, doc="https://example.org/a.pdf", response_mode=mode)
        kinds.add((mode, type(run.outputs).__name__, type(run.outputs.copy_).__name__, run.outputs.result))
    except BaseException as error:
        others.append(repr(error))

threads = [threading.Thread(target=first_calls, args=(mode,)) for mode in ["blocking", "streaming"] * 6]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(kinds), others)

with stream_docs(text="a") as events:
    print([type(event).__name__ for event in events], events.result().outputs.copy_.filename)

async def main():
    async with AsyncDocsClient(user="u") as client:
        first, second = await asyncio.gather(client.run(text="a"), client.run(text="b", response_mode="streaming"))
        print(type(first.outputs).__name__, type(second.outputs).__name__)

asyncio.run(main())
try:
    run_docs(text="too long", num="ten")
except ValidationError as error:
    print([(problem["loc"], problem["type"]) for problem in error.errors()])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a definition and the package that the command makes of it."""
    folder = tmp_path_factory.mktemp("front")
    (folder / "docs.yaml").write_text(SPEC, "utf-8")
    command = [sys.executable, "-W", "error", "-m", "difygen", "docs.yaml", "-o", "client"]
    subprocess.run(command, check=True, cwd=folder, env=importing(), capture_output=True)
    return folder


def test_first_calls_of_many_threads_are_typed_and_so_is_all_that_follows(folder: Path) -> None:
    with Server(ROUTES) as server:
        settings = {"DIFY_BASE_URL": server.url, "DIFY_API_KEY": "app-x", "DIFY_USER": "u"}
        # The connections of `run_docs` stay open for the next call, until the process ends.
        warnings = ("-W", "error", "-W", "ignore::ResourceWarning")
        done = subprocess.run(
            [sys.executable, *warnings, "-c", CALLS],
            check=False,
            env=importing(folder, **settings),
            capture_output=True,
            encoding="utf-8",
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "[('blocking', 'DocsOutputs', 'File', 'x'), ('streaming', 'DocsOutputs', 'File', 'x')] []",
        "['WorkflowStarted', 'WorkflowFinished'] a.pdf",
        "DocsOutputs DocsOutputs",
        "[(('text',), 'string_too_long'), (('num',), 'number_type')]",
    ]
    assert server.runs == 12 + 1 + 2
