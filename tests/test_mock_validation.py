"""Every single-value probe of a real server's input rules, sent to the mock: the same answer, and the run gets the
same value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from difygen.mock.errors import ApiError
from difygen.mock.files import FileStore
from difygen.mock.validation import checked_inputs, json_body
from difygen.testing import MockDify, mock_dify
from support import LAB, TESTS

PROBES: list[dict[str, Any]] = json.loads((TESTS / "recordings" / "inputs-matrix.json").read_text("utf-8"))
REQUIRED = {"text_req": "t", "para_req": "p", "num_req": 1, "sel_req": "a", "chk_req": True}
NOT_ECHOED = "sel_req"
"""The recorded workflow put it nowhere."""

MADE_BY_CODE = ("is out of range", "is not a valid array", "exceeds 64-bit range")
"""Failures of the recorded workflow's code node and of its database: the mock runs no code and keeps no rows."""


@pytest.fixture(scope="module")
def dify() -> Iterator[MockDify]:
    with mock_dify(LAB / "kitchen_sink.yml") as dify:
        yield dify


@pytest.fixture(scope="module")
def client(dify: MockDify) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {dify.api_key}"}
    with httpx.Client(base_url=dify.base_url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def body_of(probe: dict[str, Any]) -> dict[str, Any]:
    inputs = {name: value for name, value in REQUIRED.items() if name != probe["var"]}
    if probe["sent"] != "(omitted)":
        inputs[probe["var"]] = probe["sent"]
    return {"inputs": inputs, "response_mode": "blocking", "user": "u"}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: f"{probe['var']}={probe['sent']!r}"[:40])
def test_the_mock_takes_and_refuses_what_the_server_did(
    probe: dict[str, Any], dify: MockDify, client: httpx.Client
) -> None:
    answer = client.post("/workflows/run", json=body_of(probe))
    assert answer.status_code == probe["status"], answer.text
    if answer.status_code != 200:
        assert (answer.json()["code"], answer.json()["message"]) == (probe["code"], probe["message"])
        return
    data = answer.json()["data"]
    if probe["error"] and any(words in probe["error"] for words in MADE_BY_CODE):
        assert data["status"] == "succeeded"
        return
    assert (data["status"], data["error"]) == (probe["run_status"], probe["error"])
    if "echoed" in probe and probe["var"] != NOT_ECHOED:
        value = dify.last_run.inputs[probe["var"]]
        assert (value, type(value)) == (probe["echoed"], type(probe["echoed"]))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{not json", 400),
        (b"", 400),
        (b'{"user": NaN}', 400),
        (b'{"user": "\\ud83d"}', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"[]", 500),
        (b"null", 500),
        (b'"text"', 500),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(ApiError) as refused:
        json_body("application/json", body)
    assert refused.value.status == status


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_of_another_type_is_refused(content_type: str) -> None:
    with pytest.raises(ApiError) as refused:
        json_body(content_type, b"{}")
    assert (refused.value.status, refused.value.code) == (415, "unsupported_media_type")


def test_integers_beyond_64_bits_arrive_as_floats() -> None:
    text = b'{"small": 9223372036854775807, "big": 100000000000000000000000}'
    values = json_body("application/json; charset=utf-8", text)
    assert [type(value) for value in values.values()] == [int, float]


@pytest.mark.parametrize("schema", ["not json", '{"type": 5}', '{"$ref": "http://127.0.0.1:1/schema"}', "", None])
def test_a_schema_that_cannot_be_used_is_not_held_against_the_value(schema: str | None) -> None:
    from difygen.mock.validation import schema_error

    variable = {"variable": "x", "type": "json_object", "json_schema": schema}
    assert schema_error((variable,), {"x": {"a": 1}}) is None


def test_the_first_variable_that_does_not_fit_is_the_one_that_is_named() -> None:
    variables = tuple({"variable": name, "type": "number", "required": True} for name in "ab")
    with pytest.raises(ApiError, match="a is required in input form"):
        checked_inputs(variables, {"b": "x"}, FileStore(), None)
