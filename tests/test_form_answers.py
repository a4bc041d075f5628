"""Answers to forms as generated packages have them: what was recorded on a live server, and what a form takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from difygen.config import Options
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support import CHAT_LAB, TESTS
from support.packages import files_of, imported, workflow_from, write
from support.replay import recording, replay
from support.servers import Server

ASKING = (CHAT_LAB / "hitl_webapp.yml", TESTS / "cases" / "gen" / "forms" / "expenses.yml")
RUN_ID = "091199fa-6217-45b1-b7ce-5f72dcd9c199"
TOKEN = "htxw4zUP6fauErvcsfwnIr"
RECORDED = {
    "POST /v1/workflows/run": replay("v1_14_resume_approve_paused"),
    f"POST /v1/form/human_input/{TOKEN}": replay("v1_14_resume_approve_form_post"),
    f"GET /v1/workflow/{RUN_ID}/events": replay("v1_14_resume_approve_events"),
}
OPTIONS: dict[str, Any] = {"api_key": "app-x", "user": "u1"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("generated")
    apps = [workflow_from(path.read_text("utf-8"), path.name) for path in ASKING]
    write(folder / "asking", files_of(apps))
    with imported(folder, "asking") as package:
        yield package


def sent(server: Server) -> Any:
    """The answer that reached the server."""
    return next(each.json for each in server.requests if each.line.startswith("POST /v1/form"))


def test_a_recorded_run_goes_on_from_its_pause_to_its_outputs(client: ModuleType) -> None:
    with Server(RECORDED) as server, client.HitlWebappClient(base_url=server.url, **OPTIONS) as calls:
        with pytest.raises(client.RunPausedError) as caught:
            calls.run(topic="cats", response_mode="streaming")
        assert TOKEN not in f"{caught.value!r} {caught.value}"
        assert caught.value.forms[0].display_in_ui  # which its pause does not tell
        calls.submit_form(caught.value.forms, client.HitlWebappHuman1Answer(action="approve", comment="fine 好"))
        run = calls.resume(caught.value).result()
        assert sent(server) == recording("v1_14_resume_approve_form_post").request["json"]
    assert (run.outputs.verdict, run.outputs.comment, run.outputs.refused) == ("approve", "fine 好", None)


def test_a_recorded_stream_goes_on_over_its_pause(client: ModuleType) -> None:
    async def call(url: str) -> tuple[list[str], Any]:
        calls, seen = client.AsyncHitlWebappClient(base_url=url, **OPTIONS), []
        async with calls, calls.stream(topic="cats") as stream:
            async for event in stream:
                seen.append(event.event)
                if isinstance(event, client.HumanInputRequired):
                    answer = client.HitlWebappHuman1Answer(action="approve", comment="fine 好")
                    await calls.submit_form(event.form, answer)
            return seen, await stream.result()

    with Server(RECORDED) as server:
        seen, run = asyncio.run(call(server.url))
        assert sent(server) == recording("v1_14_resume_approve_form_post").request["json"]
    assert run.outputs.verdict == "approve"
    assert seen.count("human_input_required") == seen.count("human_input_form_filled") == 1
    assert seen[-1] == "workflow_finished"


def test_steps_whose_names_fold_into_one_have_a_class_each(tmp_path: Path) -> None:
    text = ASKING[1].read_text("utf-8").replace("review", "'1735000000002'")
    text = text.replace("Ask the boss", "Ask 1").replace("Names that are taken", "Ask1")
    write(tmp_path / "alike", files_of([workflow_from(text, ASKING[1].name)]))
    with imported(tmp_path, "alike") as package:
        exported = [getattr(package, name) for name in package.__all__ if name.startswith("ExpensesAsk1Answer")]
        nodes = sorted(each.node_id for each in exported if isinstance(each, type))
    assert nodes == ["1735000000001", "1735000000002"]


def test_fields_are_called_as_the_settings_say() -> None:
    options = Options(rename={"expenses": {"budget": "purse"}})
    text = files_of([workflow_from(ASKING[1].read_text("utf-8"), ASKING[1].name)], options)["expenses.py"]
    assert 'purse: Annotated[Literal["travel", "office"], Field(alias="budget")]' in text


def test_an_answer_of_another_node_is_refused_before_anything_is_sent(client: ModuleType) -> None:
    with Server(RECORDED) as server, client.HitlWebappClient(base_url=server.url, **OPTIONS) as calls:
        with pytest.raises(client.RunPausedError) as caught:
            calls.run(topic="cats", response_mode="streaming")
        answer = client.ExpensesReviewAnswer(action_="approve", action="", str="", node_id_="", copy_="", title="")
        with pytest.raises(client.FormValuesError, match="node 'review', and not for that of 'human1'"):
            calls.submit_form(caught.value.forms, answer)
        assert len(server.requests) == 1


# The class and the form itself agree about what fits

NODES = yaml.safe_load(ASKING[1].read_text("utf-8"))["workflow"]["graph"]["nodes"]
ASKED = next(node["data"] for node in NODES if node["data"]["title"] == "Ask the boss")
LINK = "https://example.com/a"
FILES = st.sampled_from([("a.pdf", b""), ("a.png", b""), ("a.exe", b""), f"{LINK}.png", f"{LINK}.pdf", 5, None, {}])
TEXTS = st.text(max_size=5) | st.integers() | st.none() | st.sampled_from(["travel", "office"])
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "comment": TEXTS,
        "budget": st.sampled_from(["travel", "office"]) | TEXTS,
        "month": TEXTS,
        "proof": st.just(("a.pdf", b"")) | FILES,
        "pictures": st.lists(st.just(("a.png", b"")) | FILES, max_size=3) | FILES,
        "other": TEXTS,
    },
)
GOOD = {
    "comment": "c",
    "budget": "travel",
    "month": "May",
    "proof": ("a.pdf", b""),
    "pictures": [("a.png", b"")],
}


@given(action=st.sampled_from(["action_1", "action_2", "action_3"]), values=VALUES, is_whole=st.booleans())
def test_what_fits_the_class_fits_the_form(
    client: ModuleType, action: str, values: dict[str, Any], is_whole: bool
) -> None:
    given_values = {**GOOD, **values} if is_whole else values
    form = client.Form({"node_id": "1735000000001", "inputs": ASKED["inputs"], "actions": ASKED["user_actions"]})
    checks = client._runtime._operations
    try:
        checks.check_action(form, action)
        checks.check_values(form, given_values)
        fits = True
    except client.FormValuesError:
        fits = False
    try:
        answer = client.ExpensesAskTheBossAnswer(**{"action": action, **given_values})
    except ValidationError:
        assert not fits
    else:
        pressed, found = answer.for_form()
        assert fits and pressed == action and found.keys() == given_values.keys()
        checks.check_values(form, found)
