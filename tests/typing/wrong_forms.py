"""Mistakes in answers to forms, one a line. Type checkers find each of them, and nothing else."""

from client import AsyncExpensesClient, ExpensesAskTheBossAnswer, ExpensesClient, ExpensesReviewAnswer, RunPausedError

ExpensesReviewAnswer(action_="aprove", action="a", str="b", node_id_="c", copy_="d", title="e")  # no such button
ExpensesReviewAnswer(action_="approve", action=1, str="b", node_id_="c", copy_="d", title="e")  # a text is needed
ExpensesReviewAnswer(action="a", str="b", node_id_="c", copy_="d", title="e")  # no button
ExpensesReviewAnswer(action_="approve", action="a", str="b", node_id_="c", copy_="d", titel="e")  # misspelt


def use(client: ExpensesClient, paused: RunPausedError, answer: ExpensesAskTheBossAnswer) -> None:
    client.submit_form(paused.forms[0])  # no answer
    client.submit_form(answer)  # no form
    client.submit_form(paused.forms[0], {"comment": "fine"})  # no class of the node
    client.submit_form(paused.forms, action="action_1")  # which of the forms
    print(answer.coment)  # no such field
    if answer.action == "action_3":  # no such button
        print("none of them")
    if answer.budget == "trael":  # no such option
        print("nor this")


async def use_async(client: AsyncExpensesClient, paused: RunPausedError, answer: ExpensesReviewAnswer) -> None:
    await client.submit_form(paused.forms, answer, action="approve")  # twice
