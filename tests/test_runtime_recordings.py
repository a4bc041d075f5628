"""Every answer of Dify 1.12.1 to a run request that was recorded: the right `Run` or exception, over HTTP.

Those of newer servers are in `test_newer_recordings.py`; streams of both are cut up here.
"""

import json
from typing import Any

import pytest
import runtime
from runtime import AsyncWorkflowClient, Inputs, Outputs, WorkflowClient, WorkflowInfo
from support.both_clients import Kinds, Using, both_clients, with_sync
from support.recorded import Came, check_refusal, check_run, check_stream, followed
from support.replay import CHUNKINGS, cases, held, recording, replay
from support.servers import Server

RUNS = ["POST /v1/workflows/run", "POST /v1/workflows/*/run"]


class AnyInputs(Inputs):
    """No inputs: what was sent does not matter to a recording."""


class AnyOutputs(Outputs):
    """Takes all outputs there are."""


INFO = WorkflowInfo(name="any", outputs=AnyOutputs)


class Client(WorkflowClient[AnyInputs, AnyOutputs]):
    _workflow = INFO


class AsyncClient(AsyncWorkflowClient[AnyInputs, AnyOutputs]):
    _workflow = INFO


ANY: Kinds = (Client, AsyncClient)


def streamed(using: Using, url: str, case: str) -> Came:
    """The events of a recorded run, and what comes of it."""
    patience = {} if recording(case).events else {"idle_timeout": 1}  # it falls silent
    came: Came = using(url, lambda client: followed(client.stream_inputs(AnyInputs())), ANY, **patience)
    return came


def run_cases(*, streams: bool) -> list[str]:
    found = []
    for case in cases():
        request = recording(case).request
        asked = isinstance(request.get("json"), dict) and request["json"].get("response_mode") == "streaming"
        is_run = request["method"] == "POST" and request["path"].split("?")[0].endswith("/run")
        if is_run and (asked or recording(case).is_stream) == streams:
            found.append(case)
    return found


BLOCKING = run_cases(streams=False)
STREAMING = run_cases(streams=True)
CUT = [
    "seed_streaming",
    "unicode_separators_streaming",
    "hitl_pause_streaming_approve",
    "v1_14_unicode_streaming",
    "v1_14_llm_error_mid_streaming",
    "v1_14_webapp_approve",
    "dev2606_stop_slow",
]


def test_there_are_many_recordings() -> None:
    assert len(BLOCKING) > 100
    assert len(STREAMING) > 30


@both_clients
@pytest.mark.parametrize("case", BLOCKING)
def test_a_blocking_answer(case: str, using: Using) -> None:
    recorded = recording(case)
    with Server({route: held(case) for route in RUNS}) as server:
        try:
            outcome: Any = using(server.url, lambda client: client.run_inputs(AnyInputs()), ANY)
        except runtime.DifyError as error:
            outcome = error
    assert server.runs == 1
    if not recorded.head:  # this server never answers a human-input node in blocking mode; here it hangs up
        assert isinstance(outcome, runtime.ConnectionLostError)
    elif recorded.status == 200:
        payload = json.loads(recorded.body)
        check_run(outcome, payload, payload["data"])
    else:
        check_refusal(outcome, recorded)


@both_clients
@pytest.mark.parametrize("case", STREAMING)
def test_a_stream(case: str, using: Using) -> None:
    recorded = recording(case)
    with Server({route: held(case) for route in RUNS}) as server:
        came = streamed(using, server.url, case)
    assert server.runs == 1
    if recorded.status == 200:
        check_stream(recorded, came)
    else:
        check_refusal(came[1], recorded)


@pytest.mark.parametrize("chunking", CHUNKINGS)
@pytest.mark.parametrize("case", CUT)
def test_a_stream_cut_in_other_ways(case: str, chunking: str) -> None:
    with Server({RUNS[0]: replay(case, chunking)}) as server:
        came = streamed(with_sync, server.url, case)
    check_stream(recording(case), came)
