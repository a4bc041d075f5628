"""What is compared: each contestant streams events or makes blocking calls, in a process of its own.

`python benchmarks/contestants.py NAME PORT` reads jobs (`stream SIZE COUNT`, `blocking COUNT`, `memory COUNT`) from
stdin, one a line, and prints the CPU seconds (for `memory`: bytes) that each took. Every contestant adds up the lengths
of the text pieces, so that each event is really read.
"""

import asyncio
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

# For all contestants, though one needs it: httpcore looks for a module that is not there in every async call (sniffio),
# and that takes longer the more folders there are to look into.
sys.path += [str(Path(__file__).parent.parent / folder) for folder in ("templates", "tests")]

INPUTS = {"string": "text", "num": 1, "list": "list_a"}
KEY = "app-benchmark"
Texts = Callable[[str], Iterator[int]]
Calls = Callable[[int], None]


def body(user: str, mode: str) -> dict[str, Any]:
    return {"inputs": INPUTS, "response_mode": mode, "user": user}


def headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}"}


class Splitter:
    """What a careful user would write: split each chunk once, join the pieces of an unfinished line once."""

    def __init__(self) -> None:
        self.left: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        *lines, rest = chunk.split(b"\n")
        if lines and self.left:
            lines[0] = b"".join([*self.left, lines[0]])
            self.left.clear()
        if rest:
            self.left.append(rest)
        return lines


def text_length(line: bytes) -> int:
    """The length of the text in a line of the stream."""
    if line.startswith(b"data:"):
        event = json.loads(line[5:].decode())
        if event["event"] == "text_chunk":
            return len(event["data"]["text"])
    return 0


def floor(url: str) -> tuple[Texts, Calls]:
    """Bare httpx, a byte splitter, json.loads."""
    import httpx

    client = httpx.Client(headers=headers(), timeout=None)

    def texts(user: str) -> Iterator[int]:
        with client.stream("POST", f"{url}/workflows/run", json=body(user, "streaming")) as response:
            response.raise_for_status()
            splitter = Splitter()
            for chunk in response.iter_raw():
                for line in splitter.feed(chunk):
                    if length := text_length(line):
                        yield length

    def calls(count: int) -> None:
        for _ in range(count):
            response = client.post(f"{url}/workflows/run", json=body("u", "blocking"))
            assert response.raise_for_status().json()["data"]["outputs"]["result"]

    return texts, calls


def ours(url: str) -> tuple[Texts, Calls]:
    """The generated client: typed events, typed outputs."""
    import runtime
    from support.concat_client import ConcatClient

    client = ConcatClient(base_url=url, api_key=KEY)

    def texts(user: str) -> Iterator[int]:
        with client.stream(**INPUTS, user=user) as stream:
            for event in stream:
                match event:
                    case runtime.TextChunk(text=text):
                        yield len(text)
            assert stream.result().outputs.result

    def calls(count: int) -> None:
        for _ in range(count):
            assert client.run(**INPUTS, user="u").outputs.result

    return texts, calls


def httpx_sse(url: str) -> tuple[Texts, Calls]:
    """httpx with httpx-sse, untyped."""
    import httpx
    from httpx_sse import connect_sse

    client = httpx.Client(headers=headers(), timeout=None)

    def texts(user: str) -> Iterator[int]:
        with connect_sse(client, "POST", f"{url}/workflows/run", json=body(user, "streaming")) as source:
            for sse in source.iter_sse():
                event = sse.json()
                if event["event"] == "text_chunk":
                    yield len(event["data"]["text"])

    return texts, floor(url)[1]


def dify_client(url: str) -> tuple[Texts, Calls]:
    """The official dify-client of PyPI: it has no workflow client, so its general request method is used."""
    from dify_client import DifyClient

    client = DifyClient(KEY)
    client.base_url = url

    def texts(user: str) -> Iterator[int]:
        response = client._send_request("POST", "/workflows/run", body(user, "streaming"), stream=True)
        for line in response.iter_lines():
            if line.startswith(b"data:"):
                event = json.loads(line[5:])
                if event["event"] == "text_chunk":
                    yield len(event["data"]["text"])

    def calls(count: int) -> None:
        for _ in range(count):
            response = client._send_request("POST", "/workflows/run", body("u", "blocking"))
            assert response.json()["data"]["outputs"]["result"]

    return texts, calls


def dify_python_sdk(url: str) -> tuple[Texts, Calls]:
    """The later official client, published as dify-python-sdk: it reads a stream whole, then hands out the response."""
    from dify_client import WorkflowClient

    client = WorkflowClient(KEY, base_url=url)

    def texts(user: str) -> Iterator[int]:
        for line in client.run(INPUTS, "streaming", user).iter_lines():
            if line.startswith("data:"):
                event = json.loads(line[5:])
                if event["event"] == "text_chunk":
                    yield len(event["data"]["text"])

    def calls(count: int) -> None:
        for _ in range(count):
            assert client.run(INPUTS, "blocking", "u").json()["data"]["outputs"]["result"]

    return texts, calls


def dify_client_python(url: str) -> tuple[Texts, Calls]:
    """dify-client-python: typed events, the best of the released ones."""
    from dify_client import Client, models

    client = Client(api_key=KEY, api_base=url)

    def texts(user: str) -> Iterator[int]:
        request = models.WorkflowsRunRequest(inputs=INPUTS, response_mode=models.ResponseMode.STREAMING, user=user)
        for event in client.run_workflows(request):
            if event.event == "text_chunk":
                yield len(event.data.text)

    def calls(count: int) -> None:
        for _ in range(count):
            request = models.WorkflowsRunRequest(inputs=INPUTS, response_mode=models.ResponseMode.BLOCKING, user="u")
            assert client.run_workflows(request).data.outputs["result"]

    return texts, calls


