"""`difygen.bulk` from Python: one row, by a client of either kind, wherever an earlier call has left it; jobs of chats;
limits.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import pickle
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from difygen.bulk import (
    AsyncJob,
    AsyncLimit,
    JobEndedError,
    Limit,
    Row,
    RowResult,
    SqliteStore,
    Store,
    StoredRow,
    StoreError,
    Tally,
    arun_row,
    open_store,
    run_row,
)
from difygen.bulk.job import Spread
from difygen.bulk.rows import result_of_stored
from difygen.testing import MockDify, mock_dify
from hypothesis import given
from hypothesis import strategies as st
from support.bulk_server import BulkServer, bulk_server
from support.concat_client import AsyncConcatClient, ConcatClient
from support.servers import Server
from support.terminal import piped

KEY = "app-SECRET"


@pytest.fixture
def served() -> Iterator[tuple[BulkServer, Server]]:
    with bulk_server() as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "rows.db") as found:
        yield found


def row(string: str, **more: Any) -> Row:
    return Row.of("concat", {"string": string, "num": 1, "list": "list_a"}, key=string, **more)


@pytest.fixture(params=["blocking", "async"])
def run(request: pytest.FixtureRequest, served: tuple[BulkServer, Server], store: Store) -> Any:
    """Runs a row by either client."""
    options: dict[str, Any] = {"base_url": served[1].url, "api_key": KEY, "user": "ada", "max_retries": 0}
    options |= {"timeout": 60.0, "max_reconnects": 0}

    def blocking(row: Row, **policy: bool) -> RowResult:
        with ConcatClient(**options) as client:
            return run_row(client, row, store, **policy)

    def waiting(row: Row, **policy: bool) -> RowResult:
        async def work() -> RowResult:
            async with AsyncConcatClient(**options) as client:
                return await arun_row(client, row, store, **policy)

        return asyncio.run(work())

    return blocking if request.param == "blocking" else waiting


def test_a_row_is_run_once(run: Any, served: tuple[BulkServer, Server], store: Store) -> None:
    first, second = run(row("a")), run(row("a"))
    assert (first.state, first.status, first.outputs, first.is_new) == ("done", "succeeded", {"result": "A"}, True)
    assert (second.outputs, second.is_new, second.workflow_run_id) == ({"result": "A"}, False, first.workflow_run_id)
    assert served[0].starts == {"a": 1}
    kept = store.get("a")
    assert kept is not None and kept.ids["workflow_run_id"] == first.workflow_run_id


@pytest.mark.parametrize(("fault", "kind"), [("fail", "RunFailedError"), ("refuse", "InvalidParamError")])
def test_what_ended_badly_is_a_result(run: Any, served: tuple[BulkServer, Server], fault: str, kind: str) -> None:
    served[0].faults["a"] = fault
    found = run(row("a"))
    assert (found.state, found.error_kind, found.succeeded) == ("failed", kind, False)
    assert not run(row("a")).is_new
    served[0].faults.clear()
    assert run(row("a"), retry_failed=True).succeeded


def test_inputs_that_do_not_fit_are_a_result_and_nothing_is_sent(run: Any, served: tuple[BulkServer, Server]) -> None:
    found = run(Row.of("concat", {"string": "a", "num": 1, "list": "secret text"}))
    assert (found.state, found.error_kind) == ("failed", "ValidationError")
    assert "secret text" not in (found.error or "")
    assert served[1].requests == []


@pytest.mark.parametrize("fault", ["cut early", "broken"])
def test_a_call_that_told_nothing_is_unknown(run: Any, served: tuple[BulkServer, Server], fault: str) -> None:
    served[0].faults["a"] = fault
    assert run(row("a")).state == "unknown"
    served[0].faults.clear()
    assert run(row("a")).state == "unknown"
    assert run(row("a"), rerun_unknown=True).state == "done"


@pytest.mark.parametrize("is_ended", [True, False])
def test_a_lost_row_that_another_process_has_taken_meanwhile_is_what_that_says(
    run: Any, served: tuple[BulkServer, Server], store: Store, monkeypatch: pytest.MonkeyPatch, is_ended: bool
) -> None:
    served[0].faults["a"] = "cut early"
    apply = store.apply

    def apply_later(rows: Sequence[StoredRow]) -> list[bool]:
        if rows[0].state == "unknown":
            with open_store(store.path) as other:
                if is_ended:
                    other.finish(rows[0], "done", json.dumps({"status": "succeeded", "outputs": {"result": "A"}}))
                else:
                    assert other.finish(rows[0], "unknown", None) and other.claim(row("a"), 2)
        return apply(rows)

    monkeypatch.setattr(store, "apply", apply_later)
    found = run(row("a"))
    outputs = {"result": "A"} if is_ended else {}
    assert (found.state, found.outputs) == ("done" if is_ended else "claimed", outputs)
    assert (found.error, found.is_new) == (None, False)


def test_a_run_is_found_by_the_user_that_its_row_alone_has(run: Any, served: tuple[BulkServer, Server]) -> None:
    served[0].faults["a"] = "cut early"
    found = run(row("a", user_prefix="bulk"))
    assert (found.state, found.outputs, served[0].starts["a"]) == ("done", {"result": "A"}, 1)
    (stored,) = served[0].runs.values()
    assert stored.user.startswith("bulk-")


def test_a_run_of_another_user_is_no_row_s_own(run: Any, served: tuple[BulkServer, Server]) -> None:
    served[0].filters_logs = False
    assert run(row("a", user_prefix="bulk")).succeeded
    served[0].faults["b"] = "broken"
    assert run(row("b", user_prefix="bulk")).state == "unknown"


def test_a_run_that_goes_on_is_left_and_read_later(run: Any, served: tuple[BulkServer, Server]) -> None:
    served[0].faults["a"] = "cut"
    found = run(row("a"))
    assert (found.state, found.status) == ("started", "running")
    assert run(row("a")).outputs == {"result": "A"}
    assert served[0].starts == {"a": 1}


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_run_that_the_server_does_not_know_is_unknown(
    run: Any, served: tuple[BulkServer, Server], store: Store, comes_back: bool
) -> None:
    served[0].faults["a"] = "cut"
    assert run(row("a")).state == "started"
    forgotten, served[0].runs = served[0].runs, {}
    served[0].faults.clear()
    for _ in range(2):
        found = run(row("a"))
        assert (found.state, found.status, found.error_kind) == ("unknown", "unknown", "NotFoundError")
        kept = store.get("a")
        assert kept is not None and result_of_stored(kept).values == found.values
    if comes_back:
        served[0].runs = forgotten
        assert run(row("a")).outputs == {"result": "A"}
    else:
        assert run(row("a"), rerun_unknown=True).state == "done"
    assert served[0].starts == {"a": 1 if comes_back else 2}


@pytest.mark.parametrize("names", ["aaab", "abcdefa"])
def test_rows_that_are_the_same_as_one_at_work_or_just_ended_are_counted_as_that(
    served: tuple[BulkServer, Server], store: Store, names: str
) -> None:
    passes: list[int] = []

    def rows() -> list[Row]:
        passes.append(len(passes))
        return [row(name) for name in names]

    async def work() -> Tally:
        async with AsyncConcatClient(base_url=served[1].url, api_key=KEY, user="ada") as client:
            return await AsyncJob(client, store, concurrency=1).run(rows)

    tally = asyncio.run(work())
    assert (tally.done, tally.before, tally.repeated, tally.seen) == (
        len({*names}),
        0,
        len(names) - len({*names}),
        len(names),
    )
    assert (passes, served[0].twice) == ([0], [])


@pytest.mark.parametrize("between", ["", "bcdef"])
def test_rows_that_have_the_key_of_one_at_work_and_other_values_are_invalid(
    served: tuple[BulkServer, Server], store: Store, between: str
) -> None:
    rows = [Row.of("echo", {"string": string}, key="k" if string in "az" else None) for string in f"a{between}z"]

    async def work() -> Tally:
        async with AsyncConcatClient(base_url=served[1].url, api_key=KEY, user="ada") as client:
            return await AsyncJob(client, store, concurrency=1).run(lambda: rows)

    tally = asyncio.run(work())
    assert (tally.done, tally.invalid, tally.repeated) == (1 + len(between), 1, 0)


@pytest.mark.parametrize(
    ("fault", "policy"), [("fail", {"retry_failed": True}), ("cut early", {"rerun_unknown": True})]
)
def test_what_another_process_runs_again_meanwhile_is_not_run_once_more(
    run: Any, served: tuple[BulkServer, Server], store: Store, monkeypatch: pytest.MonkeyPatch, fault: str, policy: Any
) -> None:
    served[0].faults["a"] = fault
    run(row("a"))
    served[0].faults.clear()
    read = store.read

    def read_before(keys: Sequence[str]) -> Mapping[str, StoredRow]:
        """Return what is known of the row just before the other process runs it."""
        found = read(keys)
        monkeypatch.undo()
        with open_store(store.path) as other, ConcatClient(base_url=served[1].url, api_key=KEY, user="eve") as client:
            assert run_row(client, row("a"), other, **policy).succeeded
        return found

    assert isinstance(store, SqliteStore)
    monkeypatch.setattr(store, "read", read_before)
    found = run(row("a"), **policy)
    assert (found.state, found.is_new, served[0].starts) == ("done", False, {"a": 2})


def test_a_wrong_key_is_no_result_and_starts_nothing(run: Any, served: tuple[BulkServer, Server], store: Store) -> None:
    served[0].key = "app-ANOTHER"
    with pytest.raises(JobEndedError, match="Access token is invalid") as caught:
        run(row("a"))
    assert KEY not in "".join(traceback.format_exception(caught.value))
    kept = store.get("a")
    assert kept is not None and kept.state == "released"
    served[0].key = ""
    assert run(row("a")).succeeded


def test_a_mistake_of_the_program_leaves_the_row_free(
    run: Any, served: tuple[BulkServer, Server], store: Store
) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        run(Row.of("concat", {"strin": "a"}, key="a"))
    assert run(row("a")).succeeded
    with ConcatClient(base_url=served[1].url, api_key=KEY, user="ada") as client, pytest.raises(TypeError):
        asyncio.run(arun_row(client, row("b"), store))
    with pytest.raises(TypeError, match="AsyncConcatClient is no blocking client; one for asyncio is for"):
        run_row(AsyncConcatClient(base_url=served[1].url, api_key=KEY, user="ada"), row("b"), store)
    assert store.get("b") is None


def test_a_key_that_was_used_for_other_values_is_refused(run: Any, served: tuple[BulkServer, Server]) -> None:
    assert run(row("a")).succeeded
    found = run(Row.of("concat", {"string": "b", "num": 1, "list": "list_a"}, key="a"))
    assert (found.state, found.error_kind, served[0].starts.total()) == ("failed", "ChangedRowError", 1)


def test_refusals_are_waited_for(run: Any, served: tuple[BulkServer, Server]) -> None:
    served[0].refusals = 2
    found = run(row("a"))
    assert (found.state, served[0].starts, served[0].refused) == ("done", {"a": 1}, 2)


def test_threads_that_run_the_same_row_start_it_once(served: tuple[BulkServer, Server], store: Store) -> None:
    served[0].latency = 0.3
    states: list[str] = []
    with ConcatClient(base_url=served[1].url, api_key=KEY, user="ada") as client:
        threads = [
            threading.Thread(target=lambda: states.append(run_row(client, row("a"), store).state)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (served[0].starts, "done" in states) == ({"a": 1}, True)
    assert set(states) <= {"claimed", "started", "done"}  # those that came late have left it to the first


def test_nothing_that_travels_or_is_logged_holds_the_key(
    served: tuple[BulkServer, Server], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    served[0].faults["b"] = "fail"
    with ConcatClient(base_url=served[1].url, api_key=KEY, user="ada") as client:
        results = [run_row(client, row(string), store) for string in "ab"]
    travelling = [pickle.dumps(each) for each in (*results, row("a"), store)]
    assert all(KEY.encode() not in each for each in travelling)
    assert KEY not in caplog.text and KEY not in repr(results)
    assert pickle.loads(travelling[0]) == results[0]


CHAT = """\
name: desk
mode: chatflow
inputs:
  order: {type: text-input, required: false}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[str, MockDify]]:
    spec = tmp_path / "desk.yaml"
    spec.write_text(CHAT)
    with mock_dify(str(spec), handler=lambda inputs: f"about {inputs.get('order')}") as dify:
        yield str(spec), dify


