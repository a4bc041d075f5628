"""The clients as objects: opened late, closed and used again, with an HTTP client of the caller's own, quiet about
the key.
"""

import asyncio
import importlib
import logging
import os
import pickle
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import runtime
from runtime import chat
from runtime._http import http_library
from support.both_clients import KEY, Using, both_clients, with_sync
from support.concat_client import AsyncConcatClient, ConcatClient, ConcatInputs
from support.fault_events import NORMAL, RESULT, RUN_ID, blocking, detail
from support.processes import printed
from support.servers import DETAIL, RUN, Server, as_json, by_mode, stream

TEMPLATES = Path(runtime.__file__).parent.parent
WORKING = {RUN: by_mode(streaming=stream(NORMAL), blocking=as_json(blocking())), DETAIL: as_json(detail())}
INPUTS = ConcatInputs(string="a", num=1, list="list_a")


def libraries() -> list[str]:
    """The HTTP libraries to try: both, unless one is hidden."""
    return [name for name in ("httpx", "httpx2") if sys.modules.get(name, True) is not None]


class TestConnections:
    def test_one_is_kept_for_the_next_call(self) -> None:
        with Server(WORKING) as server, ConcatClient(base_url=server.url, api_key=KEY) as client:
            for _ in range(3):
                client.run()
            assert server.accepted == 1

    def test_an_async_client_keeps_one_too(self) -> None:
        async def call(url: str) -> None:
            async with AsyncConcatClient(base_url=url, api_key=KEY) as client:
                for _ in range(3):
                    await client.run()

        with Server(WORKING) as server:
            asyncio.run(call(server.url))
            assert server.accepted == 1

    def test_a_closed_client_can_be_used_again(self) -> None:
        with Server(WORKING) as server:
            client = ConcatClient(base_url=server.url, api_key=KEY)
            for _ in range(2):
                assert client.run().outputs.result == RESULT
                client.close()
                client.close()
            assert server.accepted == 2

    def test_a_closed_async_client_can_be_used_again(self) -> None:
        async def call(url: str) -> None:
            client = AsyncConcatClient(base_url=url, api_key=KEY)
            for _ in range(2):
                assert (await client.run()).outputs.result == RESULT
                await client.aclose()
                await client.aclose()

        with Server(WORKING) as server:
            asyncio.run(call(server.url))
            assert server.accepted == 2

    def test_the_end_of_an_event_loop_closes_its_connections(self) -> None:
        """Also of a client that nobody closes, like the one behind `arun_concat`."""
        with Server(WORKING) as server:
            client = AsyncConcatClient(base_url=server.url, api_key=KEY)
            for _ in range(2):
                asyncio.run(client.run())
            assert server.accepted == 2
            assert all(loop.is_closed() for loop in client._transport._states)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
    def test_a_forked_process_opens_connections_of_its_own(self) -> None:
        with Server(WORKING) as server, ConcatClient(base_url=server.url, api_key=KEY) as client:
            client.run()
            child = os.fork()
            if child == 0:
                ok = client.run().outputs.result == RESULT
                os._exit(0 if ok else 1)
            assert os.waitpid(child, 0)[1] == 0
            client.run()
            assert server.accepted == 2