def floor_async(url: str) -> tuple[Texts, Calls]:
    """Bare async httpx, a byte splitter, json.loads. The whole stream runs in one loop; lengths come afterwards."""
    import httpx

    runner = asyncio.Runner()
    client = httpx.AsyncClient(headers=headers(), timeout=None)

    async def total(user: str) -> int:
        found, splitter = 0, Splitter()
        async with client.stream("POST", f"{url}/workflows/run", json=body(user, "streaming")) as response:
            async for chunk in response.aiter_raw():
                for line in splitter.feed(chunk):
                    found += text_length(line)
        return found

    async def call(count: int) -> None:
        for _ in range(count):
            response = await client.post(f"{url}/workflows/run", json=body("u", "blocking"))
            assert response.raise_for_status().json()["data"]["outputs"]["result"]

    return lambda user: iter([runner.run(total(user))]), lambda count: runner.run(call(count))


def ours_async(url: str) -> tuple[Texts, Calls]:
    """The generated async client."""
    import runtime
    from support.concat_client import AsyncConcatClient

    runner = asyncio.Runner()
    client = AsyncConcatClient(base_url=url, api_key=KEY)

    async def total(user: str) -> int:
        found = 0
        async with client.stream(**INPUTS, user=user) as stream:
            async for event in stream:
                match event:
                    case runtime.TextChunk(text=text):
                        found += len(text)
            assert (await stream.result()).outputs.result
        return found

    async def call(count: int) -> None:
        for _ in range(count):
            assert (await client.run(**INPUTS, user="u")).outputs.result

    return lambda user: iter([runner.run(total(user))]), lambda count: runner.run(call(count))


def ours_chat(url: str, kind: str = "chat") -> tuple[Texts, Calls]:
    """The generated client of an app that chats: typed events, typed turns. The query says what the server sends."""
    import runtime
    from support.chat_clients import CLIENTS, AnyInputs

    client, inputs = CLIENTS[kind](base_url=url, api_key=KEY), AnyInputs(**INPUTS)

    def texts(user: str) -> Iterator[int]:
        with client.stream_inputs(kind, inputs, user=user) as stream:
            for event in stream:
                match event:
                    case runtime.Message(answer=answer):
                        yield len(answer)
            assert stream.result().answer

    def calls(count: int) -> None:
        for _ in range(count):
            assert client.chat_inputs(kind, inputs, user="u", response_mode="blocking").answer

    return texts, calls


def ours_chat_async(url: str, kind: str = "chat") -> tuple[Texts, Calls]:
    """The generated async client of an app that chats."""
    import runtime
    from support.chat_clients import ASYNC_CLIENTS, AnyInputs

    runner = asyncio.Runner()
    client, inputs = ASYNC_CLIENTS[kind](base_url=url, api_key=KEY), AnyInputs(**INPUTS)

    async def total(user: str) -> int:
        found = 0
        async with client.stream_inputs(kind, inputs, user=user) as stream:
            async for event in stream:
                match event:
                    case runtime.Message(answer=answer):
                        found += len(answer)
            assert (await stream.result()).answer
        return found

    async def call(count: int) -> None:
        for _ in range(count):
            assert (await client.chat_inputs(kind, inputs, user="u", response_mode="blocking")).answer

    return lambda user: iter([runner.run(total(user))]), lambda count: runner.run(call(count))


CONTESTANTS: dict[str, Callable[[str], tuple[Texts, Calls]]] = {
    "floor": floor,
    "difygen": ours,
    "floor-async": floor_async,
    "difygen-async": ours_async,
    "difygen-chat": ours_chat,
    "difygen-chat-async": ours_chat_async,
    "difygen-chatflow": partial(ours_chat, kind="chatflow"),
    "difygen-chatflow-async": partial(ours_chat_async, kind="chatflow"),
    "httpx-sse": httpx_sse,
    "dify-client": dify_client,
    "dify-python-sdk": dify_python_sdk,
    "dify-client-python": dify_client_python,
}


def measure(texts: Texts, calls: Calls, job: str, *numbers: int) -> float:
    if job == "memory":
        return memory(texts, *numbers)
    begin = time.process_time()
    if job == "stream":
        size, count = numbers
        assert sum(texts(f"{size}x{count}")) > count
    else:
        calls(numbers[0])
    return time.process_time() - begin


def memory(texts: Texts, count: int) -> float:
    """How many more bytes are held at the last event than after a twentieth of them."""
    early = late = 0
    tracemalloc.start()
    for number, _ in enumerate(texts(f"300x{count}"), 1):
        if number == count // 20:
            early = tracemalloc.get_traced_memory()[0]
        elif number == count:
            late = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return late - early


def main() -> None:
    texts, calls = CONTESTANTS[sys.argv[1]](f"http://127.0.0.1:{sys.argv[2]}/v1")
    calls(1)
    print("ready", flush=True)
    for line in sys.stdin:
        job, *numbers = line.split()
        print(measure(texts, calls, job, *map(int, numbers)), flush=True)


if __name__ == "__main__":
    main()
