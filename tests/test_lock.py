"""The lock's text: in one order, readable line by line, and refused when it is not ours."""

from __future__ import annotations

import json
import re
from difflib import ndiff
from pathlib import Path

import pytest
from difygen.definitions.lockfile import (
    Lock,
    LockedApp,
    LockError,
    format_lock,
    is_inside,
    join_contracts,
    locked_contract,
    parse_lock,
    read_contracts,
)
from difygen.files import hash_bytes
from difygen.record import replace
from support.projects import Project

CONTRACT = locked_contract(
    {"exports": ["ConcatClient", "run_concat"], "inputs": [], "outputs": [{"name": "字段", "type": "string"}]}
)
CONCAT = LockedApp("../specs/concat.yaml", "specs/concat.yaml", "11", "concat")
LOCK = Lock(
    "1.2.3",
    "00",
    {"concat.py": "aa", "__init__.py": "bb"},
    {"concat": CONCAT},
    join_contracts({"concat": CONTRACT}),
)


def test_a_lock_is_json_with_one_fact_a_line_and_the_contracts_last() -> None:
    text = format_lock(LOCK)
    assert text.decode() == (
        "{\n"
        ' "apps": {\n'
        '  "concat": {\n'
        '   "name": "concat",\n'
        '   "origin": "specs/concat.yaml",\n'
        '   "source": "../specs/concat.yaml",\n'
        '   "source_hash": "11"\n'
        "  }\n"
        " },\n"
        ' "files": {\n'
        '  "__init__.py": "bb",\n'
        '  "concat.py": "aa"\n'
        " },\n"
        ' "format": 1,\n'
        ' "generator": "1.2.3",\n'
        ' "options": "00",\n'
        ' "contracts": {\n'
        '  "concat": {\n'
        '   "exports": [\n'
        '    "ConcatClient",\n'
        '    "run_concat"\n'
        "   ],\n"
        '   "inputs": [],\n'
        '   "outputs": [\n'
        "    {\n"
        '     "name": "字段",\n'
        '     "type": "string"\n'
        "    }\n"
        "   ]\n"
        "  }\n"
        " }\n"
        "}\n"
    )
    assert parse_lock(text) == LOCK


@pytest.mark.parametrize(
    "lock",
    [
        Lock("1", "0"),
        Lock("1", "0", {"ü.py": "a"}, {"x": CONCAT, "é": CONCAT}, join_contracts({"x": CONTRACT, "é": CONTRACT})),
        replace(LOCK, apps={"concat": CONCAT._replace(mode="chat", warnings=2)}),
    ],
)
def test_a_lock_survives_the_round_trip(lock: Lock) -> None:
    assert parse_lock(format_lock(lock)) == lock
    assert format_lock(parse_lock(format_lock(lock))) == format_lock(lock)
    assert join_contracts(read_contracts(lock)) == lock.contracts


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(json.loads(format_lock(LOCK))),
        json.dumps(json.loads(format_lock(LOCK)), indent=1),
        json.dumps(json.loads(format_lock(LOCK)), indent=4),
        json.dumps(json.loads(format_lock(LOCK)), indent=1, sort_keys=True),
        format_lock(LOCK).decode().replace("\n", "\r\n"),
        format_lock(LOCK).decode()[:-1],
    ],
)
def test_a_lock_that_was_laid_out_by_another_tool_says_the_same(text: str) -> None:
    lock = parse_lock(text.encode())
    assert {module: one.members for module, one in read_contracts(lock).items()} == {"concat": CONTRACT.members}
    assert replace(lock, contracts=b"") == replace(LOCK, contracts=b"")


def test_a_text_that_does_not_show_or_turns_its_line_around_is_escaped() -> None:
    texts = {
        "exports": ["\ufeff"],
        "a": "\u202edne\u2069",
        "b": "\x9b31m",
        "c": "\ud800",
        "d": "\u2028",
        "e": "\x00\x7f",
        "f": "客户 \U0001f600",
    }
    contracts = join_contracts({"x": locked_contract(texts)})
    lock = replace(LOCK, apps={"x": CONCAT._replace(origin="\udcff.yml")}, contracts=contracts)
    text = format_lock(lock).decode()
    assert not set("\u202e\u2069\x9b\ud800\udcff\u2028\x00\x7f") & set(text) and "客户 \U0001f600" in text
    assert parse_lock(text.encode()) == lock
    assert read_contracts(lock)["x"].members == texts


@pytest.mark.parametrize("end", range(0, len(format_lock(LOCK)) - 3, 7))
def test_half_a_lock_is_refused(end: int) -> None:
    with pytest.raises(LockError):
        parse_lock(format_lock(LOCK)[:end])


def test_a_file_between_two_versions_is_ours_in_both() -> None:
    lock = Lock("1", "0", {"concat.py": f"{hash_bytes(b'old')} {hash_bytes(b'new')}"})
    assert lock.wrote("concat.py", hash_bytes(b"old"))
    assert lock.wrote("concat.py", hash_bytes(b"new"))
    assert not lock.wrote("concat.py", hash_bytes(b"edited"))
    assert not lock.wrote("other.py", hash_bytes(b"old"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{}\n<<<<<<< HEAD\n", "merge conflict"),
        ("[]", "not a lock"),
        ("{}", "not a lock"),
        ('{"format": 99, "generator": "9.9"}', r"newer difygen \(9.9\)"),
        ('{"format": 1}', "damaged"),
        (json.dumps({"format": 1, "generator": "", "options": "", "files": {}, "apps": {"x": {}}}), "damaged"),
        (json.dumps({"format": 1, "generator": "", "options": "", "files": {"../x": "0"}, "apps": {}}), "no file"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_a_text_that_is_no_lock_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(LockError, match=why):
        parse_lock(text.encode(errors="surrogateescape"))


@pytest.mark.parametrize("path", ["a.py", "_runtime/_http.py", "..a.py", "a..b/c"])
def test_paths_inside(path: str) -> None:
    assert is_inside(path)


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/../b", "a/..", "a//../b", "C:/a", "a\\b", "a\0b", "./a", "a//b.py"]
)
def test_paths_that_lead_out(path: str) -> None:
    assert not is_inside(path)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("max_length: 48", "max_length: 40", ['-"max_length": 48,', '+"max_length": 40,']),
        ("max_length: 48", "label: 文本", ['-"max_length": 48,', '+"label": "文本",']),
        ("options: [a, b]", "options: [a, b, c]", ['-"b"', '+"b",', '+"c"']),
    ],
)
def test_a_change_of_one_input_changes_the_lines_of_that_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, lines: list[str]
) -> None:
    spec = (
        "name: concat\ninputs:\n  first: number\n  text: {type: text-input, max_length: 48}\n"
        "  choice: {type: select, options: [a, b]}\n  last: number\noutputs:\n  result: string\n"
    )
    project = Project(tmp_path)
    monkeypatch.chdir(tmp_path)
    locks = []
    for text in (spec, spec.replace(old, new)):
        project.write("specs/concat.yaml", text)
        assert project.generate().code == 0
        locks.append((project.client / "difygen.lock").read_text("utf-8").splitlines())
    changed = [line[0] + line[1:].strip() for line in ndiff(*locks) if line[0] in "+-"]
    assert [line for line in changed if not re.search(r'concat\.py"|_hash"', line)] == lines