class TestTheCallersOwnHttpClient:
    @pytest.mark.parametrize("library", libraries())
    def test_of_either_library(self, library: str) -> None:
        kind = importlib.import_module(library).Client
        with Server(WORKING) as server, kind(headers={"X-Mine": "yes"}, auth=("me", "pw")) as mine:
            run = with_sync(server.url, lambda client: client.run(), http_client=mine)
            assert not mine.is_closed
        [request] = server.requests
        assert run.outputs.result == RESULT
        assert request.headers["x-mine"] == "yes"
        assert request.headers["authorization"] == f"Bearer {KEY}"

    @pytest.mark.parametrize("library", libraries())
    def test_an_async_one_of_either_library(self, library: str) -> None:
        kind = importlib.import_module(library).AsyncClient

        async def call(url: str) -> runtime.Run[runtime.Outputs]:
            async with kind(headers={"X-Mine": "yes"}) as mine:
                async with AsyncConcatClient(base_url=url, api_key=KEY, http_client=mine) as client:
                    run = await client.run()
                assert not mine.is_closed
                return run

        with Server(WORKING) as server:
            assert asyncio.run(call(server.url)).raw_outputs == {"result": RESULT}
        assert server.requests[0].headers["x-mine"] == "yes"

    @pytest.mark.parametrize("library", libraries())
    def test_its_errors_are_ours(self, library: str) -> None:
        kind = importlib.import_module(library).Client
        with kind() as mine, pytest.raises(runtime.ConnectionFailedError):
            with_sync("http://127.0.0.1:1", lambda client: client.run(), http_client=mine)

    def test_its_short_timeouts_are_not_used(self) -> None:
        with http_library().Client(timeout=1e-6) as mine, Server(WORKING) as server:
            run = with_sync(server.url, lambda client: client.run(), http_client=mine)
        assert run.outputs.result == RESULT


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def lines() -> Iterator[list[str]]:
    logger, handler = logging.getLogger("runtime"), Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


class TestLogging:
    @both_clients
    def test_one_line_for_each_request(self, using: Using, lines: list[str]) -> None:
        form = {"user_actions": [{"id": "approve"}]}
        with Server(WORKING | {"POST /v1/form/*": as_json({}), "GET /v1/form/*": as_json(form)}) as server:
            using(server.url, lambda client: client.run())
            using(server.url, lambda client: client.run(response_mode="streaming"))
            using(server.url, lambda client: client.get_run(RUN_ID))
            using(server.url, lambda client: client.submit_form("TheFormsToken", action="approve"))
        shown = [line.rpartition(",")[0] for line in lines]
        assert shown == [
            "POST /v1/workflows/run -> 200",
            "POST /v1/workflows/run -> 200",
            f"GET /v1/workflows/run/{RUN_ID} -> 200",
            "GET /v1/form/human_input/... -> 200",
            "POST /v1/form/human_input/... -> 200",
        ]
        assert all(line.endswith(" ms") for line in lines)
        assert not any(KEY in line or "TheFormsToken" in line for line in lines)

    @both_clients
    def test_a_request_that_failed(self, using: Using, lines: list[str]) -> None:
        with pytest.raises(runtime.ConnectionFailedError):
            using("http://127.0.0.1:1", lambda client: client.run())
        assert [line.rpartition(",")[0] for line in lines] == ["POST /v1/workflows/run -> ConnectError"]


def in_new_process(code: str) -> str:
    return printed(code, folders=(TEMPLATES,)).strip()


