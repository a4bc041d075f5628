"""The Dify workflow `support-reply` (Antwort für den Kundendienst).

Writes an answer to a customer's question.

Where the question is not clear, there is no answer, but a question back.

Written by difygen from specs/support_reply.yaml. Change that file and run difygen
again.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Checkbox,
    Inputs,
    Outputs,
    ResponseMode,
    Run,
    RunStream,
    SchemaChecked,
    Text,
    WorkflowClient,
    WorkflowInfo,
)

__all__ = [
    "AsyncSupportReplyClient",
    "SupportReplyClient",
    "SupportReplyInputs",
    "SupportReplyInputsContext",
    "SupportReplyOutputs",
    "SupportReplyOutputsSourcesItem",
    "arun_support_reply",
    "astream_support_reply",
    "run_support_reply",
    "stream_support_reply",
]


@with_config(ConfigDict(extra="allow"))
class SupportReplyInputsContext(TypedDict):
    """`context` of `SupportReplyInputs`."""

    order: Text
    items: Sequence[Text]
    vip: NotRequired[Checkbox]


class SupportReplyInputs(Inputs):
    """What `support-reply` takes."""

    question: Text

    tone: Literal["freundlich", "sachlich"] | None = None
    """Tonfall."""

    context: Annotated[SupportReplyInputsContext, SchemaChecked]


class SupportReplyOutputsSourcesItem(Outputs):
    """An item of `sources` of `SupportReplyOutputs`."""

    title: str
    url: str
    score: int | float


class SupportReplyOutputs(Outputs):
    """What `support-reply` gives.

    Not always there:
        answer: Only when the question is clear.
        question_back: Only when the question is not clear.
    """

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


class SupportReplyClient(WorkflowClient[SupportReplyOutputs]):
    """Runs `support-reply`, all calls over one pool of connections.

    Reads no setting and opens no connection before the first call. What the
    constructor is not given comes from the environment: `DIFY_BASE_URL`,
    `DIFY_SUPPORT_REPLY_API_KEY` or `DIFY_API_KEY`, `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        question: str,
        tone: Literal["freundlich", "sachlich"] | None = None,
        context: SupportReplyInputsContext,
        user: str | None = None,
        response_mode: ResponseMode = "blocking",
        timeout: float | None = None,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> Run[SupportReplyOutputs]:
        """Run `support-reply` to its end and return the run.

        Writes an answer to a customer's question.

        Args:
            question: A text.
            tone: Tonfall.
            context: A JSON object.
            user: Whom the run is for; `DIFY_USER` if left out.
            response_mode: "streaming" collects the result from a stream of events, for
                runs that last longer than a proxy waits.
            timeout: Seconds for the whole run; the client's if left out.
            workflow_id: A published version to run in place of the latest one.
            trace_id: Makes the run part of a trace of yours.

        Returns:
            The run, which has succeeded. `.outputs` holds its typed outputs.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            RunError: The run failed, was stopped, or waits for a person: see `.run`.
            DifyError: Anything else, such as a missing setting or a refusal.
        """
        return self._run(
            SupportReplyInputs(question=question, tone=tone, context=context),
            user=user,
            response_mode=response_mode,
            timeout=timeout,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )

    def stream(
        self,
        *,
        question: str,
        tone: Literal["freundlich", "sachlich"] | None = None,
        context: SupportReplyInputsContext,
        user: str | None = None,
        timeout: float | None = None,
        stop_on_exit: bool = False,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> RunStream[SupportReplyOutputs]:
        """Run `support-reply` and follow its events as they happen.

        Writes an answer to a customer's question.

        Args:
            question: A text.
            tone: Tonfall.
            context: A JSON object.
            user: Whom the run is for; `DIFY_USER` if left out.
            timeout: Seconds for the whole run; the client's if left out.
            stop_on_exit: Stop the run on the server when the stream is left early.
            workflow_id: A published version to run in place of the latest one.
            trace_id: Makes the run part of a trace of yours.

        Returns:
            A stream of events, for `with` and `for`. The run starts with the first
            event that is asked for. `stream.result()` gives what `run` returns, or
            raises what `run` raises.
        """
        return self._stream(
            SupportReplyInputs(question=question, tone=tone, context=context),
            user=user,
            timeout=timeout,
            stop_on_exit=stop_on_exit,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )


class AsyncSupportReplyClient(AsyncWorkflowClient[SupportReplyOutputs]):
    """`SupportReplyClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        question: str,
        tone: Literal["freundlich", "sachlich"] | None = None,
        context: SupportReplyInputsContext,
        user: str | None = None,
        response_mode: ResponseMode = "blocking",
        timeout: float | None = None,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> Run[SupportReplyOutputs]:
        """Run `support-reply` to its end and return the run.

        Takes what `SupportReplyClient.run` takes.

        Args:
            question: A text.
            tone: Tonfall.
            context: A JSON object.
        """
        return await self._run(
            SupportReplyInputs(question=question, tone=tone, context=context),
            user=user,
            response_mode=response_mode,
            timeout=timeout,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )

    def stream(
        self,
        *,
        question: str,
        tone: Literal["freundlich", "sachlich"] | None = None,
        context: SupportReplyInputsContext,
        user: str | None = None,
        timeout: float | None = None,
        stop_on_exit: bool = False,
        workflow_id: str | None = None,
        trace_id: str | None = None,
    ) -> AsyncRunStream[SupportReplyOutputs]:
        """Run `support-reply` and follow its events as they happen.

        Takes what `SupportReplyClient.stream` takes.

        Args:
            question: A text.
            tone: Tonfall.
            context: A JSON object.
        """
        return self._stream(
            SupportReplyInputs(question=question, tone=tone, context=context),
            user=user,
            timeout=timeout,
            stop_on_exit=stop_on_exit,
            workflow_id=workflow_id,
            trace_id=trace_id,
        )


_client = SupportReplyClient()
run_support_reply = _client.run
stream_support_reply = _client.stream
_async_client = AsyncSupportReplyClient()
arun_support_reply = _async_client.run
astream_support_reply = _async_client.stream
