"""The Dify workflow `invoice` (请求書の読み取り): Reads an invoice and its attachments,
and says what is to be paid to whom.

Written by difygen from specs/invoice.yaml. Change that file and run difygen again.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, Unpack

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Checkbox,
    File,
    FileInput,
    FileRules,
    Inputs,
    Number,
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
    "AsyncInvoiceClient",
    "InvoiceClient",
    "InvoiceInputs",
    "InvoiceInputsCustomer",
    "InvoiceOutputs",
    "InvoiceOutputsApproval",
    "InvoiceOutputsLinesItem",
    "arun_invoice",
    "astart_invoice",
    "astream_invoice",
    "await_invoice",
    "run_invoice",
    "start_invoice",
    "stream_invoice",
    "wait_invoice",
]


@with_config(ConfigDict(extra="allow"))
class InvoiceInputsCustomer(TypedDict):
    """`customer` of `InvoiceInputs`."""

    id: Text
    country: NotRequired[Literal["JP", "US", "CN"]]
    tags: NotRequired[Sequence[Text]]


class InvoiceInputs(Inputs):
    """What `invoice` takes; `run` says what each of them is."""

    invoice: Annotated[FileInput, FileRules(types=("document", "image"))]
    attachments: Annotated[
        Sequence[
            Annotated[
                FileInput,
                FileRules(types=("document", "custom"), extensions=(".eml", ".msg")),
            ]
        ]
        | None,
        Field(max_length=5),
    ] = None
    language: Literal["ja", "en", "zh-Hans"] | None = "ja"
    threshold: Number | None = 1000
    strict: Checkbox | None = False
    notes: Annotated[Text | None, Field(max_length=2000)] = None
    customer: Annotated[InvoiceInputsCustomer, SchemaChecked]


class InvoiceOutputsLinesItem(Outputs):
    """An item of `lines` of `InvoiceOutputs`."""

    text: str
    amount: int | float
    quantity: int | None = None


class InvoiceOutputsApproval(Outputs):
    """Who has to approve it."""

    name: str
    email: str | None


class InvoiceOutputs(Outputs):
    """What `invoice` gives."""

    supplier: str

    currency: str
    """Others occur. Expected to be "JPY", "USD" or "CNY"."""

    total: int | float
    """What is to be paid."""

    lines: list[InvoiceOutputsLinesItem]

    approval: InvoiceOutputsApproval | None = None
    """Who has to approve it. Only when the total is above the threshold."""

    rejected: bool
    copy_: Annotated[File, Field(alias="copy")]
    pages: list[File]
    table: list[list[str]]
    reference: str | int | None
    raw: Any


_WORKFLOW = WorkflowInfo(
    name="invoice",
    outputs=InvoiceOutputs,
    api_key_variables=("DIFY_INVOICE_API_KEY", "DIFY_API_KEY"),
)


class InvoiceClient(WorkflowClient[InvoiceInputs, InvoiceOutputs]):
    """Runs `invoice`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_INVOICE_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        invoice: FileInput,
        attachments: Sequence[FileInput] | None = None,
        language: Literal["ja", "en", "zh-Hans"] | None = "ja",
        threshold: float | None = 1000,
        strict: bool | None = False,
        notes: str | None = None,
        customer: InvoiceInputsCustomer,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[InvoiceOutputs]:
        """Run `invoice` to its end and return the run, which has succeeded.

        Reads an invoice and its attachments, and says what is to be paid to whom.

        Args:
            invoice: 請求書 (document or image). The invoice itself.
            attachments: 添付ファイル, at most 5 files (document, .eml or .msg).
            language: 言語.
            threshold: Amounts above it need an approval.
            strict: 厳密.
            notes: 備考, at most 2,000 characters.
            customer: 顧客.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = InvoiceInputs(
            invoice=invoice,
            attachments=attachments,
            language=language,
            threshold=threshold,
            strict=strict,
            notes=notes,
            customer=customer,
        )
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        invoice: FileInput,
        attachments: Sequence[FileInput] | None = None,
        language: Literal["ja", "en", "zh-Hans"] | None = "ja",
        threshold: float | None = 1000,
        strict: bool | None = False,
        notes: str | None = None,
        customer: InvoiceInputsCustomer,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[InvoiceOutputs]:
        """Run `invoice` as a stream, for `with` and `for`; `start` takes the same."""
        inputs = InvoiceInputs(
            invoice=invoice,
            attachments=attachments,
            language=language,
            threshold=threshold,
            strict=strict,
            notes=notes,
            customer=customer,
        )
        return self.stream_inputs(inputs, user=user, **options)


class AsyncInvoiceClient(AsyncWorkflowClient[InvoiceInputs, InvoiceOutputs]):
    """`InvoiceClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        invoice: FileInput,
        attachments: Sequence[FileInput] | None = None,
        language: Literal["ja", "en", "zh-Hans"] | None = "ja",
        threshold: float | None = 1000,
        strict: bool | None = False,
        notes: str | None = None,
        customer: InvoiceInputsCustomer,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[InvoiceOutputs]:
        """Run `invoice` to its end, like `InvoiceClient.run`."""
        inputs = InvoiceInputs(
            invoice=invoice,
            attachments=attachments,
            language=language,
            threshold=threshold,
            strict=strict,
            notes=notes,
            customer=customer,
        )
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        invoice: FileInput,
        attachments: Sequence[FileInput] | None = None,
        language: Literal["ja", "en", "zh-Hans"] | None = "ja",
        threshold: float | None = 1000,
        strict: bool | None = False,
        notes: str | None = None,
        customer: InvoiceInputsCustomer,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[InvoiceOutputs]:
        """Stream a run of `invoice`, like `InvoiceClient.stream`."""
        inputs = InvoiceInputs(
            invoice=invoice,
            attachments=attachments,
            language=language,
            threshold=threshold,
            strict=strict,
            notes=notes,
            customer=customer,
        )
        return self.stream_inputs(inputs, user=user, **options)


_client = InvoiceClient()
run_invoice = as_function(_client.run, "run_invoice")
stream_invoice = as_function(_client.stream, "stream_invoice")
start_invoice = as_function(_client.start, "start_invoice")
wait_invoice = as_function(_client.wait, "wait_invoice")
_async_client = AsyncInvoiceClient()
arun_invoice = as_function(_async_client.run, "arun_invoice")
astream_invoice = as_function(_async_client.stream, "astream_invoice")
astart_invoice = as_function(_async_client.start, "astart_invoice")
await_invoice = as_function(_async_client.wait, "await_invoice")
