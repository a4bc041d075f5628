"""The Dify workflow `2024 年度报告`.

Written by difygen from definition.yaml. Change that file and run difygen again.
"""

import builtins
from typing import Annotated, Any, Unpack

from pydantic import Field

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
    StreamOptions,
    Text,
    WorkflowClient,
    WorkflowInfo,
    as_function,
)

__all__ = [
    "AsyncWorkflow2024NianDuBaoGaoClient",
    "Workflow2024NianDuBaoGaoClient",
    "Workflow2024NianDuBaoGaoInputs",
    "Workflow2024NianDuBaoGaoOutputs",
    "arun_workflow_2024_nian_du_bao_gao",
    "astart_workflow_2024_nian_du_bao_gao",
    "astream_workflow_2024_nian_du_bao_gao",
    "await_workflow_2024_nian_du_bao_gao",
    "run_workflow_2024_nian_du_bao_gao",
    "start_workflow_2024_nian_du_bao_gao",
    "stream_workflow_2024_nian_du_bao_gao",
    "wait_workflow_2024_nian_du_bao_gao",
]


class Workflow2024NianDuBaoGaoInputs(Inputs):
    """What `2024 年度报告` takes; `run` says what each of them is."""

    class_: Annotated[Text, Field(alias="class")]
    list: Number
    user_8d93: Annotated[Text, Field(alias="user")]
    user_: Text
    user_name_586c: Annotated[Text, Field(alias="userName")]
    user_name: Text
    user_name_5f20: Annotated[Text, Field(alias="user name")]
    json_: Annotated[Text, Field(alias="json")]
    model_config_: Annotated[Text, Field(alias="model_config")]
    model_name: Text
    zi_duan: Annotated[Text, Field(alias="字段")]
    robot: Annotated[Text, Field(alias="🤖")]
    input_1: Annotated[Text, Field(alias="1")]
    private: Annotated[Text, Field(alias="_private")]
    input: Annotated[Text, Field(alias="")]
    self_: Annotated[Checkbox, Field(alias="self")]


class Workflow2024NianDuBaoGaoOutputs(Outputs):
    """What `2024 年度报告` gives."""

    list: builtins.list[builtins.str]
    dict_: Annotated[dict[builtins.str, Any], Field(alias="dict")]
    copy_: Annotated[builtins.str, Field(alias="copy")]
    user: builtins.str
    import_: Annotated[builtins.str, Field(alias="import")]
    jie_guo: Annotated[builtins.str, Field(alias="结果")]
    output_2: Annotated[builtins.str, Field(alias="2")]
    action_id: Annotated[builtins.str, Field(alias="__action_id")]
    str: builtins.str


_WORKFLOW = WorkflowInfo(
    name="2024 年度报告",
    outputs=Workflow2024NianDuBaoGaoOutputs,
    api_key_variables=("DIFY_WORKFLOW_2024_NIAN_DU_BAO_GAO_API_KEY", "DIFY_API_KEY"),
)


class Workflow2024NianDuBaoGaoClient(
    WorkflowClient[Workflow2024NianDuBaoGaoInputs, Workflow2024NianDuBaoGaoOutputs],
):
    """Runs `2024 年度报告`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_WORKFLOW_2024_NIAN_DU_BAO_GAO_API_KEY` or
    `DIFY_API_KEY`, and `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        class_: str,
        list: float,
        user_8d93: str,
        user_: str,
        user_name_586c: str,
        user_name: str,
        user_name_5f20: str,
        json_: str,
        model_config_: str,
        model_name: str,
        zi_duan: str,
        robot: str,
        input_1: str,
        private: str,
        input: str,
        self_: bool,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[Workflow2024NianDuBaoGaoOutputs]:
        """Run `2024 年度报告` to its end and return the run, which has succeeded.

        Args:
            class_: Sent as `class`.
            user_8d93: Sent as `user`.
            user_name_586c: Sent as `userName`.
            user_name_5f20: Sent as `user name`.
            json_: Sent as `json`.
            model_config_: Sent as `model_config`.
            zi_duan: Sent as `字段`.
            robot: Sent as `🤖`.
            input_1: Sent as `1`.
            private: Sent as `_private`.
            input: Sent as ``.
            self_: Sent as `self`.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = Workflow2024NianDuBaoGaoInputs(
            class_=class_,
            list=list,
            user_8d93=user_8d93,
            user_=user_,
            user_name_586c=user_name_586c,
            user_name=user_name,
            user_name_5f20=user_name_5f20,
            json_=json_,
            model_config_=model_config_,
            model_name=model_name,
            zi_duan=zi_duan,
            robot=robot,
            input_1=input_1,
            private=private,
            input=input,
            self_=self_,
        )
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        class_: str,
        list: float,
        user_8d93: str,
        user_: str,
        user_name_586c: str,
        user_name: str,
        user_name_5f20: str,
        json_: str,
        model_config_: str,
        model_name: str,
        zi_duan: str,
        robot: str,
        input_1: str,
        private: str,
        input: str,
        self_: bool,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[Workflow2024NianDuBaoGaoOutputs]:
        """Run `2024 年度报告` as a stream, for `with` and `for`; `start` takes the
        same.
        """
        inputs = Workflow2024NianDuBaoGaoInputs(
            class_=class_,
            list=list,
            user_8d93=user_8d93,
            user_=user_,
            user_name_586c=user_name_586c,
            user_name=user_name,
            user_name_5f20=user_name_5f20,
            json_=json_,
            model_config_=model_config_,
            model_name=model_name,
            zi_duan=zi_duan,
            robot=robot,
            input_1=input_1,
            private=private,
            input=input,
            self_=self_,
        )
        return self.stream_inputs(inputs, user=user, **options)


