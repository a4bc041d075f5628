"""Clients without a server, in the tests of people who use generated packages."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from difygen.testing import fake_client, fake_outputs
from support.packages import files_of, imported, workflow_from, write
from support.processes import importing

TRIAGE = """\
name: triage
inputs: {text: text-input}
outputs:
  class: string
  score: number
  tags: array[string]
  kind: {type: string, options: [a, b]}
  detail: {type: object, properties: {name: string, when: {type: integer, optional: true}}}
  doc: file
  note: {type: string, optional: true}
"""
DESK = "name: desk\nmode: chatflow\ninputs: {order: text-input}\n"
WRITER = "name: writer\nmode: completion\ninputs: {topic: text-input}\n"
HELPER = "name: helper\nmode: agent\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A generated package, imported."""
    folder = tmp_path_factory.mktemp("fakes")
    apps = [workflow_from(text, f"{text[6:10]}.yaml") for text in (TRIAGE, DESK, WRITER, HELPER)]
    write(folder / "faked", files_of(apps))
    with imported(folder, "faked") as package:
        yield package


def test_outputs_are_made_up_but_for_what_is_given(client: Any) -> None:
    outputs = fake_outputs(client.TriageOutputs, score=3, class_="urgent")
    assert (outputs.class_, outputs.score, outputs.tags, outputs.kind) == ("urgent", 3, ["fake tags"], "a")
    assert (outputs.detail.name, outputs.detail.when, outputs.note) == ("fake name", None, None)
    assert isinstance(outputs.doc, client.File)


def test_a_name_or_a_value_that_the_class_does_not_have_is_refused(client: Any) -> None:
    with pytest.raises(TypeError, match=r"`scoer` is no output of TriageOutputs \(did you mean `score`\?\)"):
        fake_outputs(client.TriageOutputs, scoer=1)
    with pytest.raises(ValueError, match="score"):
        fake_outputs(client.TriageOutputs, score="high")


@pytest.mark.parametrize("mode", ["blocking", "streaming"])
def test_a_run_gives_the_outputs(client: Any, mode: str) -> None:
    with fake_client(client.TriageClient, fake_outputs(client.TriageOutputs, score=2)) as fake:
        assert fake.run(text="a", response_mode=mode).outputs.score == 2
    asked: list[Any] = []
    fake = fake_client(client.TriageClient, lambda inputs: asked.append(inputs) or 1 / 0)
    with fake, pytest.raises(client.RunFailedError, match="ZeroDivisionError"):
        fake.run(text="a", response_mode=mode)
    assert asked == [{"text": "a"}]


def test_the_stream_and_asyncio_have_the_same_fake(client: Any) -> None:
    outputs = fake_outputs(client.TriageOutputs)
    with fake_client(client.TriageClient, outputs) as fake, fake.stream(text="a") as stream:
        assert [type(event).__name__ for event in stream] == ["WorkflowStarted", "WorkflowFinished"]
        assert stream.result().outputs.model_dump() == outputs.model_dump()

    async def run() -> Any:
        async with fake_client(client.AsyncTriageClient, outputs) as fake:
            return (await fake.run(text="a")).outputs

    assert asyncio.run(run()).model_dump() == outputs.model_dump()


@pytest.mark.parametrize("mode", ["blocking", "streaming"])
def test_a_turn_gives_the_answer(client: Any, mode: str) -> None:
    def said(inputs: Any) -> str:
        return f"{inputs['sys.query']} {inputs['order']}"

    with fake_client(client.DeskClient, said) as fake:
        turn = fake.chat("Where is", order="A-17", response_mode=mode)
        assert (turn.status, turn.answer) == ("succeeded", "Where is A-17")
        conversation = fake.conversation(order="B-4")
        assert [conversation.send("One").answer, conversation.send("Two").answer] == ["One B-4", "Two B-4"]
    with fake_client(client.WriterClient, "A text.") as fake:
        assert fake.complete(topic="tea", response_mode=mode).answer == "A text."
    with fake_client(client.HelperClient, "Done.") as fake:
        assert fake.chat("Help!").answer == "Done."
    fake = fake_client(client.DeskClient, lambda inputs: 1 / 0)
    with fake, pytest.raises(client.DifyError, match="ZeroDivisionError"):
        fake.chat("Where is", order="A-17", response_mode=mode)


def test_what_starts_nothing_is_not_found(client: Any) -> None:
    with fake_client(client.TriageClient, {}) as fake, pytest.raises(client.NotFoundError, match="A fake client"):
        fake.get_run("0000fa4e-0000-4000-8000-000000000001")


CALLER = """\
from typing import assert_type

from client import ConcatClient, ConcatOutputs
from difygen.testing import fake_client, fake_outputs

assert_type(fake_client(ConcatClient, ConcatOutputs(result="x")), ConcatClient)
assert_type(fake_outputs(ConcatOutputs), ConcatOutputs)
ConcatOutputs(reslt="x")
fake_client(ConcatClient, ConcatOutputs(result=3)).run(string="a")
"""


@pytest.mark.slow
def test_type_checkers_see_through_fakes(tmp_path: Path) -> None:
    write(
        tmp_path / "client",
        files_of([workflow_from("name: concat\ninputs: {s: text-input}\noutputs: {result: string}", "concat.yaml")]),
    )
    (tmp_path / "caller.py").write_text(CALLER, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "caller.py"]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=importing(), capture_output=True, text=True)
    assert sorted({line.split(":")[1] for line in done.stdout.splitlines() if "error" in line}) == [
        "8",
        "9",
    ], done.stdout
