"""Answers to the forms of a workflow, as its own classes have them. Type checkers find nothing here."""

from client import (
    AsyncExpensesClient,
    ExpensesAskTheBossAnswer,
    ExpensesClient,
    ExpensesInputs,
    ExpensesReviewAnswer,
    ExpensesReviewAnswerAction,
    Form,
    FormAnswer,
    HumanInputRequired,
    RunPausedError,
)

pressed: ExpensesReviewAnswerAction = "approve"


def answered(form: Form) -> FormAnswer:
    if form.node_id == ExpensesReviewAnswer.node_id:
        return ExpensesReviewAnswer(action_=pressed, action="a", str="b", node_id_="c", copy_="d", title="e")
    return ExpensesAskTheBossAnswer(
        action="action_1",
        comment="fine",
        budget="travel",
        month="May",
        proof="bill.pdf",
        pictures=[("a.png", b""), "https://example.com/b.png"],
    )


def use(client: ExpensesClient) -> str | None:
    try:
        return client.run(topic="a train").outputs.comment
    except RunPausedError as paused:
        client.submit_form(paused.forms, answered(paused.forms[0]), user="ada")
        client.submit_form(paused.forms[0], action="action_1", inputs={"comment": "fine"})
        with client.resume(paused) as stream:
            return stream.result().outputs.comment


async def use_async(client: AsyncExpensesClient) -> str | None:
    async with client.stream(topic="a train") as stream:
        async for event in stream:
            if isinstance(event, HumanInputRequired):
                await client.submit_form(event.form, answered(event.form))
    form = await client.get_form("token")
    await client.submit_form(form, ExpensesReviewAnswer.model_validate_json("{}"))
    run = await client.run_inputs(ExpensesInputs(topic="a train"))
    return run.outputs.comment
