"""Typed clients of 11 Dify apps.

Written by difygen. A name is imported from its module when it is first asked for.
"""

# What tools take for true by its name; `typing`, which has it too, takes time to import.
TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from ._runtime import *  # noqa: F403, RUF100
    from .concat import *  # noqa: F403, RUF100
    from .he_tong_shen_yue import *  # noqa: F403, RUF100
    from .invoice import *  # noqa: F403, RUF100
    from .nightly_report import *  # noqa: F403, RUF100
    from .order_desk import *  # noqa: F403, RUF100
    from .product_card import *  # noqa: F403, RUF100
    from .product_guide import *  # noqa: F403, RUF100
    from .returns_desk import *  # noqa: F403, RUF100
    from .support_reply import *  # noqa: F403, RUF100
    from .ticket_triage import *  # noqa: F403, RUF100
    from .translate_pages import *  # noqa: F403, RUF100

_RUNTIME = "._runtime"
_NAMES = {
    ".concat": """
        AsyncConcatClient ConcatClient ConcatInputs ConcatOutputs arun_concat
        astart_concat astream_concat await_concat run_concat start_concat stream_concat
        wait_concat
    """,
    ".he_tong_shen_yue": """
        AsyncHeTongShenYueClient HeTongShenYueClient HeTongShenYueInputs
        HeTongShenYueNode HeTongShenYueOutputs HeTongShenYueOutputsShenYueJieGuo
        HeTongShenYueOutputsShenYueJieGuoRisksItem arun_he_tong_shen_yue
        astart_he_tong_shen_yue astream_he_tong_shen_yue await_he_tong_shen_yue
        run_he_tong_shen_yue start_he_tong_shen_yue stream_he_tong_shen_yue
        wait_he_tong_shen_yue
    """,
    ".invoice": """
        AsyncInvoiceClient InvoiceClient InvoiceInputs InvoiceInputsCustomer
        InvoiceOutputs InvoiceOutputsApproval InvoiceOutputsLinesItem arun_invoice
        astart_invoice astream_invoice await_invoice run_invoice start_invoice
        stream_invoice wait_invoice
    """,
    ".nightly_report": """
        AsyncNightlyReportClient NightlyReportClient NightlyReportInputs
        NightlyReportOutputs arun_nightly_report astart_nightly_report
        astream_nightly_report await_nightly_report run_nightly_report
        start_nightly_report stream_nightly_report wait_nightly_report
    """,
    ".order_desk": """
        AsyncOrderDeskClient OrderDeskClient OrderDeskInputs OrderDeskNode
        OrderDeskVariables achat_order_desk astream_order_desk chat_order_desk
        stream_order_desk
    """,
    ".product_card": """
        AsyncProductCardClient ProductCardClient ProductCardInputs
        ProductCardInputsArticle ProductCardInputsArticleSize ProductCardNode
        ProductCardOutputs ProductCardOutputsCard ProductCardOutputsCardSeo
        arun_product_card astart_product_card astream_product_card await_product_card
        run_product_card start_product_card stream_product_card wait_product_card
    """,
    ".product_guide": """
        AsyncProductGuideClient ProductGuideClient ProductGuideInputs
        achat_product_guide astream_product_guide chat_product_guide
        stream_product_guide
    """,
    ".returns_desk": """
        AsyncReturnsDeskClient ReturnsDeskClient ReturnsDeskInputs ReturnsDeskVariables
        achat_returns_desk astream_returns_desk chat_returns_desk stream_returns_desk
    """,
    ".support_reply": """
        AsyncSupportReplyClient SupportReplyClient SupportReplyInputs
        SupportReplyInputsContext SupportReplyOutputs SupportReplyOutputsSourcesItem
        arun_support_reply astart_support_reply astream_support_reply
        await_support_reply run_support_reply start_support_reply stream_support_reply
        wait_support_reply
    """,
    ".ticket_triage": """
        AsyncTicketTriageClient TicketTriageClient TicketTriageInputs TicketTriageNode
        TicketTriageOutputs TicketTriageOutputsSourcesItem arun_ticket_triage
        astart_ticket_triage astream_ticket_triage await_ticket_triage run_ticket_triage
        start_ticket_triage stream_ticket_triage wait_ticket_triage
    """,
    ".translate_pages": """
        AsyncTranslatePagesClient TranslatePagesClient TranslatePagesInputs
        TranslatePagesNode TranslatePagesOutputs arun_translate_pages
        astart_translate_pages astream_translate_pages await_translate_pages
        run_translate_pages start_translate_pages stream_translate_pages
        wait_translate_pages
    """,
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if f".{name}" in (_RUNTIME, *_NAMES):
            return import_module(f".{name}", __name__)
        home = import_module(_HOMES.get(name, _RUNTIME), __name__)
        if name == "__all__":
            value = sorted([*home.__all__, *_HOMES])
        elif name in _HOMES or name in home.__all__:
            value = getattr(home, name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return __getattr__("__all__")
