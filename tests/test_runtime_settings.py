"""Where the settings of a call come from, and what is said when one is missing or malformed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import runtime
from hypothesis import given
from hypothesis import strategies as st
from runtime._settings import Secret, check_api_key, normalize_base_url, origin_of
from support.concat_client import AsyncConcatClient, ConcatClient
from support.fault_events import NORMAL, blocking
from support.servers import RUN, Server, as_json, by_mode, stream

KEY = "app-SecretThatMustNotLeak"
WORKING = {RUN: by_mode(streaming=stream(NORMAL), blocking=as_json(blocking()))}
VARIABLES = ("DIFY_BASE_URL", "DIFY_API_KEY", "DIFY_CONCAT_API_KEY", "DIFY_USER")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def run_sync(**options: Any) -> None:
    user = options.pop("call_user", None)
    with ConcatClient(**options) as client:
        client.run(user=user)


def run_async(**options: Any) -> None:
    user = options.pop("call_user", None)

    async def call() -> None:
        async with AsyncConcatClient(**options) as client:
            await client.run(user=user)

    asyncio.run(call())


both = pytest.mark.parametrize("run", [run_sync, run_async])
Call = Callable[..., None]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://api.dify.ai/v1", "https://api.dify.ai/v1"),
        ("https://api.dify.ai", "https://api.dify.ai/v1"),
        ("https://api.dify.ai/", "https://api.dify.ai/v1"),
        ("https://api.dify.ai/v1/", "https://api.dify.ai/v1"),
        ("https://api.dify.ai//v1//", "https://api.dify.ai/v1"),
        ("  http://10.0.0.1:5001\n", "http://10.0.0.1:5001/v1"),
        ("HTTP://Dify.Example.COM:8080/v1", "http://dify.example.com:8080/v1"),
        ("http://[::1]:5001", "http://[::1]:5001/v1"),
        ("https://host/dify", "https://host/dify/v1"),
        ("https://host/Dify/v1/", "https://host/Dify/v1"),
        ("https://host/v1/workflows/run", "https://host/v1"),
        ("https://host/dify/v1/files/upload", "https://host/dify/v1"),
        ("https://host/workflows/run", "https://host/v1"),
        ("https://host/dify/workflows/run/", "https://host/dify/v1"),
        ("https://host/chat-messages", "https://host/v1"),
        ("https://host/v1/chat-messages/{task_id}/stop", "https://host/v1"),
        ("https://host/v1/workflows/run/{workflow_run_id}", "https://host/v1"),
        ("https://host/v1/conversations/3/variables/4", "https://host/v1"),
        ("https://host/v1/info", "https://host/v1"),
        ("https://host/v1/files", "https://host/v1"),
        ("https://host/files/dify", "https://host/files/dify/v1"),
        ("https://host/info/dify/", "https://host/info/dify/v1"),
        ("https://host/workflows/dify", "https://host/workflows/dify/v1"),
        ("https://host/v1/dify/v1", "https://host/v1/dify/v1"),
        ("https://host/v1/dify/v1/workflows/run", "https://host/v1/dify/v1"),
        ("https://host/apps/dify/v1", "https://host/apps/dify/v1"),
        ("https://host/site/v1", "https://host/site/v1"),
    ],
)
def test_base_urls_that_mean_the_same(given: str, url: str) -> None:
    assert normalize_base_url(given) == url


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("api.dify.ai/v1", "https://api.dify.ai/v1"),
        ("localhost:5001", "no scheme"),
        ("ftp://host", "neither http:// nor https://"),
        ("http://", "no host"),
        ("http:///v1", "no host"),
        ("http://host:port/v1", "ort"),
        ("http://host:99999/v1", "ort"),
        ("http://ho st/v1", "blank"),
        ("http://host/v1?key=1", "query"),
        ("http://host/v1#x", "fragment"),
        ("https://cloud.dify.ai/app/1234/workflow", "https://api.dify.ai/v1"),
        ("https://host/app/1234/develop", "web UI"),
        ("https://host/console/api", "web UI"),
        ("https://host/chat/AbCdEfGhIjKlMnOp", "web UI"),
        ("https://host/apps/dify", "write https://host/apps/dify/v1"),
        ("https://host/site", "Write https://host/v1, or https://host/site/v1"),
        ("https://host/dify/conversations/7", "Write https://host/dify/v1, or https://host/dify/conversations/7/v1"),
        ("https://host/v1/dify", "write https://host/v1, or https://host/v1/dify/v1"),
        ("https://host/v1/workflows/run/a/b", "is no endpoint of Dify's"),
        ('"https://host/v1"', "quotes around it"),
        ("'https://host/v1", "quotes around it"),
        ("“https://host/v1”", "quotes around it"),
        ("${DIFY_BASE_URL}", "placeholder"),
        ("https://{{ host }}/v1", "placeholder"),
        ("%DIFY_BASE_URL%", "placeholder"),
    ],
)
def test_base_urls_that_cannot_be_meant(given: str, says: str) -> None:
    with pytest.raises(runtime.ConfigurationError, match="base URL") as caught:
        normalize_base_url(given)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "given", ["https://me:hunter2@host/v1", "me:hunter2@host/v1", "'https://me:hunter2@host/v1'", "//hunter2@host"]
)
def test_a_password_in_the_base_url_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(runtime.ConfigurationError, match="leave them out") as caught:
        normalize_base_url(given)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("given", [KEY, f'"{KEY}"', f"Bearer {KEY}", f"ftp://host?key={KEY}", f"http://host?k={KEY}"])
def test_a_key_in_the_base_url_is_not_shown(given: str) -> None:
    with pytest.raises(runtime.ConfigurationError, match="Cannot use the base URL") as caught:
        normalize_base_url(given)
    assert KEY not in str(caught.value)


def test_hosts_may_be_called_like_keys() -> None:
    assert normalize_base_url("http://app-dify:5001") == "http://app-dify:5001/v1"
    with pytest.raises(runtime.ConfigurationError, match="no scheme"):
        normalize_base_url("app-dify.example.com/v1")


ENDPOINTS = ["workflows", "workflow", "files", "chat-messages", "info", "site", "messages", "conversations"]
SEGMENTS = st.sampled_from([*ENDPOINTS, "v1", "dify", "api", "v2", "run", "upload", "stop", "apps", "chat", "x"])


@given(st.lists(SEGMENTS, max_size=6), st.booleans())
def test_a_path_is_kept_or_loses_a_whole_endpoint_or_is_refused(segments: list[str], with_slash: bool) -> None:
    """The key goes to a prefix of what was given, and what is cut is an endpoint; ending in /v1 is never ambiguous."""
    path = "".join(f"/{segment}" for segment in segments)
    url = f"https://host{path}{'/' * with_slash}"
    try:
        used = normalize_base_url(url).removeprefix("https://host").removesuffix("/v1")
    except runtime.ConfigurationError:
        assert segments[-1] != "v1"
        for unambiguous in (f"{url.rstrip('/')}/v1", f"{url.rstrip('/')}/v1/"):
            assert normalize_base_url(unambiguous) == f"https://host{path}/v1"
        return
    assert path.startswith(used)
    cut = path.removeprefix(used).removeprefix("/v1").strip("/")
    assert cut == "" or cut.partition("/")[0] in ENDPOINTS


@pytest.mark.parametrize("given", [KEY, f"  {KEY}\n", f"Bearer {KEY}", f"bearer  {KEY} "])
def test_keys_are_taken_without_what_stands_around_them(given: str) -> None:
    assert check_api_key(Secret(given)).reveal() == KEY


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("app-a b", "copy it again"),
        ("app-a\nX-Evil: 1", "copy it again"),
        ("app-é", "copy it again"),
        ("app-\u200bx", "copy it again"),
        ("app-\x00", "copy it again"),
        ("dataset-abcdef", "knowledge base"),
        ('"app-abcdef"', "quotes or brackets around the key"),
        ("'app-abcdef'\n", "quotes or brackets around the key"),
        ("<app-abcdef>", "quotes or brackets around the key"),
        ("{app-abcdef}", "quotes or brackets around the key"),
        ("Bearer 'app-abcdef'", "quotes or brackets around the key"),
        ('app-abcdef"', "quotes or brackets around the key"),
        ("“app-abcdef”", "quotes or brackets around the key"),
        ("${DIFY_API_KEY}", "placeholder"),
        ("$DIFY_API_KEY", "placeholder"),
        ("{{ secrets.KEY }}", "placeholder"),
        ("https://api.dify.ai/v1", "swapped"),
    ],
)
def test_keys_that_cannot_be_one(given: str, says: str) -> None:
    with pytest.raises(runtime.ConfigurationError, match=says) as caught:
        check_api_key(Secret(given))
    assert not given.strip() or given.strip() not in str(caught.value)


def test_origins_are_compared_with_their_ports() -> None:
    assert origin_of("https://host/v1") == origin_of("https://HOST:443/other")
    assert origin_of("http://host/v1") != origin_of("https://host/v1")
    assert origin_of("http://host:80") != origin_of("http://host:5001")
    assert origin_of("http://[::1]:5001/v1") == "http://[::1]:5001"


@both
def test_missing_settings_are_named_when_a_call_needs_them(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(runtime.ConfigurationError, match="DIFY_BASE_URL"):
        run(call_user="u")
    monkeypatch.setenv("DIFY_BASE_URL", "http://127.0.0.1:1")
    with pytest.raises(runtime.ConfigurationError, match="DIFY_CONCAT_API_KEY or DIFY_API_KEY"):
        run(call_user="u")
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with pytest.raises(runtime.ConfigurationError, match="DIFY_USER"):
        run()


@both
def test_a_setting_that_cannot_be_used_is_named(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(WORKING) as server:
        monkeypatch.setenv("DIFY_BASE_URL", f'"{server.url}"')
        monkeypatch.setenv("DIFY_CONCAT_API_KEY", "'app-x'")
        with pytest.raises(runtime.ConfigurationError, match=r"base URL of DIFY_BASE_URL .* it has quotes around it"):
            run(call_user="u")
        monkeypatch.setenv("DIFY_BASE_URL", server.url)
        with pytest.raises(runtime.ConfigurationError, match=r"The API key in DIFY_CONCAT_API_KEY holds quotes"):
            run(call_user="u")
    assert server.requests == []


@both
def test_the_environment_is_read_at_the_time_of_a_call(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(WORKING) as server:
        monkeypatch.setenv("DIFY_BASE_URL", server.origin)
        monkeypatch.setenv("DIFY_API_KEY", "app-general")
        monkeypatch.setenv("DIFY_USER", "木乐乐")
        run()
        monkeypatch.setenv("DIFY_CONCAT_API_KEY", "app-special")
        run()
        monkeypatch.setenv("DIFY_CONCAT_API_KEY", "")
        run(user="client's own")
        run(api_key=KEY, user="client's own", call_user="call's own")
    sent = [(request.headers["authorization"], request.json["user"]) for request in server.requests]
    assert sent == [
        ("Bearer app-general", "木乐乐"),
        ("Bearer app-special", "木乐乐"),
        ("Bearer app-general", "client's own"),
        (f"Bearer {KEY}", "call's own"),
    ]


@pytest.mark.parametrize("user", ["", "x" * 256, "\ud800", 5])
def test_users_that_the_server_refuses_or_breaks_on(user: Any) -> None:
    with pytest.raises(runtime.ConfigurationError, match="user"):
        run_sync(base_url="http://127.0.0.1:1", api_key=KEY, call_user=user)


@pytest.mark.parametrize("name", ["timeout", "idle_timeout"])
@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), None, "5"])
def test_timeouts_that_are_none(name: str, seconds: Any) -> None:
    with pytest.raises(runtime.ConfigurationError, match=name):
        ConcatClient(**{name: seconds})


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("max_retries", -1),
        ("max_retries", None),
        ("max_reconnects", -1),
        ("max_concurrency", 0),
        ("max_concurrency", "2"),
    ],
)
def test_limits_that_are_none(name: str, number: Any) -> None:
    with pytest.raises(runtime.ConfigurationError, match=name):
        ConcatClient(**{name: number})


def test_clients_of_the_other_kind_are_refused() -> None:
    with pytest.raises(runtime.ConfigurationError, match=r"httpx\.Client, not object"):
        ConcatClient(http_client=object())  # type: ignore[arg-type]
    with pytest.raises(runtime.ConfigurationError, match=r"httpx\.AsyncClient"):
        AsyncConcatClient(http_client="x")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["base_url", "api_key"])
def test_settings_that_are_no_text(name: str) -> None:
    settings: dict[str, Any] = {"base_url": "http://127.0.0.1:1", "api_key": KEY, name: 5}
    with pytest.raises(runtime.ConfigurationError, match=f"{name} must be a str, not int"):
        ConcatClient(**settings).run()


def test_ids_that_are_no_text() -> None:
    unknown: Any = 5
    client = ConcatClient(base_url="http://127.0.0.1:1", api_key=KEY, user="u")
    for call in (client.get_run, client.stop, client.get_form, lambda run: list(client.resume(run))):
        with pytest.raises(runtime.ConfigurationError, match="5 is no id|not 5"):
            call(unknown)


@pytest.mark.parametrize("value", [object(), float("nan"), {1: object()}, "\ud800"])
def test_answers_to_forms_that_are_no_json(value: object) -> None:
    client = ConcatClient(base_url="http://127.0.0.1:1", api_key=KEY, user="u")
    field = {"type": "of the future", "output_variable_name": "a"}
    form = runtime.Form({"form_token": "token", "actions": [{"id": "ok"}], "inputs": [field]})
    with pytest.raises(runtime.ConfigurationError, match="JSON"):
        client.submit_form(form, action="ok", inputs={"a": value})


def test_a_timeout_of_a_million_years_is_none() -> None:
    with Server({RUN: as_json(blocking())}) as server:
        options: dict[str, Any] = {"timeout": 3e13, "idle_timeout": 3e13, "max_concurrency": 1}
        with ConcatClient(base_url=server.url, api_key=KEY, **options) as client:
            assert client.run().succeeded


def test_nothing_is_read_or_opened_before_the_first_call() -> None:
    client = ConcatClient(base_url="not a url", api_key="not a key")
    assert "not a key" not in repr(client)
    client.close()


@pytest.mark.parametrize("trace_id", ["", "with blank", "x" * 129, "a/b", 5])
def test_trace_ids_that_the_server_would_ignore(trace_id: Any) -> None:
    from support.concat_client import ConcatInputs

    client = ConcatClient(base_url="http://127.0.0.1:1", api_key=KEY, user="u")
    with pytest.raises(runtime.ConfigurationError, match="trace_id"):
        client.run_inputs(ConcatInputs(string="a", num=1, list="list_a"), trace_id=trace_id)
