"""Errors: which answer becomes which, what they say to do, when a request is repeated, and that they travel."""

import copy
import inspect
import json
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
import runtime
from runtime import _errors
from runtime._answers import Answer, error_of, json_object
from runtime._http import Call
from runtime._protocol import MAX_BACKOFF, backoff, retry_delay
from support.fault_events import RUN_ID, TASK_ID

CALL = Call("POST", "http://host/v1/workflows/run", shown="/v1/workflows/run")
DIFY = {"x-version": "1.12.1", "content-type": "application/json"}


def failed_run() -> runtime.Run[Any]:
    return runtime.Run(outputs=None, misfit="none", status="failed", workflow_run_id=RUN_ID, task_id=TASK_ID)


def examples() -> list[runtime.DifyError]:
    """One of each class."""
    found: list[runtime.DifyError] = []
    for kind in vars(_errors).values():
        if not (inspect.isclass(kind) and issubclass(kind, runtime.DifyError)):
            continue
        if issubclass(kind, runtime.APIError):
            found.append(kind("said", code="a_code", status=418, hint="do this", workflow_run_id=RUN_ID))
        elif issubclass(kind, runtime.RunError):
            found.append(kind("said", run=failed_run()))
        elif issubclass(kind, runtime.OutputsError):
            found.append(kind("said", outputs={"a": 1}, run=failed_run()))
        elif issubclass(kind, runtime.StreamDecodeError):
            found.append(kind("said", data=b"{", task_id=TASK_ID))
        else:
            found.append(kind("said"))
    return found


@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
def test_every_error_pickles_and_copies(error: runtime.DifyError) -> None:
    assert type(error).__name__ in runtime.__all__
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(copied) is type(error)
        assert str(copied) == str(error)
        assert "said" in str(copied)
        assert vars(copied) == vars(error)
        assert isinstance(copied, runtime.DifyError)


def test_timeouts_are_timeout_errors_and_settings_value_errors() -> None:
    assert issubclass(runtime.DifyTimeoutError, TimeoutError)
    assert issubclass(runtime.ConnectTimeoutError, runtime.ConnectionFailedError)
    assert issubclass(runtime.ConnectTimeoutError, TimeoutError)
    assert issubclass(runtime.IdleTimeoutError, runtime.StreamInterruptedError)
    assert issubclass(runtime.ConfigurationError, ValueError)


def test_the_docstring_of_the_module_draws_every_error() -> None:
    for error in examples():
        if not isinstance(error, runtime.APIError):
            assert type(error).__name__ in (_errors.__doc__ or "")


def answer(body: object, status: int = 400, headers: Mapping[str, str] | None = None) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {**DIFY, **(headers or {})}, data)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("invalid_param", 400, runtime.InvalidParamError),
        ("bad_request", 400, runtime.BadRequestError),
        ("app_unavailable", 400, runtime.AppUnavailableError),
        ("not_workflow_app", 400, runtime.NotWorkflowAppError),
        ("provider_quota_exceeded", 400, runtime.ProviderError),
        ("completion_request_error", 400, runtime.ProviderError),
        ("invalid_form_data", 400, runtime.BadRequestError),
        ("unauthorized", 401, runtime.AuthenticationError),
        ("workflow_version_execution_not_allowed", 403, runtime.PermissionDeniedError),
        ("not_found", 404, runtime.NotFoundError),
        ("human_input_form_expired", 412, runtime.FormClosedError),
        ("file_too_large", 413, runtime.FileTooLargeError),
        ("unsupported_file_type", 415, runtime.UnsupportedFileTypeError),
        ("too_many_requests", 429, runtime.TooManyRequestsError),
        ("rate_limit_error", 429, runtime.RateLimitError),
        ("a_code_of_tomorrow", 429, runtime.TooManyRequestsError),
        ("a_code_of_tomorrow", 418, runtime.APIError),
        ("internal_server_error", 500, runtime.ServerError),
        ("unknown", 507, runtime.ServerError),
    ],
)
def test_errors_go_by_code_and_then_by_status(code: str, status: int, kind: type[runtime.APIError]) -> None:
    error = error_of(answer({"code": code, "message": "text", "status": status}, status), CALL)
    assert type(error) is kind
    assert (error.code, error.status, error.message, error.server_version) == (code, status, "text", "1.12.1")


def test_an_error_says_all_that_is_known() -> None:
    body = {"code": "invalid_param", "message": "x is required in input form", "status": 400, "params": "inputs"}
    error = error_of(answer(body, headers={"x-trace-id": "t-1", "retry-after": "7"}), CALL)
    assert (error.params, error.request_id, error.retry_after) == ("inputs", "t-1", 7.0)
    assert str(error) == (
        "x is required in input form (HTTP 400, invalid_param, POST /v1/workflows/run, Dify 1.12.1, request t-1)\n"
        "Hint: If the workflow was changed, generate the client again from its new definition. "
        "Or is this the key of another app?"
    )


