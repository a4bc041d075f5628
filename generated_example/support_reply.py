"""The Dify workflow `support-reply` (Antwort für den Kundendienst).

Writes an answer to a customer's question.

Where the question is not clear, there is no answer, but a question back.

Written by difygen from specs/support_reply.yaml. Change that file and run difygen
again.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NotRequired, Unpack

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Checkbox,
    Inputs,
    Outputs,
    Run,
    RunOptions,
    RunStream,
    SchemaChecked,
    StreamOptions,
    Text,
    WorkflowClient,
    WorkflowInfo,
    as_function,
)

__all__ = [
    "AsyncSupportReplyClient",
    "SupportReplyClient",
    "SupportReplyInputs",
    "SupportReplyInputsContext",
    "SupportReplyOutputs",
    "SupportReplyOutputsSourcesItem",
    "arun_support_reply",
    "astart_support_reply",
    "astream_support_reply",
    "await_support_reply",
    "run_support_reply",
    "start_support_reply",
    "stream_support_reply",
    "wait_support_reply",
]


@with_config(ConfigDict(extra="allow"))
class SupportReplyInputsContext(TypedDict):
    """`context` of `SupportReplyInputs`."""

    order: Text
    items: Sequence[Text]
    vip: NotRequired[Checkbox]


class SupportReplyInputs(Inputs):
    """What `support-reply` takes; `run` says what each of them is."""

    question: Text
    tone: Literal["freundlich", "sachlich"] | None = None
    context: Annotated[SupportReplyInputsContext, SchemaChecked]


class SupportReplyOutputsSourcesItem(Outputs):
    """An item of `sources` of `SupportReplyOutputs`."""

    title: str
    url: str
    score: int | float


class SupportReplyOutputs(Outputs):
    """What `support-reply` gives."""

    answer: str | None = None
    """Only when the question is clear."""

    question_back: str | None = None
    """Only when the question is not clear."""

    sources: list[SupportReplyOutputsSourcesItem]
    sentiment: Literal["positive", "neutral", "negative"]


_WORKFLOW = WorkflowInfo(
    name="support-reply",
    outputs=SupportReplyOutputs,
    api_key_variables=("DIFY_SUPPORT_REPLY_API_KEY", "DIFY_API_KEY"),
)


class SupportReplyClient(WorkflowClient[SupportReplyInputs, SupportReplyOutputs]):
    """Runs `support-reply`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_SUPPORT_REPLY_API_KEY` or `DIFY_API_KEY`, and
    `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        question: str,
        tone: Literal["freundlich", "sachlich"] | None = None,
        context: SupportReplyInputsContext,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[SupportReplyOutputs]:
        """Run `support-reply` to its end and return the run, which has succeeded.

        Writes an answer to a customer's question.

        Args:
            tone: Tonfall.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = SupportReplyInputs(question=question, tone=tone, context=context)
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        question: str,
        tone: Literal["freundlich", "sachlich"] | None = None,
        context: SupportReplyInputsContext,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[SupportReplyOutputs]:
        """Run `support-reply` as a stream, for `with` and `for`; `start` takes the
        same.
        """
        inputs = SupportReplyInputs(question=question, tone=tone, context=context)
        return self.stream_inputs(inputs, user=user, **options)


class AsyncSupportReplyClient(
    AsyncWorkflowClient[SupportReplyInputs, SupportReplyOutputs],
):
    """`SupportReplyClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        question: str,
        tone: Literal["freundlich", "sachlich"] | None = None,
        context: SupportReplyInputsContext,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[SupportReplyOutputs]:
        """Run `support-reply` to its end, like `SupportReplyClient.run`."""
        inputs = SupportReplyInputs(question=question, tone=tone, context=context)
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        question: str,
        tone: Literal["freundlich", "sachlich"] | None = None,
        context: SupportReplyInputsContext,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[SupportReplyOutputs]:
        """Stream a run of `support-reply`, like `SupportReplyClient.stream`."""
        inputs = SupportReplyInputs(question=question, tone=tone, context=context)
        return self.stream_inputs(inputs, user=user, **options)


_client = SupportReplyClient()
run_support_reply = as_function(_client.run, "run_support_reply")
stream_support_reply = as_function(_client.stream, "stream_support_reply")
start_support_reply = as_function(_client.start, "start_support_reply")
wait_support_reply = as_function(_client.wait, "wait_support_reply")
_async_client = AsyncSupportReplyClient()
arun_support_reply = as_function(_async_client.run, "arun_support_reply")
astream_support_reply = as_function(_async_client.stream, "astream_support_reply")
astart_support_reply = as_function(_async_client.start, "astart_support_reply")
await_support_reply = as_function(_async_client.wait, "await_support_reply")
