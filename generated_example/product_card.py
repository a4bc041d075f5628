"""The Dify workflow `Product card`: Writes the product card of an article and publishes
it in the shop.

Written by difygen from specs/product_card.yml. Change that file and run difygen again.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NotRequired, Unpack

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Checkbox,
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
    WorkflowNode,
    as_function,
)

__all__ = [
    "AsyncProductCardClient",
    "ProductCardClient",
    "ProductCardInputs",
    "ProductCardInputsArticle",
    "ProductCardInputsArticleSize",
    "ProductCardNode",
    "ProductCardOutputs",
    "ProductCardOutputsCard",
    "ProductCardOutputsCardSeo",
    "arun_product_card",
    "astart_product_card",
    "astream_product_card",
    "await_product_card",
    "run_product_card",
    "start_product_card",
    "stream_product_card",
    "wait_product_card",
]


@with_config(ConfigDict(extra="allow"))
class ProductCardInputsArticleSize(TypedDict):
    """`size` of `ProductCardInputsArticle`."""

    width: Number
    height: Number


@with_config(ConfigDict(extra="allow"))
class ProductCardInputsArticle(TypedDict):
    """`article` of `ProductCardInputs`."""

    sku: Text
    """Article number."""

    price: Number
    colours: NotRequired[Sequence[Text]]
    size: NotRequired[ProductCardInputsArticleSize]


class ProductCardInputs(Inputs):
    """What `Product card` takes; `run` says what each of them is."""

    article: Annotated[ProductCardInputsArticle, SchemaChecked]
    tone: Literal["matter-of-fact", "playful", "premium"] | None = "matter-of-fact"
    words: Number | None = 80
    publish: Checkbox | None = False
    campaign: Annotated[Text | None, Field(max_length=32)] = None


class ProductCardOutputsCardSeo(Outputs):
    """`seo` of `ProductCardOutputsCard`."""

    description: str | None = None
    keywords: list[str]
    title: str


class ProductCardOutputsCard(Outputs):
    """`card` of `ProductCardOutputs`."""

    bullets: list[str]

    headline: str
    """At most eight words."""

    seo: ProductCardOutputsCardSeo

    tone: str
    """Expected to be "matter-of-fact", "playful" or "premium"."""


class ProductCardOutputs(Outputs):
    """What `Product card` gives."""

    card: ProductCardOutputsCard | None = None
    """Only when the answer of 'Write the card' can be read as its schema asks."""

    headline: str | None = None
    """Only when the answer of 'Write the card' can be read as its schema asks."""

    keywords: list[str] | None = None
    """Only when the answer of 'Write the card' can be read as its schema asks."""

    status_code: int | None = None
    """Only when 'Publish in the shop' succeeds."""

    message: str
    tokens: int


class ProductCardNode(WorkflowNode):
    """The nodes of `Product card`: id, type and title. Each equals its id."""

    START = ("1746000000001", "start", "Start")
    WRITE_THE_CARD = ("1746000000002", "llm", "Write the card")
    PUBLISH_IN_THE_SHOP = ("1746000000003", "http-request", "Publish in the shop")
    WHAT_WENT_WRONG = ("1746000000005", "template-transform", "What went wrong")
    WHAT_HAPPENED = ("1746000000004", "variable-aggregator", "What happened")
    END = ("1746000000006", "end", "End")


_WORKFLOW = WorkflowInfo(
    name="Product card",
    outputs=ProductCardOutputs,
    api_key_variables=("DIFY_PRODUCT_CARD_API_KEY", "DIFY_API_KEY"),
    text_sources={
        "headline": [(ProductCardNode.WRITE_THE_CARD, "structured_output", "headline")],
        "message": [(ProductCardNode.WHAT_HAPPENED, "output")],
    },
)


class ProductCardClient(WorkflowClient[ProductCardInputs, ProductCardOutputs]):
    """Runs `Product card`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_PRODUCT_CARD_API_KEY` or `DIFY_API_KEY`, and
    `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        article: ProductCardInputsArticle,
        tone: Literal["matter-of-fact", "playful", "premium"] | None = "matter-of-fact",
        words: float | None = 80,
        publish: bool | None = False,
        campaign: str | None = None,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[ProductCardOutputs]:
        """Run `Product card` to its end and return the run, which has succeeded.

        Writes the product card of an article and publishes it in the shop.

        Args:
            article: As the warehouse exports it.
            words: Length of the description.
            campaign: At most 32 characters.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = ProductCardInputs(
            article=article,
            tone=tone,
            words=words,
            publish=publish,
            campaign=campaign,
        )
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        article: ProductCardInputsArticle,
        tone: Literal["matter-of-fact", "playful", "premium"] | None = "matter-of-fact",
        words: float | None = 80,
        publish: bool | None = False,
        campaign: str | None = None,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[ProductCardOutputs]:
        """Run `Product card` as a stream, for `with` and `for`; `start` takes the
        same.
        """
        inputs = ProductCardInputs(
            article=article,
            tone=tone,
            words=words,
            publish=publish,
            campaign=campaign,
        )
        return self.stream_inputs(inputs, user=user, **options)


class AsyncProductCardClient(
    AsyncWorkflowClient[ProductCardInputs, ProductCardOutputs],
):
    """`ProductCardClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        article: ProductCardInputsArticle,
        tone: Literal["matter-of-fact", "playful", "premium"] | None = "matter-of-fact",
        words: float | None = 80,
        publish: bool | None = False,
        campaign: str | None = None,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[ProductCardOutputs]:
        """Run `Product card` to its end, like `ProductCardClient.run`."""
        inputs = ProductCardInputs(
            article=article,
            tone=tone,
            words=words,
            publish=publish,
            campaign=campaign,
        )
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        article: ProductCardInputsArticle,
        tone: Literal["matter-of-fact", "playful", "premium"] | None = "matter-of-fact",
        words: float | None = 80,
        publish: bool | None = False,
        campaign: str | None = None,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[ProductCardOutputs]:
        """Stream a run of `Product card`, like `ProductCardClient.stream`."""
        inputs = ProductCardInputs(
            article=article,
            tone=tone,
            words=words,
            publish=publish,
            campaign=campaign,
        )
        return self.stream_inputs(inputs, user=user, **options)


_client = ProductCardClient()
run_product_card = as_function(_client.run, "run_product_card")
stream_product_card = as_function(_client.stream, "stream_product_card")
start_product_card = as_function(_client.start, "start_product_card")
wait_product_card = as_function(_client.wait, "wait_product_card")
_async_client = AsyncProductCardClient()
arun_product_card = as_function(_async_client.run, "arun_product_card")
astream_product_card = as_function(_async_client.stream, "astream_product_card")
astart_product_card = as_function(_async_client.start, "astart_product_card")
await_product_card = as_function(_async_client.wait, "await_product_card")
