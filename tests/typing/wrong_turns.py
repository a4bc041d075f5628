"""Mistakes with turns and conversations that type checkers must find: each in the line of its comment, and no other."""

from client import ConcatInputs, Message, achat_desk, chat_desk, stream_desk
from client.desk import AsyncDeskClient, DeskClient

chat_desk(order="A-17")  # the query forgotten
chat_desk("Where is it?")  # missing input
chat_desk(7, order="A-17")  # a number for the query
chat_desk("Where is it?", "A-17")  # an input by position
chat_desk("Where is it?", order=17)  # a number for a string
chat_desk("Where is it?", order="A-17", tone="rude")  # wrong option
chat_desk("Where is it?", order="A-17", colour="red")  # unknown input
chat_desk("Where is it?", order="A-17", files=7)  # a number for a list of files
chat_desk("Where is it?", order="A-17", stop_on_exit="yes")  # a string for a flag
chat_desk("Where is it?", order="A-17", response_mode="polling")  # wrong mode
stream_desk("Where is it?", order="A-17", response_mode="blocking")  # no such option of streams
chat_desk("Where is it?", order="A-17").anwser  # misspelt attribute
chat_desk("Where is it?", order="A-17").outputs  # what a run has, and a turn has not
chat_desk("Where is it?", order="A-17").usage.total_tokens  # may be None


def talk(client: DeskClient, inputs: ConcatInputs) -> None:
    client.conversation()  # missing input
    conversation = client.conversation(order="A-17")
    conversation.send()  # the query forgotten
    conversation.send("Where is it?", order="B-4")  # an input, which is the conversation's
    conversation.variables().turns.upper()  # a number is no text
    conversation.variables().turn  # misspelt variable
    client.chat_inputs("Where is it?", inputs)  # inputs of another app
    with conversation.stream("Where is it?") as stream:
        for event in stream:
            if isinstance(event, Message):
                event.answer.append("more")  # a text is no list


async def from_asyncio(client: AsyncDeskClient) -> None:
    achat_desk("Where is it?", order="A-17").answer  # a turn that was not awaited
    client.conversation(order="A-17").variables().language  # variables that were not awaited
