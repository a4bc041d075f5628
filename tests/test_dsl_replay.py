"""The clients generated from the lab's exports replay every recorded run: what was sent is accepted, and what came
back is typed.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from support import LAB
from support.lab_package import kinds_of
from support.replay import Recording, cases, recording, replay
from support.servers import Server

WORKFLOWS = {path.stem for path in LAB.glob("*.yml") if "chatflow" not in path.stem}

LAX = (
    "concat_extra_input",
    "concat_num_bool",
    "concat_num_empty_string",
    "concat_num_float_string",
    "concat_num_space",
    "concat_num_string",
    "concat_num_underscore",
    "defaults_*_?_empty_string",
    "defaults_*_fl_empty_string",
    "files_custom_empty_string",
)
"""Calls with a value that the server drops, converts or lets through, although it is none of the input's JSON type
(or is no input).
"""

MISFITS = ("defaults_null_c_empty_string", "defaults_null_j_empty_string")
"""Runs whose text came out of a boolean and of an object, as only such calls can make it: an error that carries what
came.
"""

TEXTS = ("defaults_*_t_empty_string", "defaults_*_p_empty_string")


def runs() -> list[str]:
    """Every recorded call that ran a workflow of the lab."""
    return [case for case in cases() if is_run(recording(case))]


def is_run(recorded: Recording) -> bool:
    request = recorded.request
    return (
        request["method"] == "POST"
        and request["path"].endswith("/workflows/run")
        and request.get("app") in WORKFLOWS
        and recorded.head.startswith(b"HTTP/1.1 200")
        and run_of(recorded) is not None
    )


def run_of(recorded: Recording) -> dict[str, Any] | None:
    """The `data` of the recorded answer, or of its last event."""
    if recorded.is_stream:
        ends = [event for event in recorded.events if event["event"] in ("workflow_finished", "workflow_paused")]
        return ends[-1]["data"] if ends else None
    found: dict[str, Any] | None = json.loads(recorded.body).get("data")
    return found


def dumped(value: Any) -> Any:
    return value.model_dump(mode="json", by_alias=True, exclude_unset=True) if isinstance(value, BaseModel) else value


def is_lax(case: str) -> bool:
    return any(map(partial(fnmatchcase, case), LAX)) and not any(map(partial(fnmatchcase, case), TEXTS))


def mended(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs of the lax calls without what the client refuses."""
    kept = {name: value for name, value in inputs.items() if value != "" and name not in ("extra", "nested")}
    return {**kept, "num": 3} if "num" in inputs else kept


@pytest.mark.parametrize("case", runs())
def test_the_generated_client_replays_a_recorded_run(case: str, lab: ModuleType) -> None:
    recorded = recording(case)
    expected = run_of(recorded)
    assert expected is not None
    inputs = recorded.request["json"]["inputs"]
    with Server({"POST *": replay(case)}) as server:
        kind, _ = kinds_of(lab, recorded.request["app"])
        with kind(base_url=server.url, api_key="app-RECORDED", user="u", timeout=60.0) as client:
            call = client.stream if recorded.is_stream else client.run
            if is_lax(case):
                with pytest.raises((ValidationError, TypeError)):
                    call(**inputs)
                inputs = mended(inputs)
            try:
                answer = call(**inputs)
                run = answer.result() if recorded.is_stream else answer
            except (lab.RunError, lab.OutputsError) as error:
                assert isinstance(error, lab.OutputsError) == (case in MISFITS)
                run = error.run
        (request,) = server.requests
    assert run.status == expected["status"]
    assert run.raw_outputs == (expected["outputs"] or {})
    if run.succeeded and case not in MISFITS:
        assert dumped(run.outputs) == expected["outputs"]
    sent = {key: value for key, value in inputs.items() if value is not None}
    assert request.json["inputs"].items() >= sent.items()  # and the defaults of what was left out
