"""A caller whose mistakes type checkers must find: each in the line of its comment, and no other."""

from client import ConcatInputs, nothing_of_the_kind, run_concat, run_kinds, stream_concat  # unknown name
from client.kinds import KindsInputsProfile

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
