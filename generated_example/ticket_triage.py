"""The Dify workflow `Ticket triage`: Sorts a support ticket, drafts the reply that
fits, and says what the next step is.

Written by difygen from specs/ticket_triage.yml. Change that file and run difygen again.
"""

from typing import Annotated, Any, Literal, Unpack

from pydantic import Field

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    File,
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
    "AsyncTicketTriageClient",
    "TicketTriageClient",
    "TicketTriageInputs",
    "TicketTriageNode",
    "TicketTriageOutputs",
    "TicketTriageOutputsSourcesItem",
    "arun_ticket_triage",
    "astart_ticket_triage",
    "astream_ticket_triage",
    "await_ticket_triage",
    "run_ticket_triage",
    "start_ticket_triage",
    "stream_ticket_triage",
    "wait_ticket_triage",
]


class TicketTriageInputs(Inputs):
    """What `Ticket triage` takes; `run` says what each of them is."""

    subject: Annotated[Text, Field(max_length=120)]
    message: Annotated[Text, Field(max_length=4000)]
    language: Literal["English", "Deutsch", "日本語"] | None = "English"
    order_value: Number | None = None


class TicketTriageOutputsSourcesItem(Outputs):
    """An item of `sources` of `TicketTriageOutputs`."""

    title: str
    content: str

    metadata: dict[str, Any]
    """Where the text comes from; external sources say less."""

    files: list[File] | None = None
    summary: str | None = None
    url: str | None = None
    icon: str | None = None


class TicketTriageOutputs(Outputs):
    """What `Ticket triage` gives."""

    reply: str | None = None
    """Missing when the branch 'IF' of 'Worth a look?' is taken (`order_value` ≥
    200).
    """

    category: str

    order_number: str | None = None
    """Only when the branch 'Refund or return' of 'What is it about?' is taken."""

    items: int | float | None = None
    """Only when the branch 'ELSE' of 'Worth a look?' is taken (`order_value` < 200)."""

    sources: list[TicketTriageOutputsSourcesItem] | None = None
    """Only when the branch 'Technical problem' of 'What is it about?' is taken."""

    needs_person: bool | None = None
    """Only when the branch 'IF' of 'Worth a look?' is taken (`order_value` ≥ 200)."""


class TicketTriageNode(WorkflowNode):
    """The nodes of `Ticket triage`: id, type and title. Each equals its id."""

    START = ("1735000000001", "start", "Start")
    WHAT_IS_IT_ABOUT = ("1735000000002", "question-classifier", "What is it about?")
    FIND_THE_ORDER = ("1735000000003", "parameter-extractor", "Find the order")
    WORTH_A_LOOK = ("1735000000011", "if-else", "Worth a look?")
    REFUND_REPLY = ("1735000000004", "template-transform", "Refund reply")
    SEARCH_THE_MANUAL = ("1735000000005", "knowledge-retrieval", "Search the manual")
    EXPLAIN_THE_FIX = ("1735000000006", "llm", "Explain the fix")
    GENERAL_REPLY = ("1735000000007", "llm", "General reply")
    REFUND = ("1735000000008", "end", "Refund")
    TECHNICAL = ("1735000000009", "end", "Technical")
    OTHER = ("1735000000010", "end", "Other")
    FOR_A_PERSON = ("1735000000013", "end", "For a person")


_WORKFLOW = WorkflowInfo(
    name="Ticket triage",
    outputs=TicketTriageOutputs,
    api_key_variables=("DIFY_TICKET_TRIAGE_API_KEY", "DIFY_API_KEY"),
    text_sources={
        "reply": [
            (TicketTriageNode.REFUND_REPLY, "output"),
            (TicketTriageNode.EXPLAIN_THE_FIX, "text"),
            (TicketTriageNode.GENERAL_REPLY, "text"),
        ],
        "category": [(TicketTriageNode.WHAT_IS_IT_ABOUT, "class_name")],
        "order_number": [(TicketTriageNode.FIND_THE_ORDER, "order_number")],
    },
)


class TicketTriageClient(WorkflowClient[TicketTriageInputs, TicketTriageOutputs]):
    """Runs `Ticket triage`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_TICKET_TRIAGE_API_KEY` or `DIFY_API_KEY`, and
    `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        subject: str,
        message: str,
        language: Literal["English", "Deutsch", "日本語"] | None = "English",
        order_value: float | None = None,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[TicketTriageOutputs]:
        """Run `Ticket triage` to its end and return the run, which has succeeded.

        Sorts a support ticket, drafts the reply that fits, and says what the next step
        is.

        Args:
            subject: At most 120 characters.
            message: At most 4,000 characters. What the customer wrote, without the
                signature.
            language: Language of the reply.
            order_value: In EUR.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = TicketTriageInputs(
            subject=subject,
            message=message,
            language=language,
            order_value=order_value,
        )
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        subject: str,
        message: str,
        language: Literal["English", "Deutsch", "日本語"] | None = "English",
        order_value: float | None = None,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[TicketTriageOutputs]:
        """Run `Ticket triage` as a stream, for `with` and `for`; `start` takes the
        same.
        """
        inputs = TicketTriageInputs(
            subject=subject,
            message=message,
            language=language,
            order_value=order_value,
        )
        return self.stream_inputs(inputs, user=user, **options)


class AsyncTicketTriageClient(
    AsyncWorkflowClient[TicketTriageInputs, TicketTriageOutputs],
):
    """`TicketTriageClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        subject: str,
        message: str,
        language: Literal["English", "Deutsch", "日本語"] | None = "English",
        order_value: float | None = None,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[TicketTriageOutputs]:
        """Run `Ticket triage` to its end, like `TicketTriageClient.run`."""
        inputs = TicketTriageInputs(
            subject=subject,
            message=message,
            language=language,
            order_value=order_value,
        )
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        subject: str,
        message: str,
        language: Literal["English", "Deutsch", "日本語"] | None = "English",
        order_value: float | None = None,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[TicketTriageOutputs]:
        """Stream a run of `Ticket triage`, like `TicketTriageClient.stream`."""
        inputs = TicketTriageInputs(
            subject=subject,
            message=message,
            language=language,
            order_value=order_value,
        )
        return self.stream_inputs(inputs, user=user, **options)


_client = TicketTriageClient()
run_ticket_triage = as_function(_client.run, "run_ticket_triage")
stream_ticket_triage = as_function(_client.stream, "stream_ticket_triage")
start_ticket_triage = as_function(_client.start, "start_ticket_triage")
wait_ticket_triage = as_function(_client.wait, "wait_ticket_triage")
_async_client = AsyncTicketTriageClient()
arun_ticket_triage = as_function(_async_client.run, "arun_ticket_triage")
astream_ticket_triage = as_function(_async_client.stream, "astream_ticket_triage")
astart_ticket_triage = as_function(_async_client.start, "astart_ticket_triage")
await_ticket_triage = as_function(_async_client.wait, "await_ticket_triage")
