"""The Dify workflow `合同审阅`: 读取一份合同，列出各方、金额与风险条款，并给出建议。

Written by difygen from specs/contract_review.yml. Change that file and run difygen
again.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Unpack

from pydantic import Field

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    Checkbox,
    File,
    FileInput,
    FileRules,
    Inputs,
    Outputs,
    Run,
    RunOptions,
    RunStream,
    StreamOptions,
    WorkflowClient,
    WorkflowInfo,
    WorkflowNode,
    as_function,
)

__all__ = [
    "AsyncHeTongShenYueClient",
    "HeTongShenYueClient",
    "HeTongShenYueInputs",
    "HeTongShenYueNode",
    "HeTongShenYueOutputs",
    "HeTongShenYueOutputsShenYueJieGuo",
    "HeTongShenYueOutputsShenYueJieGuoRisksItem",
    "arun_he_tong_shen_yue",
    "astart_he_tong_shen_yue",
    "astream_he_tong_shen_yue",
    "await_he_tong_shen_yue",
    "run_he_tong_shen_yue",
    "start_he_tong_shen_yue",
    "stream_he_tong_shen_yue",
    "wait_he_tong_shen_yue",
]


class HeTongShenYueInputs(Inputs):
    """What `合同审阅` takes; `run` says what each of them is."""

    contract: Annotated[FileInput, FileRules(types=("document",))]
    attachments: Annotated[
        Sequence[Annotated[FileInput, FileRules(types=("document", "image"))]] | None,
        Field(max_length=5),
    ] = None
    side: Literal["甲方", "乙方"]
    strict: Checkbox | None = False


class HeTongShenYueOutputsShenYueJieGuoRisksItem(Outputs):
    """An item of `risks` of `HeTongShenYueOutputsShenYueJieGuo`."""

    advice: str | None = None
    clause: str

    level: str
    """Expected to be "low", "medium" or "high"."""


class HeTongShenYueOutputsShenYueJieGuo(Outputs):
    """`shen_yue_jie_guo` of `HeTongShenYueOutputs`."""

    amount: int | float | None = None
    """合同总金额."""

    currency: str
    """Expected to be "CNY", "USD" or "EUR"."""

    parties: list[str]
    """合同各方的名称."""

    risks: list[HeTongShenYueOutputsShenYueJieGuoRisksItem]

    signed_on: str | None = None
    """签署日期，格式为 YYYY-MM-DD."""


class HeTongShenYueOutputs(Outputs):
    """What `合同审阅` gives."""

    shen_yue_jie_guo: Annotated[
        HeTongShenYueOutputsShenYueJieGuo | None,
        Field(alias="审阅结果"),
    ] = None
    """Only when the answer of '审阅合同' can be read as its schema asks."""

    high_risks: list[str]
    safe_to_sign: bool

    currency: str | None = None
    """Only when the answer of '审阅合同' can be read as its schema asks. Expected to
    be "CNY", "USD" or "EUR".
    """

    wen_jian_ming: Annotated[str | None, Field(alias="文件名")] = None
    """Null when the file has no `name`."""

    first_image: File | None = None
    """Null when '图片附件' leaves no member in its list."""

    images: list[File]


class HeTongShenYueNode(WorkflowNode):
    """The nodes of `合同审阅`: id, type and title. Each equals its id."""

    KAI_SHI = ("1741000000001", "start", "开始")
    TI_QU_WEN_BEN = ("1741000000002", "document-extractor", "提取文本")
    SHEN_YUE_HE_TONG = ("1741000000003", "llm", "审阅合同")
    TU_PIAN_FU_JIAN = ("1741000000004", "list-operator", "图片附件")
    TONG_JI_FENG_XIAN = ("1741000000005", "code", "统计风险")
    SHU_CHU = ("1741000000006", "end", "输出")


_WORKFLOW = WorkflowInfo(
    name="合同审阅",
    outputs=HeTongShenYueOutputs,
    api_key_variables=("DIFY_HE_TONG_SHEN_YUE_API_KEY", "DIFY_API_KEY"),
    text_sources={
        "currency": [
            (HeTongShenYueNode.SHEN_YUE_HE_TONG, "structured_output", "currency"),
        ],
        "文件名": [(HeTongShenYueNode.KAI_SHI, "contract", "name")],
    },
)


class HeTongShenYueClient(WorkflowClient[HeTongShenYueInputs, HeTongShenYueOutputs]):
    """Runs `合同审阅`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_HE_TONG_SHEN_YUE_API_KEY` or `DIFY_API_KEY`, and
    `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        contract: FileInput,
        attachments: Sequence[FileInput] | None = None,
        side: Literal["甲方", "乙方"],
        strict: bool | None = False,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[HeTongShenYueOutputs]:
        """Run `合同审阅` to its end and return the run, which has succeeded.

        读取一份合同，列出各方、金额与风险条款，并给出建议。

        Args:
            contract: 合同文件 (document).
            attachments: 附件, at most 5 files (document or image).
            side: 我方立场. Prefilled with '甲方' in Dify.
            strict: 严格模式.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = HeTongShenYueInputs(
            contract=contract,
            attachments=attachments,
            side=side,
            strict=strict,
        )
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        contract: FileInput,
        attachments: Sequence[FileInput] | None = None,
        side: Literal["甲方", "乙方"],
        strict: bool | None = False,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[HeTongShenYueOutputs]:
        """Run `合同审阅` as a stream, for `with` and `for`; `start` takes the same."""
        inputs = HeTongShenYueInputs(
            contract=contract,
            attachments=attachments,
            side=side,
            strict=strict,
        )
        return self.stream_inputs(inputs, user=user, **options)


class AsyncHeTongShenYueClient(
    AsyncWorkflowClient[HeTongShenYueInputs, HeTongShenYueOutputs],
):
    """`HeTongShenYueClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        contract: FileInput,
        attachments: Sequence[FileInput] | None = None,
        side: Literal["甲方", "乙方"],
        strict: bool | None = False,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[HeTongShenYueOutputs]:
        """Run `合同审阅` to its end, like `HeTongShenYueClient.run`."""
        inputs = HeTongShenYueInputs(
            contract=contract,
            attachments=attachments,
            side=side,
            strict=strict,
        )
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        contract: FileInput,
        attachments: Sequence[FileInput] | None = None,
        side: Literal["甲方", "乙方"],
        strict: bool | None = False,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[HeTongShenYueOutputs]:
        """Stream a run of `合同审阅`, like `HeTongShenYueClient.stream`."""
        inputs = HeTongShenYueInputs(
            contract=contract,
            attachments=attachments,
            side=side,
            strict=strict,
        )
        return self.stream_inputs(inputs, user=user, **options)


_client = HeTongShenYueClient()
run_he_tong_shen_yue = as_function(_client.run, "run_he_tong_shen_yue")
stream_he_tong_shen_yue = as_function(_client.stream, "stream_he_tong_shen_yue")
start_he_tong_shen_yue = as_function(_client.start, "start_he_tong_shen_yue")
wait_he_tong_shen_yue = as_function(_client.wait, "wait_he_tong_shen_yue")
_async_client = AsyncHeTongShenYueClient()
arun_he_tong_shen_yue = as_function(_async_client.run, "arun_he_tong_shen_yue")
astream_he_tong_shen_yue = as_function(_async_client.stream, "astream_he_tong_shen_yue")
astart_he_tong_shen_yue = as_function(_async_client.start, "astart_he_tong_shen_yue")
await_he_tong_shen_yue = as_function(_async_client.wait, "await_he_tong_shen_yue")
