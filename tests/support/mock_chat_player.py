"""Recorded requests to chat-type apps, sent to a mock server instead, and the comparison of the two answers.

What may differ stands in the tables of docs/mock.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx
from difygen.diagnostics import Diagnostics
from difygen.mock.api import ServerOptions
from difygen.mock.definition import Definition, define
from difygen.mock.server import MockServer, keys_for
from difygen.parser.dsl import mode_of, read_contract, read_head
from difygen.parser.yaml import Document, load
from difygen.servers import listening_socket

from support import CHAT_LAB, LAB
from support.mock_player import UUID, event_shapes, events_of, headers_of, merged, shape, table
from support.replay import Recording, cases, recording

FOLDER = "recordings_chat"
NOBODY = "11111111-1111-4111-8111-111111111111"
PNG = ("red.png", b"\x89PNG\r\n\x1a\n" + bytes(65), "image/png")
DEVIATIONS = table("What differs on purpose in chat-type apps")

STAND_INS = {
    "23434c52-e42b-4b1a-af72-415c03a1b7ad": ("chat_basic_second_turn_blocking", "message_id"),
    "563c7795-0736-4e14-9c56-0b3a0a1ee1b8": ("chat_lab_streaming", "workflow_run_id"),
    "70ff03ad-0d8c-4078-9de7-a7b13b6b69dd": ("chat_lab_no_conversation_id", "conversation_id"),
    "113aa1d2-b0d9-4aa7-be93-d0cd5308df10": ("chat_basic_no_conversation_id", "conversation_id"),
    "02e18bbb-8cf1-4508-9769-b6806b079d43": ("agent_lab_streaming", "conversation_id"),
    "a839b28f-78f7-4425-8c60-90523c3b113f": ("chat_basic_with_image", "conversation_id"),
}
"""Things that no recording made, and what takes their place."""

BEFORE = {
    "chat_basic_conversations": ["chat_basic_streaming"],
    "chat_lab_conversations": ["chat_lab_streaming"],
    "chat_*_conversations_limit_1": ["chat_lab_streaming", "chat_lab_blocking"],
    "agent_lab_conversations": ["agent_lab_streaming", "agent_lab_tool_streaming", "agent_lab_streaming"],
    "chat_basic_conversations_last_id": ["chat_basic_blocking", "chat_basic_streaming"],
    "chat_basic_messages_first_id": ["chat_basic_streaming", "chat_basic_second_turn_blocking"],
    "chat_lab_messages_limit_1": ["chat_lab_streaming", "chat_lab_second_turn_streaming"],
    "chat_basic_messages_with_feedback": [
        "chat_basic_streaming",
        "chat_basic_second_turn_blocking",
        "chat_basic_feedback_like",
        "chat_basic_second_turn_blocking",
        "chat_basic_second_turn_blocking",
    ],
    "chat_lab_messages_with_feedback": [
        "chat_lab_streaming",
        "chat_lab_second_turn_streaming",
        "chat_lab_feedback_like",
    ],
    "agent_lab_messages": ["agent_lab_streaming", "agent_lab_feedback_like"],
    "chat_*_app_feedbacks": ["chat_basic_feedback_like2", "chat_lab_feedback_like2"],
    "chat_lab_feedback_None": ["chat_lab_feedback_like"],
    "chat_lab_deleted_conversation": ["chat_lab_blocking", "chat_lab_delete"],
    "chat_lab_messages_deleted": ["chat_lab_blocking", "chat_lab_delete"],
    "chat_basic_deleted_conversation": ["chat_basic_blocking", "chat_basic_delete"],
    "chat_plain_conversations_unicode_user": ["chat_plain_user_a"],
    "chat_lab_file_preview*": ["chat_lab_with_image_blocking"],
    "chat_hitl_approve_messages_after": ["chat_hitl_approve_streaming", "chat_hitl_approve_events"],
}
"""What has to have happened, beside what made the things that a request names."""

FAULTS = {
    "chat_failing_blocking": "failed",
    "chat_failing_streaming": "failed",
    "*_stopped": "slow=30",
    "chat_lab_stopped": "slow=30@llm1",
    "chat_lab_stopped_via_workflows": "slow=1@llm1",
    "chat_lab_left": "slow=30@llm1",
}

KEYS = {"auth_bad_key_chat": "app-wrong"}
APPS = sorted(path.stem for path in CHAT_LAB.glob("*.yml") if path.stem != "hitl_webapp")


def chat_definition(name: str, moderation: str = "") -> Definition:
    """The app of an export, whose kind need not have a client, with the moderation of another one."""
    path = CHAT_LAB / f"{name}.yml"
    document = load((path if path.exists() else LAB / f"{name}.yml").read_bytes(), path.name)
    assert isinstance(document, Document)
    report = Diagnostics(document)
    mode = mode_of(document.root, report)
    assert mode is not None
    app = read_contract(read_head(document.root, path.name, mode), document.root, report)
    assert app is not None
    definition = define(app, document, key_name=name, key_variable=f"DIFY_{name.upper()}_API_KEY")
    if not moderation:
        return definition
    key = "sensitive_word_avoidance"
    return replace(definition, features=definition.features | {key: chat_definition(moderation).features[key]})


@contextmanager
def chat_server(*names: str, moderation: str = "", **options: Any) -> Iterator[MockServer]:
    """A server of these apps, each with the key `app-NAME`."""
    definitions = [chat_definition(name, moderation) for name in names]
    keys = keys_for(definitions, {f"app-{name}": name for name in names})
    server = MockServer(keys, listening_socket("127.0.0.1", 0), ServerOptions(**options))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def say(inputs: Mapping[str, Any], name: str) -> Any:
    """What the recorded server's stand-in model said."""
    query = str(inputs.get("sys.query") or inputs.get("query") or "")
    if "[[error" in query:
        raise RuntimeError("the stand-in model was told to fail")
    text = f"Echo 1: Write for {inputs.get('name')}: {query} \n" if name == "completion_lab" else f"Echo 1: {query}"
    if "[[slow]]" in query:
        text = " ".join(f"slow{number}" for number in range(60))
    elif found := re.search(r"\[\[words (\d+)\]\]", query):
        text = " ".join(f"word{number}" for number in range(int(found[1])))
    elif found := re.search(r"\[\[hex ([0-9a-f]+)\]\]", query):
        text = (
            f"{bytes.fromhex(found[1]).decode()} and twelve more words that come after it in the same long answer here"
        )
    if found := re.search(r"\[\[tool (\w+) (\{.*\})\]\]", query):
        arguments, observed = json.loads(found[2]), 'Sunny in Oslo, 21 degrees.{"city": "Oslo", "degrees": 21}'
        if found[1] == "draw":
            observed = (
                "A picture of a fox.image has been created and sent to user already, you do not need to create it, "
            )
            observed += "just tell the user to check it now."
        use = {"tool": found[1], "tool_input": arguments, "observation": observed}
        files = ["fox.png"] if found[1] == "draw" else []
        return {"answer": f"The tool said: {observed}", "thoughts": [use | {"files": files}]}
    if name == "chat_files":
        return {"list1.text": [f"text {number}" for number, _ in enumerate(inputs["sys.files"])]}
    if name in ("chat_hitl", "chat_plain"):
        return NotImplemented
    if name == "chat_failing":
        return {"code1.result": query}
    return {"llm1.text": text} if name.startswith("chat_lab") else text


