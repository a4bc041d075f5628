"""The first call of a generated client, blocking and streaming. Expects `client` on the path and DIFY_BASE_URL set."""

from client import NodeFinished, NodeStarted, run_concat, stream_concat

run = run_concat(string="这是一段测试文本", num=10000, list="list_b", user="木乐乐")
print(f"blocking:  {run.status}, {run.outputs!r}")

with stream_concat(string="这是一段测试文本", num=10000, list="list_b", user="木乐乐") as stream:
    for event in stream:
        match event:
            case NodeStarted(title=title):
                print(f"  {title} …")
            case NodeFinished(title=title, status=status, elapsed_time=seconds):
                print(f"  {title}: {status} in {seconds:.2f} s")
    print(f"streaming: {stream.result().status}, {stream.result().outputs!r}")