class TestImports:
    def test_the_http_library_is_loaded_by_the_first_call_and_asyncio_by_async_code(self) -> None:
        loaded = in_new_process(
            "import sys, runtime\n"
            "class C(runtime.WorkflowClient):\n"
            "    _workflow = runtime.WorkflowInfo(name='c', outputs=runtime.Outputs)\n"
            "class A(runtime.AsyncWorkflowClient):\n"
            "    _workflow = C._workflow\n"
            "C(), A()\n"
            "print(*sorted({'httpx', 'httpx2', 'asyncio', 'anyio', 'difygen'} & sys.modules.keys()))"
        )
        assert loaded == ""

    def test_one_module_imports_the_http_library(self) -> None:
        importing = {
            path.name
            for path in Path(runtime.__file__).parent.rglob("*.py")
            for line in path.read_text("utf-8").splitlines()
            if line.lstrip().startswith(("import httpx", "from httpx"))
        }
        assert importing == {"_http.py"}

    @pytest.mark.parametrize("library", ["httpx", "httpx2"])
    def test_either_library_will_do(self, library: str) -> None:
        other = {"httpx": "httpx2", "httpx2": "httpx"}[library]
        code = f"import sys; sys.modules[{other!r}] = None\n"
        code += "from runtime._http import http_library\nprint(http_library().__name__)"
        assert in_new_process(code) == library

    def test_without_a_library_an_error_says_what_to_install(self) -> None:
        said = in_new_process(
            "import sys; sys.modules['httpx'] = sys.modules['httpx2'] = None\n"
            "import runtime\n"
            "class C(runtime.WorkflowClient):\n"
            "    _workflow = runtime.WorkflowInfo(name='c', outputs=runtime.Outputs)\n"
            "try: C(base_url='http://h', api_key='app-x').info()\n"
            "except runtime.ConfigurationError as error: print(error)"
        )
        assert said == "No HTTP library is installed: install httpx (or httpx2)"

    def test_the_public_names_are_listed_and_sorted(self) -> None:
        core = runtime.__all__[: -len(chat.__all__)]
        assert [core, chat.__all__] == [sorted(core), sorted(chat.__all__)]
        assert runtime.__all__ == core + chat.__all__
        for module, names in ((runtime, runtime.__all__), (chat, chat.__all__)):
            public = {
                name
                for name, value in vars(module).items()
                if not name.startswith("_") and type(value).__name__ != "module"
            }
            assert set(core if module is runtime else names) <= public <= {*names, "TYPE_CHECKING"}
        assert {*runtime.__all__} <= {*dir(runtime)}

    def test_what_chat_type_apps_need_is_imported_when_it_is_asked_for(self) -> None:
        loaded = in_new_process(
            "import sys, runtime\n"
            "assert not [name for name in sys.modules if name.startswith('runtime.chat')]\n"
            "from runtime import Turn\n"
            "print(Turn.__module__, Turn is runtime.chat.Turn is vars(runtime)['Turn'], hasattr(runtime, 'Tur'))"
        )
        assert loaded == "runtime True False"

    def test_top_level_names_are_unique_so_that_the_modules_can_become_one(self) -> None:
        import ast

        owners: dict[str, str] = {}
        folder = Path(runtime.__file__).parent
        for path in sorted(folder.rglob("_[a-z]*.py")):
            home = str(path.relative_to(folder))
            for node in ast.parse(path.read_text("utf-8")).body:
                targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
                for target in targets:
                    name = getattr(target, "id", None) or getattr(target, "name", None)
                    if name:
                        assert owners.setdefault(name, home) == home, name


class TestDocumentation:
    @pytest.mark.parametrize("kind", [runtime.WorkflowClient, runtime.AsyncWorkflowClient])
    def test_both_clients_have_the_same_methods_and_every_one_is_documented(self, kind: type) -> None:
        names = {name for name in vars(runtime.WorkflowClient) if not name.startswith("_")} - {"close"}
        for name in names | {"close" if kind is runtime.WorkflowClient else "aclose"}:
            assert getattr(kind, name).__doc__
        assert {name for name in vars(kind) if not name.startswith("_")} - {"close", "aclose"} == names

    def test_everything_public_is_documented(self) -> None:
        for name in runtime.__all__:
            value = getattr(runtime, name)
            if isinstance(value, type):
                assert value.__doc__, name


class TestPublicNames:
    """What users see of where things come from, and what tools read from annotations."""

    @pytest.mark.parametrize("name", runtime.__all__)
    def test_annotations_can_be_read(self, name: str) -> None:
        public = getattr(runtime, name)
        typing.get_type_hints(public if isinstance(public, type) else type(public))
        for member in list(vars(public).values()) if isinstance(public, type) else ():
            function = getattr(member, "fget", None) or member
            if isinstance(function, types.FunctionType) and function.__module__.startswith("runtime"):
                typing.get_type_hints(function)

    @pytest.mark.parametrize("name", runtime.__all__)
    def test_classes_and_functions_show_the_module_that_users_import_them_from(self, name: str) -> None:
        public = getattr(runtime, name)
        if isinstance(public, type | types.FunctionType):
            assert public.__module__ == "runtime"
            assert pickle.loads(pickle.dumps(public)) is public
