"""The Dify workflow `Translate pages`: Splits a text into pages, translates each and
puts them together again.

Written by difygen from specs/translate_pages.yml. Change that file and run difygen
again.
"""

from typing import Annotated, Unpack

from pydantic import Field

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Inputs,
    Number,
    Outputs,
    Run,
    RunOptions,
    RunStream,
    StreamOptions,
    Text,
    WorkflowClient,
    WorkflowInfo,
    WorkflowNode,
    as_function,
)

__all__ = [
    "AsyncTranslatePagesClient",
    "TranslatePagesClient",
    "TranslatePagesInputs",
    "TranslatePagesNode",
    "TranslatePagesOutputs",
    "arun_translate_pages",
    "astart_translate_pages",
    "astream_translate_pages",
    "await_translate_pages",
    "run_translate_pages",
    "start_translate_pages",
    "stream_translate_pages",
    "wait_translate_pages",
]


class TranslatePagesInputs(Inputs):
    """What `Translate pages` takes; `run` says what each of them is."""

    text: Annotated[Text, Field(max_length=100000)]
    target_language: Annotated[Text, Field(max_length=30)]
    page_length: Number | None = 1200


class TranslatePagesOutputs(Outputs):
    """What `Translate pages` gives."""

    translation: str
    pages: list[str | None]
    page_count: int | float


class TranslatePagesNode(WorkflowNode):
    """The nodes of `Translate pages`: id, type and title. Each equals its id."""

    START = ("1752000000001", "start", "Start")
    SPLIT_INTO_PAGES = ("1752000000002", "code", "Split into pages")
    EACH_PAGE = ("1752000000003", "iteration", "Each page")
    IS_THERE_TEXT = ("1752000000004", "if-else", "Is there text?")
    TRANSLATE = ("1752000000005", "llm", "Translate")
    KEEP_AS_IT_IS = ("1752000000006", "template-transform", "Keep as it is")
    PAGE = ("1752000000007", "variable-aggregator", "Page")
    PUT_TOGETHER = ("1752000000008", "template-transform", "Put together")
    END = ("1752000000009", "end", "End")


_WORKFLOW = WorkflowInfo(
    name="Translate pages",
    outputs=TranslatePagesOutputs,
    api_key_variables=("DIFY_TRANSLATE_PAGES_API_KEY", "DIFY_API_KEY"),
    text_sources={"translation": [(TranslatePagesNode.PUT_TOGETHER, "output")]},
)


class TranslatePagesClient(WorkflowClient[TranslatePagesInputs, TranslatePagesOutputs]):
    """Runs `Translate pages`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_TRANSLATE_PAGES_API_KEY` or `DIFY_API_KEY`, and
    `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        text: str,
        target_language: str,
        page_length: float | None = 1200,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[TranslatePagesOutputs]:
        """Run `Translate pages` to its end and return the run, which has succeeded.

        Splits a text into pages, translates each and puts them together again.

        Args:
            text: At most 100,000 characters.
            target_language: At most 30 characters. For example: Français.
            page_length: In characters.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = TranslatePagesInputs(
            text=text,
            target_language=target_language,
            page_length=page_length,
        )
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        text: str,
        target_language: str,
        page_length: float | None = 1200,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[TranslatePagesOutputs]:
        """Run `Translate pages` as a stream, for `with` and `for`; `start` takes the
        same.
        """
        inputs = TranslatePagesInputs(
            text=text,
            target_language=target_language,
            page_length=page_length,
        )
        return self.stream_inputs(inputs, user=user, **options)


class AsyncTranslatePagesClient(
    AsyncWorkflowClient[TranslatePagesInputs, TranslatePagesOutputs],
):
    """`TranslatePagesClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        text: str,
        target_language: str,
        page_length: float | None = 1200,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[TranslatePagesOutputs]:
        """Run `Translate pages` to its end, like `TranslatePagesClient.run`."""
        inputs = TranslatePagesInputs(
            text=text,
            target_language=target_language,
            page_length=page_length,
        )
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        text: str,
        target_language: str,
        page_length: float | None = 1200,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[TranslatePagesOutputs]:
        """Stream a run of `Translate pages`, like `TranslatePagesClient.stream`."""
        inputs = TranslatePagesInputs(
            text=text,
            target_language=target_language,
            page_length=page_length,
        )
        return self.stream_inputs(inputs, user=user, **options)


_client = TranslatePagesClient()
run_translate_pages = as_function(_client.run, "run_translate_pages")
stream_translate_pages = as_function(_client.stream, "stream_translate_pages")
start_translate_pages = as_function(_client.start, "start_translate_pages")
wait_translate_pages = as_function(_client.wait, "wait_translate_pages")
_async_client = AsyncTranslatePagesClient()
arun_translate_pages = as_function(_async_client.run, "arun_translate_pages")
astream_translate_pages = as_function(_async_client.stream, "astream_translate_pages")
astart_translate_pages = as_function(_async_client.start, "astart_translate_pages")
await_translate_pages = as_function(_async_client.wait, "await_translate_pages")
