"""A server for `bulk.py`: answers each run at once with the events that a small workflow has, and counts starts by row.

In a process of its own: `python benchmarks/bulk_server.py` prints its port, and its counts when its stdin closes.
The answer is made once; only the ids and the row's text are put into it. One core of it answers more requests than any
client of Python can make (`bulk.py` says how many).
"""

import asyncio
import json
import sys
import uuid
from collections import Counter

HEAD = (
    b"HTTP/1.1 200 OK\r\nX-Version: 1.14.2\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
PLAIN_HEAD = b"HTTP/1.1 200 OK\r\nX-Version: 1.14.2\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
RUN, TEXT = "@run-id-of-thirty-six-characters-long", "@text"
NODE = {"id": "n", "node_id": "start", "node_type": "start", "title": "Start", "index": 1, "created_at": 1}
END = {"outputs": {"result": TEXT}, "status": "succeeded", "error": None, "elapsed_time": 0.1, "total_tokens": 9}
ENDED = {"id": RUN, "workflow_id": "w", **END, "total_steps": 2, "created_at": 1, "finished_at": 2}
EVENTS = [
    {"event": "workflow_started", "data": {"id": RUN, "workflow_id": "w", "inputs": {"string": TEXT}, "created_at": 1}},
    {"event": "node_started", "data": NODE},
    {"event": "node_finished", "data": {**NODE, "status": "succeeded", "outputs": {"string": TEXT}}},
    {"event": "node_started", "data": {**NODE, "id": "m", "node_id": "end"}},
    {"event": "node_finished", "data": {**NODE, "id": "m", "node_id": "end", "status": "succeeded"}},
    {"event": "workflow_finished", "data": ENDED},
]
FRAMES = "".join(
    "data: "
    + json.dumps({"event": each["event"], "workflow_run_id": RUN, "task_id": RUN, "data": each["data"]})
    + "\n\n"
    for each in EVENTS
)
ANSWER = json.dumps({"workflow_run_id": RUN, "task_id": RUN, "data": ENDED})
starts: Counter[str] = Counter()


class Answers(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
            if len(self.data) < end + 4 + length:
                return
            body, self.data = self.data[end + 4 : end + 4 + length], self.data[end + 4 + length :]
            self.answer(json.loads(body))

    def answer(self, body: dict[str, object]) -> None:
        inputs = body["inputs"]
        text = inputs["string"] if isinstance(inputs, dict) else ""
        starts[text] += 1
        run = str(uuid.uuid4())
        if body["response_mode"] == "blocking":
            data = ANSWER.replace(RUN, run).replace(TEXT, text).encode()
            self.transport.write(PLAIN_HEAD % len(data) + data)
        else:
            data = FRAMES.replace(RUN, run).replace(TEXT, text).encode()
            self.transport.write(HEAD + b"%X\r\n%b\r\n0\r\n\r\n" % (len(data), data))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answers, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    twice = sum(count > 1 for count in starts.values())
    print(json.dumps({"rows": len(starts), "starts": starts.total(), "twice": twice}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