def replayed() -> list[str]:
    return cases("*", FOLDER)


@cache
def makers(folder: str = FOLDER) -> dict[str, tuple[float, str]]:
    """Which recording made the thing of an id, the first that tells of it, and when."""
    made: dict[str, tuple[float, str]] = {}
    for case in cases("*", folder):
        recorded = recording(case)
        if recorded.request["path"].endswith(("chat-messages", "completion-messages", "upload", "workflows/run")):
            moment = parsedate_to_datetime(re.findall(rb"Date: (.*?)\r", recorded.head + b"\r")[0].decode()).timestamp()
            for id_ in UUID.findall(recorded.body.decode("utf-8", "replace")):
                made[id_] = min(made.get(id_, (moment, case)), (moment, case))
    return made


class ChatPlayer:
    """The mock server, and what the things are called here that the recordings name."""

    def __init__(self, server: MockServer) -> None:
        self.client = httpx.Client(base_url=server.origin, timeout=60, trust_env=False)
        self.names: dict[str, str] = {}
        self.answers: dict[str, httpx.Response] = {}

    def story(self, case: str) -> httpx.Response:
        """The answer to a recorded request, after all that it builds upon has happened anew."""
        self.names, self.answers = {}, {}
        for pattern, earlier in BEFORE.items():
            for other in earlier if re.fullmatch(pattern.replace("*", ".*"), case) else ():
                if other.split("_")[1] == case.split("_")[1]:
                    self._play_once(other, again=True)
        return self._play_once(case, again=True)

    def _play_once(self, case: str, *, again: bool = False) -> httpx.Response:
        if case in self.answers and not again:
            return self.answers[case]
        recorded = recording(case)
        for id_ in dict.fromkeys(UUID.findall(recorded.request["path"] + json.dumps(recorded.request.get("json", {})))):
            self._provide(id_, case)
        if "/form/human_input/" in recorded.request["path"]:
            self._ask(recorded.request["path"].rpartition("/")[2])
        self.answers[case] = answer = self._send(case, recorded)
        self._learn(recorded, answer)
        return answer

    def _ask(self, token: str) -> None:
        """See to it that there is a form of that token, under another name."""
        self._play_once("chat_hitl_approve_streaming")

    def _provide(self, id_: str, case: str) -> None:
        """See to it that the thing of an id is there, under another name."""
        if id_ in self.names or id_ == NOBODY or id_.startswith("0196b2a4"):
            return
        if id_ in STAND_INS:
            maker, field = STAND_INS[id_]
            if maker == "chat_basic_with_image":
                self.names[id_] = self._with_image()[field]
                return
            answer = self._play_once(maker)
            event = events_of(answer.content)[0] if recording(maker).is_stream else answer.json()
            self.names[id_] = event[field]
            return
        if id_ not in makers():  # a file whose upload was not recorded
            self.names[id_] = self._upload("chat_files", ("n1.txt", b"text 1\n", "text/plain"))
            return
        maker = makers()[id_][1]
        if maker != case:
            self._play_once(maker)
        elif "files" in json.dumps(recording(case).request.get("json", {})):
            self.names[id_] = self._upload("chat_files", ("n1.txt", b"text 1\n", "text/plain"))
        else:
            self._begin(id_, case)

    def _begin(self, id_: str, case: str) -> None:
        """Start a conversation that goes on in the first recording of it."""
        app = recording(case).request["app"]
        body = recording(f"{app}_streaming").request["json"]
        answer = self.client.post("/v1/chat-messages", headers=self._key(app), json=body)
        self.names[id_] = events_of(answer.content)[0]["conversation_id"]

    def _with_image(self) -> dict[str, Any]:
        body = recording("chat_basic_blocking").request["json"]
        file = {"type": "image", "transfer_method": "local_file", "upload_file_id": self._upload("chat_basic", PNG)}
        answer = self.client.post(
            "/v1/chat-messages", headers=self._key("chat_basic"), json=body | {"files": [file]}
        ).json()
        return dict(answer)

    def _upload(self, app: str, file: tuple[str, bytes, str]) -> str:
        answer = self.client.post(
            "/v1/files/upload", headers=self._key(app), files={"file": file}, data={"user": "u1"}
        ).json()
        return str(answer["id"])

    def _key(self, app: str) -> dict[str, str]:
        return {"Authorization": f"Bearer app-{app}"}

    def _renamed(self, text: str) -> str:
        for theirs, ours in self.names.items():
            text = text.replace(theirs, ours)
        return text

    def _send(self, case: str, recorded: Recording) -> httpx.Response:
        asked = recorded.request
        key = KEYS.get(case, f"app-{asked['app'] or 'chat_lab'}")
        headers = {k: v for k, v in asked["headers"].items() if k not in ("Host", "Content-Length", "Accept-Encoding")}
        headers |= {"Authorization": f"Bearer {key}"} if "Authorization" in headers else {}
        for pattern, fault in FAULTS.items():
            if re.fullmatch(pattern.replace("*", ".*"), case):
                headers["X-Mock-Fault"] = fault
        body = asked.get("body_preview") or (json.dumps(asked["json"]) if "json" in asked else None)
        content = self._renamed(body).encode() if body is not None else None
        request = self.client.build_request(
            asked["method"], self._renamed(asked["path"]), headers=headers, content=content
        )
        follows = case.endswith(("_stopped", "_left", "_via_workflows")) or case == "chat_hitl_approve_events"
        if not follows:
            return self.client.send(request)
        return self._follow(case, recorded, self.client.send(request, stream=True))

    def _follow(self, case: str, recorded: Recording, response: httpx.Response) -> httpx.Response:
        """Read a stream as far as it was read then, and stop the turn, leave it, or answer its form."""
        read, acted = b"", False
        wanted = [event for event in recorded.events if event["event"] not in ("message_end", "workflow_finished")]
        if "_stopped_" in case:  # it went on to its end, but when it was to be stopped is seen in this one
            wanted = recording(case.partition("_stopped")[0] + "_stopped").events[:-1]
        is_paused = case == "chat_hitl_approve_events"
        for chunk in response.iter_raw():
            read += chunk
            reached = len(merged(events_of(read))) >= len(merged(wanted))
            if acted or not (reached or is_paused and b'"workflow_paused"' in read):
                continue
            acted = True
            if case.endswith("_left"):
                break
            first = events_of(read)[0]
            if "_stopped" in case:
                self.names[recorded.events[0]["task_id"]] = first["task_id"]
                self._play_once(f"{case}_stop")
            else:
                self._play_once("chat_hitl_approve_form_post")
        response.close()
        return httpx.Response(response.status_code, headers=response.headers, content=read)

    def _learn(self, recorded: Recording, answer: httpx.Response) -> None:
        """Keep what is called how here."""
        theirs, ours = _values(recorded.body, recorded.is_stream), _values(answer.content, recorded.is_stream)
        for one, other in zip(theirs, ours, strict=False):
            self._pair(one, other)

    def _pair(self, one: Any, other: Any) -> None:
        if isinstance(one, dict) and isinstance(other, dict):
            for key in one.keys() & other.keys():
                if isinstance(one[key], str) and (key == "id" or key.endswith(("_id", "form_token"))):
                    if one[key] and not key.startswith("node"):
                        self.names.setdefault(one[key], str(other[key]))
                else:
                    self._pair(one[key], other[key])