@pytest.mark.parametrize(
    ("given", "status", "headers", "says"),
    [
        ({"code": "invalid_param", "message": "Workflow not published"}, 400, {}, "publish the workflow"),
        ({"code": "unauthorized", "message": "Access token is invalid"}, 401, {}, "starts with app-"),
        ({"code": "forbidden", "message": "The app's API service has been disabled."}, 403, {}, "Switch the app's"),
        (
            {"code": "not_workflow_app", "message": "Please check if your app mode matches the right API route."},
            400,
            {},
            "another mode",
        ),
        ({"code": "invalid_param", "message": "x in input form must be less than 48 characters"}, 400, {}, "generate"),
        ({"code": "invalid_param", "message": "Too many requests. Please"}, 400, {}, "max_concurrency="),
        ({"code": "invalid_param", "message": "Invalid upload file"}, 400, {}, "same user="),
        (b"<html>413</html>", 413, {}, "client_max_body_size"),
        (b"<html>504</html>", 504, {}, 'response_mode="streaming"'),
        (b"error code: 524", 524, {}, 'response_mode="streaming"'),
        (b"<!doctype html>", 404, {"x-version": "1.12.1"}, "release may be too old"),
    ],
)
def test_hints(given: Any, status: int, headers: dict[str, str], says: str) -> None:
    assert says in str(error_of(answer(given, status, headers), CALL))


@pytest.mark.parametrize("status", [200, 301, 404, 405, 501])
@pytest.mark.parametrize("body", [b"<html><title>nginx</title></html>", b"", b"[]", b"\xff\xfe", b'"text"'])
def test_answers_that_are_not_difys_say_what_to_check(status: int, body: bytes) -> None:
    error = error_of(Answer(status, {"content-type": "text/html"}, body), CALL)
    assert str(status) in str(error)
    assert error.hint
    assert error.code is None
    if status in (404, 405):
        assert isinstance(error, runtime.UnexpectedResponseError)
        assert "5001" in error.hint
        assert "/v1" in error.hint


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"data: {}"])
def test_a_good_answer_of_another_shape_is_not_taken_for_a_missing_endpoint(body: bytes) -> None:
    with pytest.raises(runtime.UnexpectedResponseError) as caught:
        json_object(Answer(200, {"x-version": "1.12.1"}, body), Call("GET", "http://host/v1/info", shown="/v1/info"))
    assert "no such endpoint" not in str(caught.value)
    assert str(caught.value).count("HTTP 200") == 1


def test_a_redirect_says_where_to_but_not_with_what() -> None:
    headers = {"location": "https://me:pw@other.example:8443/v1/workflows/run?token=secret"}
    error = error_of(Answer(308, headers, b""), CALL)
    assert "redirects to https://other.example:8443/v1/workflows/run" in str(error)
    assert "secret" not in str(error)
    assert "pw" not in str(error)


CONNECTION = runtime.ConnectionFailedError("refused")
CERTIFICATE = runtime.ConnectionFailedError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
CERTIFICATE.may_pass = False
TOO_MANY = runtime.TooManyRequestsError("Too many requests", status=400)


@pytest.mark.parametrize(
    ("error", "run", "read"),
    [
        (CONNECTION, True, True),
        (runtime.ConnectTimeoutError("slow"), True, True),
        (TOO_MANY, True, True),
        (runtime.TooManyRequestsError("Too many requests", status=500), False, True),
        (CERTIFICATE, False, False),
        (runtime.ProxyError("502 of a tunnel", status=502), True, True),
        (runtime.ConnectionLostError("reset"), False, True),
        (runtime.IdleTimeoutError("silent"), False, True),
        (runtime.ServerError("502", status=502), False, True),
        (runtime.DeadlineExceededError("late"), False, False),
        (runtime.RateLimitError("quota", status=429), False, False),
        (runtime.InvalidParamError("bad", status=400), False, False),
        (runtime.UnexpectedResponseError("page", status=404), False, False),
    ],
)
def test_what_may_be_repeated(error: runtime.DifyError, run: bool, read: bool) -> None:
    """A request that starts a run: only if it surely started none. One that reads: if it may go better."""
    assert (retry_delay(error, 0, 2, repeatable=False) is not None) == run
    assert (retry_delay(error, 0, 2, repeatable=True) is not None) == read
    assert retry_delay(error, 2, 2, repeatable=True) is None
    assert retry_delay(error, 0, 0, repeatable=True) is None


def test_waits_grow_to_a_limit_and_differ() -> None:
    assert 0.25 <= backoff(0) <= 0.5
    assert all(MAX_BACKOFF / 2 <= backoff(attempt) <= MAX_BACKOFF for attempt in range(4, 40))
    assert len({backoff(3) for _ in range(20)}) > 10


def test_the_server_may_ask_to_wait_longer() -> None:
    asked = runtime.TooManyRequestsError("Too many requests", retry_after=20.0)
    greedy = runtime.TooManyRequestsError("Too many requests", retry_after=86_000.0)
    assert retry_delay(asked, 0, 2, repeatable=False) == 20.0
    assert retry_delay(greedy, 0, 2, repeatable=False) == 60.0
    overloaded = runtime.ServerError("Overloaded", status=503, retry_after=20.0)
    assert retry_delay(overloaded, 0, 2, repeatable=True) == 20.0
