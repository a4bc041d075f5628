"""A caller whose mistakes type checkers must find: each in the line of its comment, and no other."""

from client import ConcatInputs, nothing_of_the_kind, run_concat, run_kinds, stream_concat  # unknown name
from client import AsyncConcatClient, ConcatClient, arun_concat
from client.kinds import KindsClient, KindsInputs, KindsInputsProfile

run_concat(string="a", num=1, list="list_d")  # wrong option
run_concat(num=1, list="list_a")  # missing input
run_concat(string="a", num="1", list="list_a")  # a string for a number
run_concat(string=1, num=1, list="list_a")  # a number for a string
run_concat("a", 1, "list_a")  # positional arguments
run_concat(string="a", num=1, list="list_a", colour="red")  # unknown input
run_concat(string="a", num=1, list="list_a", response_mode="polling")  # wrong mode
stream_concat(string="a", num=1, list="list_a", response_mode="blocking")  # no such parameter
ConcatInputs(string="a", num=1, list="b")  # wrong option of the model
ConcatInputs(string="a", num=1)  # missing input of the model
run_concat(string="a", num=1, list="list_a").outputs.reslut  # misspelt output
len(run_kinds(text="a", files=[], profile={"name": "n"}, settings={}, class_=True).outputs.maybe)  # may be None
run_kinds(text="a", files=[], profile={"nam": "n"}, settings={}, class_=True)  # wrong key
run_kinds(text="a", files=[], profile={"name": 1}, settings={}, class_=True)  # wrong type of a member
run_kinds(text="a", files=[], profile={"name": "n"}, settings={}, class_=True, sort="size")  # wrong option
profile: KindsInputsProfile = {"name": "n", "address": {"town": "x"}}  # wrong key of a nested object
run_concat(string="a", num=1, list="list_a", time_out=60)  # misspelt option
run_concat(string="a", num=1, list="list_a", timeout="60")  # a string for seconds
run_concat(string="a", num=1, list="list_a", workflow_id=7)  # a number for an id
run_concat(string="a", num=1, list="list_a", user=7)  # a number for a user
run_concat(string="a", num=1, list="list_a", stop_on_exit="yes")  # a string for a flag
stream_concat(string="a", num=1, list="list_a", stop_on_exit="yes")  # a string for a flag
run_concat(string="a", num=1, list="list_a", headers={"X-Number": 1})  # a number for a header
ConcatClient(proxy=8080)  # a port for a proxy
run_concat(num=1, list="list_d", timeout="60")  # missing input, wrong option, wrong type


def of_another_app(inputs: KindsInputs, concat: ConcatInputs) -> None:
    ConcatClient().run_inputs(inputs)  # inputs of another app
    ConcatClient().stream_inputs(inputs)  # inputs of another app
    KindsClient().run_inputs(concat)  # inputs of another app
    ConcatClient().start(string=1, num=1, list="list_a")  # a number for a text
    ConcatClient().stream_inputs(concat, response_mode="streaming")  # an option of runs
    ConcatClient().run_inputs({"string": "a", "num": 1, "list": "list_a"})  # a dict in place of inputs


async def from_asyncio(inputs: KindsInputs) -> None:
    await arun_concat(string="a", num=1)  # missing input
    await AsyncConcatClient().run_inputs(inputs)  # inputs of another app
    AsyncConcatClient().stream_inputs(inputs)  # inputs of another app
    arun_concat(string="a", num=1, list="list_a").outputs  # a run that was not awaited