def _values(body: bytes, is_stream: bool) -> list[Any]:
    if is_stream:
        return events_of(body)
    try:
        return [json.loads(body)]
    except ValueError:
        return []


def chat_seen(case: str, status: int, body: bytes, *, stream: bool) -> Any:
    """Everything of an answer that has to be the same."""
    if stream:
        shapes = merged if case.endswith(("_stopped", "_left")) else event_shapes
        return status, body.startswith(b"event: ping"), shapes(events_of(body))
    try:
        data = json.loads(body)
    except ValueError:
        return status, bool(body)
    if status >= 400:
        return status, list(data), {key: _anonymous(value) for key, value in data.items()}
    for row in data.get("data", ()) if isinstance(data, dict) else ():
        if isinstance(row, dict):  # which inputs and which feedback there were is no matter of the server's
            row |= {key: {} for key in ("inputs", "feedback") if key in row and not isinstance(row[key], str)}
    for row in data.get("user_input_form", ()) if isinstance(data, dict) else ():
        for variable in row.values():
            variable.pop("default", None)
    return status, body.endswith(b"\n"), shape(data)


def _anonymous(value: Any) -> Any:
    """A message without ids, and without the words of code that failed."""
    if not isinstance(value, str):
        return value
    value = re.sub(r"(?s)^Run failed: .*", "Run failed: …", value).replace("RuntimeError: the stand-in", "the stand-in")
    return re.sub(r"human_input/[\w-]{20,}", "human_input/<token>", UUID.sub("<id>", value))


def chat_difference(case: str, answer: httpx.Response) -> str:
    """How the mock's answer differs from the recorded one, or nothing."""
    recorded = recording(case)
    stream = "event-stream" in answer.headers.get("content-type", "")
    theirs = chat_seen(case, recorded.status, recorded.body, stream=recorded.is_stream)
    ours = chat_seen(case, answer.status_code, answer.content, stream=stream)
    if ours == theirs:
        head = b"\r\n".join([b"", *(name + b": " + value for name, value in answer.headers.raw)])
        theirs, ours = headers_of(recorded.head), headers_of(head)
    return "" if ours == theirs else f"recorded:\n{theirs}\n\nmock:\n{ours}"