class AsyncWorkflow2024NianDuBaoGaoClient(
    AsyncWorkflowClient[
        Workflow2024NianDuBaoGaoInputs,
        Workflow2024NianDuBaoGaoOutputs,
    ],
):
    """`Workflow2024NianDuBaoGaoClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        class_: str,
        list: float,
        user_8d93: str,
        user_: str,
        user_name_586c: str,
        user_name: str,
        user_name_5f20: str,
        json_: str,
        model_config_: str,
        model_name: str,
        zi_duan: str,
        robot: str,
        input_1: str,
        private: str,
        input: str,
        self_: bool,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[Workflow2024NianDuBaoGaoOutputs]:
        """Run `2024 年度报告` to its end, like `Workflow2024NianDuBaoGaoClient.run`."""
        inputs = Workflow2024NianDuBaoGaoInputs(
            class_=class_,
            list=list,
            user_8d93=user_8d93,
            user_=user_,
            user_name_586c=user_name_586c,
            user_name=user_name,
            user_name_5f20=user_name_5f20,
            json_=json_,
            model_config_=model_config_,
            model_name=model_name,
            zi_duan=zi_duan,
            robot=robot,
            input_1=input_1,
            private=private,
            input=input,
            self_=self_,
        )
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        class_: str,
        list: float,
        user_8d93: str,
        user_: str,
        user_name_586c: str,
        user_name: str,
        user_name_5f20: str,
        json_: str,
        model_config_: str,
        model_name: str,
        zi_duan: str,
        robot: str,
        input_1: str,
        private: str,
        input: str,
        self_: bool,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[Workflow2024NianDuBaoGaoOutputs]:
        """Stream a run of `2024 年度报告`, like
        `Workflow2024NianDuBaoGaoClient.stream`.
        """
        inputs = Workflow2024NianDuBaoGaoInputs(
            class_=class_,
            list=list,
            user_8d93=user_8d93,
            user_=user_,
            user_name_586c=user_name_586c,
            user_name=user_name,
            user_name_5f20=user_name_5f20,
            json_=json_,
            model_config_=model_config_,
            model_name=model_name,
            zi_duan=zi_duan,
            robot=robot,
            input_1=input_1,
            private=private,
            input=input,
            self_=self_,
        )
        return self.stream_inputs(inputs, user=user, **options)


_client = Workflow2024NianDuBaoGaoClient()
run_workflow_2024_nian_du_bao_gao = as_function(
    _client.run,
    "run_workflow_2024_nian_du_bao_gao",
)
stream_workflow_2024_nian_du_bao_gao = as_function(
    _client.stream,
    "stream_workflow_2024_nian_du_bao_gao",
)
start_workflow_2024_nian_du_bao_gao = as_function(
    _client.start,
    "start_workflow_2024_nian_du_bao_gao",
)
wait_workflow_2024_nian_du_bao_gao = as_function(
    _client.wait,
    "wait_workflow_2024_nian_du_bao_gao",
)
_async_client = AsyncWorkflow2024NianDuBaoGaoClient()
arun_workflow_2024_nian_du_bao_gao = as_function(
    _async_client.run,
    "arun_workflow_2024_nian_du_bao_gao",
)
astream_workflow_2024_nian_du_bao_gao = as_function(
    _async_client.stream,
    "astream_workflow_2024_nian_du_bao_gao",
)
astart_workflow_2024_nian_du_bao_gao = as_function(
    _async_client.start,
    "astart_workflow_2024_nian_du_bao_gao",
)
await_workflow_2024_nian_du_bao_gao = as_function(
    _async_client.wait,
    "await_workflow_2024_nian_du_bao_gao",
)