def results(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_each_row_of_a_chat_is_a_conversation(desk: tuple[str, MockDify], tmp_path: Path) -> None:
    spec, dify = desk
    (tmp_path / "rows.csv").write_text("order,query\nA-1,Where?\nA-2,When?\n")
    output = tmp_path / "out.jsonl"
    arguments = ("call", spec, "--inputs", str(tmp_path / "rows.csv"), "--output", str(output))
    for _ in range(2):
        ended = piped(*arguments, env=dify.environment)
        assert ended.code == 0, ended.err
    assert [line["answer"] for line in results(output)] == ["about A-1", "about A-2"]
    assert len({line["conversation_id"] for line in results(output)}) == len(dify.turns) == 2


def test_rows_of_one_conversation_are_its_turns_in_order(desk: tuple[str, MockDify], tmp_path: Path) -> None:
    spec, dify = desk
    rows = [f"c{number % 3},turn {number % 6}" for number in range(12)]  # each question twice
    (tmp_path / "rows.csv").write_text("\n".join(["talk,query", *rows[:6]]) + "\n")
    output = tmp_path / "out.jsonl"
    arguments = ("call", spec, "--inputs", str(tmp_path / "rows.csv"), "--conversation-column", "talk")
    arguments += ("--output", str(output), "--concurrency", "5")
    assert piped(*arguments, env=dify.environment).code == 0
    (tmp_path / "rows.csv").write_text("\n".join(["talk,query", *rows]) + "\n")
    ended = piped(*arguments, env=dify.environment)
    assert ended.code == 0, ended.err
    asked: dict[str, list[str]] = {}
    for turn in dify.turns:
        asked.setdefault(turn.conversation_id or "", []).append(turn.query)
    assert sorted(asked.values()) == [[f"turn {n % 6}" for n in range(first, 12, 3)] for first in range(3)]
    assert len({line["conversation_id"] for line in results(output)}) == 3


def test_no_turn_is_made_after_one_that_may_be_lost(desk: tuple[str, MockDify], tmp_path: Path) -> None:
    spec, dify = desk
    rows = [f"c{number % 2},turn {number}" for number in range(6)]
    (tmp_path / "rows.csv").write_text("\n".join(["talk,query", *rows]) + "\n")
    output = tmp_path / "out.jsonl"
    arguments = ("call", spec, "--inputs", str(tmp_path / "rows.csv"), "--conversation-column", "talk")
    arguments += ("--output", str(output), "--concurrency", "1")
    with Server(lambda connection, request: connection.reset()) as other:
        ended = piped(*arguments, env={**dify.environment, "DIFY_BASE_URL": other.url})
    assert sorted(request.json["query"] for request in other.requests) == ["turn 0", "turn 1"]
    assert ended.err.startswith("0 of 6 rows succeeded, 2 unknown, 4 unfinished.")
    with open_store(f"{output}.db") as store:
        store.remember("servers", "\x1b]0;of a stranger\a", "")
    ended = piped(*arguments, env=dify.environment)
    assert (ended.code, len(dify.turns)) == (1, 0), ended.err
    servers = f"`\\x1b]0;of a stranger\\x07` and `{other.url}`"
    assert ended.err.startswith(f"What was run at {servers} is not run again: take another --output or --store")
    assert piped(*arguments, "--rerun-unknown", env=dify.environment).code == 0
    assert len({line["conversation_id"] for line in results(output)}) == 2


def test_a_text_whose_stream_was_lost_is_lost_and_may_be_asked_for_again(tmp_path: Path) -> None:
    spec, output = tmp_path / "writer.yaml", tmp_path / "out.jsonl"
    spec.write_text("name: writer\nmode: completion\ninputs:\n  topic: text-input\n")
    (tmp_path / "rows.csv").write_text("topic\ntea\n")
    arguments = ("call", str(spec), "--inputs", str(tmp_path / "rows.csv"), "--output", str(output))
    with mock_dify(str(spec), handler=lambda inputs: f"about {inputs['topic']}", cut_after=2) as dify:
        ended = piped(*arguments, env=dify.environment)
    assert ended.err.startswith("0 of 1 row succeeded, 1 failed (1 AnswerLostError).")
    with mock_dify(str(spec), handler=lambda inputs: f"about {inputs['topic']}") as dify:
        ended = piped(*arguments, "--retry-failed", env=dify.environment)
    assert ended.code == 0, ended.err
    assert [line["answer"] for line in results(output)] == ["about tea"]


def test_a_turn_is_read_from_its_conversation_where_events_cannot_be(tmp_path: Path) -> None:
    spec = tmp_path / "desk.yaml"
    spec.write_text(CHAT)
    (tmp_path / "rows.csv").write_text("query\nWhere?\n")
    arguments = ("call", str(spec), "--inputs", str(tmp_path / "rows.csv"), "--output")
    with mock_dify(str(spec), handler=lambda inputs: "Here.", dify="1.12") as dify:
        assert piped(*arguments, str(tmp_path / "first.jsonl"), env=dify.environment).code == 0
        with open_store(tmp_path / "first.jsonl.db") as first, open_store(tmp_path / "killed.jsonl.db") as killed:
            (done,) = first.iterate()
            assert killed.write(done._replace(state="claimed", owner=killed.owner, ids={}, result=None))
            assert killed.write(done._replace(state="started", owner=killed.owner, result=None))
        ended = piped(*arguments, str(tmp_path / "killed.jsonl"), env=dify.environment)
        assert (ended.code, len(dify.turns)) == (0, 1), ended.err
    assert [line["answer"] for line in results(tmp_path / "killed.jsonl")] == ["Here."]


def test_a_row_of_a_chat_needs_a_query(desk: tuple[str, MockDify], tmp_path: Path) -> None:
    spec, dify = desk
    (tmp_path / "rows.csv").write_text("order,query\nA-1,\n")
    ended = piped("call", spec, "--inputs", str(tmp_path / "rows.csv"), env=dify.environment)
    assert (ended.code, len(dify.turns)) == (2, 0)
    assert "the column 'query' must hold a text that is not empty." in ended.err


def test_nothing_of_a_store_that_fails_is_printed_beside_the_error(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read, looks = store.read, iter(range(9))

    def read_once(keys: Sequence[str], *, results: bool = True) -> Mapping[str, StoredRow]:
        return read(keys, results=results) if next(looks) == 0 else fail()

    def fail(*_: object) -> Any:
        raise StoreError("full")

    monkeypatch.setattr(store, "read", read_once)
    monkeypatch.setattr(store, "apply", fail)

    async def work() -> None:
        async with AsyncConcatClient(base_url="http://127.0.0.1:9/v1", api_key=KEY, user="ada") as client:
            await AsyncJob(client, store, concurrency=20).run(lambda: [row(f"row {n}") for n in range(3000)])

    with pytest.raises(StoreError, match="full"):
        asyncio.run(work())
    gc.collect()
    assert caplog.text == ""


def test_a_job_that_is_cancelled_leaves_what_has_an_id(served: tuple[BulkServer, Server], store: Store) -> None:
    served[0].faults["a"] = "hang"
    rows = [row(string) for string in "abc"]

    async def work() -> Tally:
        async with AsyncConcatClient(base_url=served[1].url, api_key=KEY, user="ada") as client:
            job = AsyncJob(client, store, concurrency=3)
            task = asyncio.create_task(job.run(lambda: rows))
            while job.tally.done < 2 or (kept := store.get("a")) is None or kept.state != "started":
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return job.tally

    assert asyncio.run(work()).done == 2
    states = {stored.key: stored.state for stored in store.iterate()}
    assert states == {"a": "started", "b": "done", "c": "done"}


def test_a_limit_halves_once_for_a_storm_and_comes_back() -> None:
    now = [0.0]
    limit = Limit(16, lambda: now[0])
    for _ in range(10):
        limit.refused(began=0.0)
    assert (limit.allowed, limit.pause > 0) == (8, True)
    now[0] += 1.0
    limit.refused(began=0.5, retry_after=7.0)
    assert (limit.allowed, limit.pause) == (4, 7.0)
    now[0] += 8.0
    assert limit.pause == 0
    for _ in range(200):
        limit.succeeded()
    assert limit.allowed == 16
    assert not limit.is_hopeless


def test_a_limit_hears_once_of_a_storm_that_another_process_has_met() -> None:
    now = [0.0]
    limit, other = Limit(16, lambda: now[0]), Limit(16, lambda: now[0])
    old = other.word("other", 5.0)
    limit.hear(old, "this")  # said before this process began
    assert (limit.allowed, limit.pause, limit.is_to_hear()) == (16, 0, True)
    pause = other.refused(now[0], 5.0, "Too many requests.")
    assert (pause, limit.is_to_hear()) == (5.0, False)
    said = other.word("other", 5.0)
    now[0] += 1.0
    limit.hear(said, "this")
    assert (limit.allowed, 2.5 <= limit.pause <= 5.0, limit.reason) == (8, True, "Too many requests.")
    for said_again in (said, other.word("this", 60.0), "no JSON", '["other", 1]'):
        now[0] += 1.0
        limit.hear(said_again, "this")
    assert (limit.allowed, limit.pause < 5.0) == (8, True)
    limit.refused(now[0] + 1)
    limit.hear(other.word("other", 60.0), "this")  # the same storm, met here, too
    assert (limit.allowed, limit.pause < 5.0) == (4, True)


def test_many_lost_rows_in_a_row_are_waited_for_as_refusals_are(
    served: tuple[BulkServer, Server], store: Store
) -> None:
    served[0].faults = dict.fromkeys("abcdef", "broken")
    limit = Limit(1, clock=lambda: 0.0)
    with ConcatClient(base_url=served[1].url, api_key=KEY, user="ada", max_retries=0) as client:
        found = [(run_row(client, row(string), store, limit=limit).state, limit.pause > 0) for string in "abcdef"]
        assert found == [("unknown", False)] * 5 + [("unknown", True)]


def test_a_limit_lets_no_more_go_on_than_it_says() -> None:
    async def work() -> int:
        limit, most = AsyncLimit(3), 0

        async def call() -> None:
            nonlocal most
            async with limit.aslot():
                most = max(most, limit.running)
                await asyncio.sleep(0.001)

        tasks = [asyncio.create_task(call()) for _ in range(30)]
        await asyncio.sleep(0.002)
        for task in tasks[10:15]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limit.running == 0
        return most

    assert asyncio.run(work()) == 3


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_quantiles_are_right_to_one_percent(values: list[float], share: float) -> None:
    spread = Spread()
    for value in values:
        spread.add(value)
    import math

    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    assert spread.quantile(share) == pytest.approx(exact, rel=0.011, abs=1e-5)
    assert spread.total == pytest.approx(sum(values))
