"""The Dify text generator `completion_lab`: Completion of the lab.

Written by difygen from definition.yml. Change that file and run difygen again.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Unpack

from pydantic import Field

from ._runtime import (
    AsyncCompletionClient,
    AsyncTurn,
    AsyncTurnStream,
    CompletionClient,
    CompletionInfo,
    CompletionOptions,
    CompletionStreamOptions,
    FileInput,
    FileRules,
    Inputs,
    Text,
    Turn,
    TurnStream,
    as_function,
)

__all__ = [
    "AsyncCompletionLabClient",
    "CompletionLabClient",
    "CompletionLabInputs",
    "acomplete_completion_lab",
    "astream_completion_lab",
    "complete_completion_lab",
    "stream_completion_lab",
]


class CompletionLabInputs(Inputs):
    """What `completion_lab` takes; `complete` says what each of them is."""

    name: Annotated[Text, Field(max_length=20)]
    query: Text | None = None
    tone: Literal["formal", "casual"] | None = None


_APP = CompletionInfo(
    name="completion_lab",
    inputs=CompletionLabInputs,
    api_key_variables=("DIFY_COMPLETION_LAB_API_KEY", "DIFY_API_KEY"),
    files=FileRules(types=("image", "document")),
    max_files=3,
)


class CompletionLabClient(CompletionClient[CompletionLabInputs]):
    """Runs `completion_lab`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_COMPLETION_LAB_API_KEY` or `DIFY_API_KEY`, and
    `DIFY_USER`.
    """

    _app = _APP

    def complete(
        self,
        *,
        name: str,
        query: str | None = None,
        tone: Literal["formal", "casual"] | None = None,
        user: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[CompletionOptions],
    ) -> Turn:
        """Run `completion_lab`, and return the turn with its whole text in `.answer`.

        Completion of the lab.

        Args:
            name: At most 20 characters.
            user: Whom the text is for; `DIFY_USER` if left out.
            files: What goes with the inputs.
            **options: See `CompletionOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the app takes.
            TurnError: The turn failed or was stopped: see `.turn`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        inputs = CompletionLabInputs(name=name, query=query, tone=tone)
        return self.complete_inputs(inputs, user=user, files=files, **options)

    def stream(
        self,
        *,
        name: str,
        query: str | None = None,
        tone: Literal["formal", "casual"] | None = None,
        user: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[CompletionStreamOptions],
    ) -> TurnStream:
        """Run `completion_lab` as `complete` does, as a stream for `with` and `for`."""
        inputs = CompletionLabInputs(name=name, query=query, tone=tone)
        return self.stream_inputs(inputs, user=user, files=files, **options)


class AsyncCompletionLabClient(AsyncCompletionClient[CompletionLabInputs]):
    """`CompletionLabClient` for asyncio."""

    _app = _APP

    async def complete(
        self,
        *,
        name: str,
        query: str | None = None,
        tone: Literal["formal", "casual"] | None = None,
        user: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncTurn:
        """Run `completion_lab`, like `CompletionLabClient.complete`."""
        inputs = CompletionLabInputs(name=name, query=query, tone=tone)
        return await self.complete_inputs(inputs, user=user, files=files, **options)

    def stream(
        self,
        *,
        name: str,
        query: str | None = None,
        tone: Literal["formal", "casual"] | None = None,
        user: str | None = None,
        files: Sequence[FileInput] | None = None,
        **options: Unpack[CompletionStreamOptions],
    ) -> AsyncTurnStream:
        """Stream a text of `completion_lab`, like `CompletionLabClient.stream`."""
        inputs = CompletionLabInputs(name=name, query=query, tone=tone)
        return self.stream_inputs(inputs, user=user, files=files, **options)


_client = CompletionLabClient()
complete_completion_lab = as_function(_client.complete, "complete_completion_lab")
stream_completion_lab = as_function(_client.stream, "stream_completion_lab")
_async_client = AsyncCompletionLabClient()
acomplete_completion_lab = as_function(
    _async_client.complete,
    "acomplete_completion_lab",
)
astream_completion_lab = as_function(_async_client.stream, "astream_completion_lab")
