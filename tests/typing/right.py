"""A caller that type checkers must find nothing wrong with."""

from copy import copy
from pathlib import Path
from ssl import SSLContext
from typing import Literal, assert_type

from client import (
    AsyncConcatClient,
    AsyncRunStream,
    ConcatClient,
    ConcatInputs,
    ConcatOutputs,
    DifyError,
    File,
    NodeFinished,
    Run,
    RunFailedError,
    RunStream,
    TextChunk,
    WorkflowClient,
    arun_concat,
    astream_concat,
    configure,
    run_concat,
    run_kinds,
    stream_concat,
)
from client.kinds import KindsInputs, KindsInputsProfile
from pydantic import SecretStr


def blocking() -> str:
    run = run_concat(string="a", num=1, list="list_b", user="me", response_mode="streaming", timeout=30)
    assert_type(run, Run[ConcatOutputs])
    assert_type(run.outputs, ConcatOutputs)
    assert_type(run.outputs.result, str)
    assert_type(run.status, str)
    return run.outputs.result


def rows(client: ConcatClient) -> str:
    inputs = ConcatInputs(string="a", num=1, list="list_b")
    run = client.run_inputs(inputs, user="me", response_mode="streaming", timeout=30)
    assert_type(run, Run[ConcatOutputs])
    started = client.start(string="a", num=1, list="list_b", timeout=30)
    run = client.wait(started.run_id, timeout=30)
    with client.stream_inputs(inputs, stop_on_exit=True) as stream:
        return stream.result().outputs.result


def batch(client: ConcatClient, rows: list[ConcatInputs]) -> list[str]:
    return [client.run_inputs(row).outputs.result for row in rows]


def any_client(client: WorkflowClient[ConcatInputs, ConcatOutputs], inputs: ConcatInputs) -> str:
    return client.run_inputs(inputs).outputs.result


def streaming() -> None:
    with stream_concat(string="a", num=1.5, list="list_a") as stream:
        assert_type(stream, RunStream[ConcatOutputs])
        for event in stream:
            match event:
                case NodeFinished(title=title, elapsed_time=seconds):
                    assert_type(title, str)
                    assert_type(seconds, float)
                case TextChunk(text=text):
                    print(text)
                case _:
                    pass
        assert_type(stream.result().outputs.result, str)


async def asynchronous(option: Literal["list_a", "list_b"]) -> None:
    run = await arun_concat(string="a", num=1, list=option)
    assert_type(run.outputs.result, str)
    async with astream_concat(string="a", num=1, list=option) as stream:
        assert_type(stream, AsyncRunStream[ConcatOutputs])
        async for event in stream:
            print(event.event)
        assert_type(await stream.result(), Run[ConcatOutputs])


def clients() -> None:
    with ConcatClient(base_url="http://localhost/v1", api_key="app-x", max_retries=0) as client:
        try:
            client.run(string="a", num=1, list="list_a")
        except RunFailedError as error:
            print(error.run)
        except DifyError as error:
            print(error)
        assert_type(client.get_run("id"), Run[ConcatOutputs])
    inputs = ConcatInputs(string="a", num=1, list="list_a")
    assert_type(inputs.list, Literal["list_a", "list_b", "list_c"])
    print(AsyncConcatClient(timeout=5.0))


def connections(context: SSLContext, token: SecretStr) -> None:
    configure(proxy="http://proxy:3128", verify=Path("ca.pem"), trust_env=False, headers={"X-Token": token})
    print(ConcatClient(proxy="http://proxy:3128", verify=False, headers={"X-Tenant": "a"}, api_path="/"))
    client = AsyncConcatClient(verify=context, trust_env=False)
    headers = {"traceparent": "00-1-2-01"}
    run_concat(string="a", num=1, list="list_a", headers=headers, trace_id="t")
    print(client.stream(string="a", num=1, list="list_a", headers={"X-Token": token}))
    assert_type(copy(client), AsyncConcatClient)


any_client(ConcatClient(), ConcatInputs(string="a", num=1, list="list_a"))


def kinds(paths: list[str], profile: KindsInputsProfile) -> None:
    run = run_kinds(
        text="a",
        files=paths,
        profile={"name": "n", "tags": ["a"], "address": {"city": "x"}},
        settings={"anything": 1},
        class_=True,
        sort="name",
    )
    run_kinds(text="a", files=["a.pdf", ("b.pdf", b"")], profile=profile, settings={}, class_=False, sort=None)
    KindsInputs(text="a", files=[], profile=profile, settings={}, class_=False)
    outputs = run.outputs
    assert_type(outputs.number, int | float)
    assert_type(outputs.maybe, str | None)
    assert_type(outputs.picture, File)
    assert_type(outputs.people[0].name, str)
    assert_type(outputs.people[0].address.city, str)
    assert_type(outputs.list, list[str])
