"""What counts as a secret in a definition: it reaches no generated file, wherever a default would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from difygen.model import JsonValue
from difygen.parser.secrets import looks_like_secret
from hypothesis import given
from hypothesis import strategies as st
from support.dsl_files import chain, end, start, variable
from support.projects import difygen

SECRETS: list[JsonValue] = [
    "sk-" + "abcdefghijklmnop",
    "app-" + "AbCdEfGhIjKlMnOpQrStUvWx",
    "ghp_" + "0123456789abcdefghijklmnopqrstuvwxyz",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "Bearer abcdefgh1234",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
    "5f4dcc3b5aa765d61d8327deb882cf99",
    "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    "https://ada:lovelace@example.com/feed",
    "postgresql://ada:lovelace@db:5432/app",
    "https://example.com/hook?access_token=abcd1234",
    "https://example.blob.core.windows.net/a?sv=2020&sig=abcd1234",
    "Server=db;User=ada;Password=lovelace;",
    "Call it with api_key=abcdefgh and nothing else",
    {"headers": {"Authorization": "x1"}},
    ["harmless", {"clientSecret": "x1"}],
]
HARMLESS: list[JsonValue] = [
    "",
    " ",
    "ITSO",
    "a",
    "sk-learn",
    "app-store",
    "gpt-4o-mini-2024-07-18",
    "Qwen2.5-72B-Instruct-Turbo-128K",
    "Summarise the text in three sentences. Use 5 bullet points at most.",
    "2026-11-26T16:50:00+00:00",
    "https://example.com/a/long/path?page=2&lang=de#top",
    "ada@example.com",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "/home/ada/reports/2026/quarter3/Summary.pdf",
    "客户服务部门",
    4096,
    0.5,
    True,
    None,
    {"lang": "de", "max_tokens": 4096},
]
NAMES = ["password", "dbPassword", "API_KEY", "api-key", "apiKey", "access token", "client_secret", "密码", "API Token"]
OTHER_NAMES = ["keyword", "primary_key", "department", "tokenizer", "secretary", "passage", "monkey", "key"]


@pytest.mark.parametrize("value", SECRETS, ids=repr)
def test_secrets_are_known_by_their_form(value: JsonValue) -> None:
    assert looks_like_secret(value)


@pytest.mark.parametrize("value", HARMLESS, ids=repr)
def test_other_values_are_none(value: JsonValue) -> None:
    assert not looks_like_secret(value)


@pytest.mark.parametrize("name", NAMES)
def test_secrets_are_known_by_what_they_are_called(name: str) -> None:
    assert looks_like_secret("hunter2", name)
    assert looks_like_secret("hunter2", "v", name)
    assert looks_like_secret({name: "hunter2"})
    assert not looks_like_secret("The one that you were given by mail", name)
    assert not looks_like_secret(7, name) and not looks_like_secret("", name)


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names_say_nothing(name: str) -> None:
    assert not looks_like_secret("hunter2", name)


def test_a_number_of_tokens_is_none() -> None:
    assert not looks_like_secret("4096", "token_limit") and looks_like_secret("4096", "pin token")


@given(st.text() | st.from_regex(r"[a-z]+://\S*", fullmatch=True), st.text())
def test_any_text_gets_an_answer(value: str, name: str) -> None:
    assert looks_like_secret(value, name) in (True, False)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("secret", [each for each in SECRETS if isinstance(each, str)])
def test_no_generated_file_holds_a_default_that_is_a_secret(
    secret: str, required: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given_ = variable("v", "paragraph", required=required, default=secret)
    definition = json.dumps(chain(start(given_), end(out=["start", "v"])))
    (tmp_path / "app.json").write_text(definition, "utf-8")
    ran = difygen("app.json", "-o", "client")
    assert ran.code == 0 and secret not in ran.out + ran.err
    assert all(secret not in path.read_text("utf-8") for path in (tmp_path / "client").glob("*.*"))
