"""One test for both clients: the call is written once, and made with the blocking and with the async client."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from support.concat_client import AsyncConcatClient, ConcatClient

KEY = "app-SecretThatMustNotLeak"
OPTIONS: dict[str, Any] = {"api_key": KEY, "user": "tester", "timeout": 120.0, "idle_timeout": 30.0, "max_retries": 0}

Kinds = tuple[Any, Any]
CONCAT: Kinds = (ConcatClient, AsyncConcatClient)

Using = Callable[..., Any]


def with_sync(url: str, call: Callable[[Any], Any], kinds: Kinds = CONCAT, **options: Any) -> Any:
    """What `call` gives for a blocking client; of something to iterate, a list."""
    with kinds[0](base_url=url, **{**OPTIONS, **options}) as client:
        result = call(client)
        return list(result) if hasattr(result, "__next__") or hasattr(result, "pages") else result


def with_async(url: str, call: Callable[[Any], Any], kinds: Kinds = CONCAT, **options: Any) -> Any:
    """The same for an async client, whose method is awaited or iterated."""

    async def use() -> Any:
        async with kinds[1](base_url=url, **{**OPTIONS, **options}) as client:
            result = call(client)
            if inspect.isawaitable(result):
                return await result
            return [item async for item in result] if hasattr(result, "__aiter__") else result

    return asyncio.run(use())


both_clients = pytest.mark.parametrize("using", [with_sync, with_async])
