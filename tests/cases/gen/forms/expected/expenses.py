"""The Dify workflow `expenses`.

Written by difygen from expenses.yml. Change that file and run difygen again.
"""

import builtins
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Unpack

from pydantic import Field

from ._runtime import (
    AsyncRunStream,
    AsyncWorkflowClient,
    FileInput,
    FileRules,
    FormAnswer,
    Inputs,
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
    "AsyncExpensesClient",
    "ExpensesAskTheBossAnswer",
    "ExpensesClient",
    "ExpensesInputs",
    "ExpensesNode",
    "ExpensesOutputs",
    "ExpensesReviewAnswer",
    "ExpensesReviewAnswerAction",
    "arun_expenses",
    "astart_expenses",
    "astream_expenses",
    "await_expenses",
    "run_expenses",
    "start_expenses",
    "stream_expenses",
    "wait_expenses",
]

ExpensesReviewAnswerAction = Literal[
    "approve",
    "and_now_for_something_completely_different",
]


class ExpensesInputs(Inputs):
    """What `expenses` takes; `run` says what each of them is."""

    topic: Annotated[Text, Field(max_length=48)]


class ExpensesOutputs(Outputs):
    """What `expenses` gives."""

    comment: str | None = None
    """Only when the branch 'Approve' of 'Names that are taken' is taken."""


class ExpensesAskTheBossAnswer(FormAnswer):
    """An answer to the form of `Ask the boss`, for `submit_form`."""

    node_id: ClassVar[str] = "1735000000001"

    action: Literal["action_1", "action_2"]
    """`action_1` is 'Approve', `action_2` is 'Send it back'."""

    comment: Text
    """Prefilled with 'looks fine' in Dify."""

    budget: Literal["travel", "office"]
    month: Text

    proof: Annotated[FileInput, FileRules(types=("document",))]
    """Document."""

    pictures: Annotated[
        Sequence[Annotated[FileInput, FileRules(types=("image",))]],
        Field(max_length=2),
    ]
    """At most 2 files (image)."""


class ExpensesReviewAnswer(FormAnswer):
    """An answer to the form of `Names that are taken`, for `submit_form`."""

    node_id: ClassVar[builtins.str] = "review"
    action_: ExpensesReviewAnswerAction
    action: Text
    str: Text

    node_id_: Annotated[Text, Field(alias="node_id")]
    """Sent as `node_id`."""

    copy_: Annotated[Text, Field(alias="copy")]
    """Sent as `copy`."""

    title: Annotated[Text, Field(alias="Title")]
    """Sent as `Title`."""


class ExpensesNode(WorkflowNode):
    """The nodes of `expenses`: id, type and title. Each equals its id."""

    START1 = ("start1", "start", "Start")
    ASK_THE_BOSS = ("1735000000001", "human-input", "Ask the boss")
    REVIEW = ("review", "human-input", "Names that are taken")
    END_OK = ("end_ok", "end", "Done")


_WORKFLOW = WorkflowInfo(
    name="expenses",
    outputs=ExpensesOutputs,
    api_key_variables=("DIFY_EXPENSES_API_KEY", "DIFY_API_KEY"),
    text_sources={"comment": [(ExpensesNode.ASK_THE_BOSS, "comment")]},
)


class ExpensesClient(WorkflowClient[ExpensesInputs, ExpensesOutputs]):
    """Runs `expenses`, all calls over one pool of connections.

    Reads `DIFY_BASE_URL`, `DIFY_EXPENSES_API_KEY` or `DIFY_API_KEY`, and `DIFY_USER`.
    """

    _workflow = _WORKFLOW

    def run(
        self,
        *,
        topic: str,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[ExpensesOutputs]:
        """Run `expenses` to its end and return the run, which has succeeded.

        Args:
            topic: At most 48 characters.
            user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

        Raises:
            pydantic.ValidationError: An input is not what the workflow takes.
            RunPausedError: A person is asked: pass its `.forms` and a
                `ExpensesAskTheBossAnswer` or `ExpensesReviewAnswer` to `submit_form`,
                then `resume` the run.
            DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
        """
        inputs = ExpensesInputs(topic=topic)
        return self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        topic: str,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> RunStream[ExpensesOutputs]:
        """Run `expenses` as a stream, for `with` and `for`; `start` takes the same."""
        inputs = ExpensesInputs(topic=topic)
        return self.stream_inputs(inputs, user=user, **options)


class AsyncExpensesClient(AsyncWorkflowClient[ExpensesInputs, ExpensesOutputs]):
    """`ExpensesClient` for asyncio."""

    _workflow = _WORKFLOW

    async def run(
        self,
        *,
        topic: str,
        user: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run[ExpensesOutputs]:
        """Run `expenses` to its end, like `ExpensesClient.run`."""
        inputs = ExpensesInputs(topic=topic)
        return await self.run_inputs(inputs, user=user, **options)

    def stream(
        self,
        *,
        topic: str,
        user: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncRunStream[ExpensesOutputs]:
        """Stream a run of `expenses`, like `ExpensesClient.stream`."""
        inputs = ExpensesInputs(topic=topic)
        return self.stream_inputs(inputs, user=user, **options)


_client = ExpensesClient()
run_expenses = as_function(_client.run, "run_expenses")
stream_expenses = as_function(_client.stream, "stream_expenses")
start_expenses = as_function(_client.start, "start_expenses")
wait_expenses = as_function(_client.wait, "wait_expenses")
_async_client = AsyncExpensesClient()
arun_expenses = as_function(_async_client.run, "arun_expenses")
astream_expenses = as_function(_async_client.stream, "astream_expenses")
astart_expenses = as_function(_async_client.start, "astart_expenses")
await_expenses = as_function(_async_client.wait, "await_expenses")
