"""Requests that were recorded against workflows of newer servers, sent to a mock of the same release.

What may differ stands in a table of docs/mock.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import httpx
from difygen.servers.releases import Release
from difygen.testing import mock_dify

from support import CHAT_LAB
from support.mock_chat_player import NOBODY, ChatPlayer, chat_difference, makers, say
from support.mock_player import COMPUTED, FAULTS, KEY_NAMES, SOURCES, events_of, recorded_outputs, table, told
from support.processes import eventually
from support.replay import Recording, cases, recording

FOLDER = "recordings_new"
RELEASES = {"v1_14": Release((1, 14, 2)), "dev2606": Release((1, 15, 0))}
"""Which release the mock is for the recordings of a server; the commit of June 2026 became 1.15."""
APPS = SOURCES + [CHAT_LAB / f"{name}.yml" for name in ("chat_basic", "chat_failing", "chat_lab", "hitl_webapp")]
TEXT = ("a.txt", b"hello\n", "text/plain")
MORE_FAULTS = {
    "chat_failing_*": "failed",
    "retry_*": "failed",
    "*_stop_slow": "slow=30",
    "*_ping_slow": "slow=0.25",
    "*reattach_*_left": "slow=2@code2",
}
BEFORE = {
    "v1_14_logs_concat_*": ["v1_14_concat_blocking"] * 2,
    "v1_14_logs_partial": ["v1_14_partial_blocking"] * 2,
    "*_stop_slow_*": ["stop_slow"],
    "*_detail_resumed": ["form_post"],
    "*_events_resumed": ["form_post"],
    "*_events_finished": ["form_post"],
    "*_form_get_after": ["form_post"],
    "*_form_post_again": ["form_post"],
    "*_form_post": ["form_post"],
    "v1_14_webapp_approve_events_paused": ["form_post"],
    "v1_14_webapp_reject_events_paused": ["form_post"],
}
"""What has to have happened, beside what made the things that a request names."""


DEVIATIONS = table("What differs on purpose on newer releases")
LEFT_OUT = table("Recordings of newer releases that are not replayed")


def replayed() -> list[str]:
    return [case for case in cases("*", FOLDER) if not told(LEFT_OUT, case)]


class NewPlayer(ChatPlayer):
    """A mock server of one release, and what the things are called here that the recordings name."""

    def __init__(self, dify: Any) -> None:
        self.client = httpx.Client(base_url=dify.base_url.removesuffix("/v1"), timeout=60, trust_env=False)
        self.names: dict[str, str] = {}
        self.answers: dict[str, httpx.Response] = {}

    def story(self, case: str) -> httpx.Response:
        self.names, self.answers = {}, {}
        for pattern, earlier in BEFORE.items():
            for other in earlier if fnmatchcase(case, pattern) else ():
                server = case.partition("_")[0] if case.startswith("dev") else "v1_14"
                name = other if other.startswith(server) else f"{server}_{other}"
                if other == "form_post":
                    name = f"{re.sub('_(detail|events|form).*', '', case)}_form_post"
                    wrong = f"{name}_wrong_type"  # what was posted first, where it was
                    name = wrong if wrong in cases("*", FOLDER) else name
                if name != case and name in cases("*", FOLDER):
                    self._play_once(name, again=True)
        return self._play_once(case, again=True)

    def _ask(self, token: str) -> None:
        if token == "nonexistent" or token in self.names:
            return
        asking = [case for case in cases("*", FOLDER) if f'"{token}"'.encode() in recording(case).body]
        paused = [case for case in asking if recording(case).request["path"].endswith("/run")]
        asked = events_of(self._play_once(paused[0] if paused else "v1_14_webapp_approve").content)
        if not paused:
            self.names[token] = asked[-1]["data"]["reasons"][0]["form_token"]

    def _provide(self, id_: str, case: str) -> None:
        if id_ in self.names or id_ == NOBODY:
            return
        maker = makers(FOLDER).get(id_, (0.0, ""))[1]
        if maker and maker != case and not maker.endswith("upload"):
            self._play_once(maker)
        elif id_ not in self.names:
            user = {"v1_14_files_other_users_file": "u2", "v1_14_files_uploaded_without_user": ""}.get(case, "u1")
            answer = self.client.post(
                "/v1/files/upload", headers=self._key("files"), files={"file": TEXT}, data={"user": user}
            )
            self.names[id_] = answer.json()["id"]

    def _send(self, case: str, recorded: Recording) -> httpx.Response:
        asked = recorded.request
        short = re.sub("^(v1_14|dev2606)_", "", case)
        key = "app-wrong" if "bad_key" in case else f"app-{KEY_NAMES.get(asked['app'], asked['app'])}"
        headers = {k: v for k, v in asked["headers"].items() if k not in ("Host", "Content-Length", "Accept-Encoding")}
        headers |= {"Authorization": f"Bearer {key}"} if "Authorization" in headers else {}
        for pattern, fault in {**FAULTS, **MORE_FAULTS}.items():
            if fnmatchcase(short, pattern) or fnmatchcase(case, pattern):
                headers["X-Mock-Fault"] = fault
        OUTPUTS[str(asked["app"])] = recorded_outputs(recorded) if asked["app"] in COMPUTED else NotImplemented
        body = asked.get("body_preview") or (json.dumps(asked["json"]) if "json" in asked else None)
        content = self._renamed(body).encode() if body is not None else None
        request = self.client.build_request(
            asked["method"], self._renamed(asked["path"]), headers=headers, content=content
        )
        if "/workflows/run/" in asked["path"]:
            self._wait(request, [word for word in (b'"running"', b'"paused"') if word not in recorded.body])
        ended = ("_events_finished", "_events_resumed", "_webapp_approve_events_paused", "_webapp_reject_events_paused")
        if case.endswith(ended) and "pause_" not in case:
            detail = f"/v1/workflows/run/{self._renamed(asked['path']).split('/')[3]}"
            self._wait(self.client.build_request("GET", detail, headers=headers), [b'"running"', b'"paused"'])
        acts = case.endswith(("_stop_slow", "_left", "_resume_approve_events"))
        if "no end" in asked.get("ended", ""):
            return self._watch(request)
        return self._act(case, recorded, request) if acts else self.client.send(request)

    def _wait(self, request: httpx.Request, words: list[bytes]) -> None:
        """Wait until a run that is asked for is in none of these states any more."""

        def is_so() -> bool:
            answer = self.client.send(request).content
            return not any(word in answer for word in words)

        assert eventually(is_so, 30)

    def _watch(self, request: httpx.Request) -> httpx.Response:
        """Read a stream that has no end, until nothing but pings comes."""
        response, read = self.client.send(request, stream=True), b""
        for chunk in response.iter_raw():
            read += chunk
            if read.count(b"event: ping") > 3:
                break
        response.close()
        return httpx.Response(response.status_code, headers=response.headers, content=read)

    def _act(self, case: str, recorded: Recording, request: httpx.Request) -> httpx.Response:
        """Read a stream as far as it was read then; stop the run, leave it, or answer its form."""
        response = self.client.send(request, stream=True)
        wanted = [event for event in recorded.events if event["event"] != "workflow_finished"]
        read, acted = b"", False
        for chunk in response.iter_raw():
            read += chunk
            is_paused = case.endswith("_events") and b'"workflow_paused"' in read
            if acted or not (is_paused or len(events_of(read)) >= len(wanted)):
                continue
            acted = True
            if case.endswith("_left"):
                break
            then = f"{case}_stop" if case.endswith("slow") else "v1_14_resume_approve_form_post"
            self._pair(recorded.events[0], events_of(read)[0])
            self._play_once(then)
        response.close()
        return httpx.Response(response.status_code, headers=response.headers, content=read)


OUTPUTS: dict[str, Any] = {}
"""What the code and the models of the recorded apps gave, by app."""


def give(inputs: Mapping[str, Any], name: str) -> Any:
    return say(inputs, name) if name.startswith("chat_") else OUTPUTS.get(name, NotImplemented)


@contextmanager
def new_player(server: str) -> Iterator[NewPlayer]:
    options: dict[str, Any] = {"handler": give, "ping_interval": 0.1, "silence": 0.3, "dify": str(RELEASES[server])}
    with mock_dify(*APPS, **options) as dify:
        player = NewPlayer(dify)
        with player.client:
            yield player


def new_difference(case: str, answer: httpx.Response) -> str:
    """How the mock's answer differs from the recorded one, or nothing; the commit of June 2026 has no number."""
    if case.startswith("dev2606"):
        answer.headers["x-version"] = "1.14.2"
    return chat_difference(case, answer)
