"""What happens in a run or a turn, event by event: generators that know neither a clock nor a connection.

simulation   one run of a workflow, from `workflow_started` to `workflow_finished`
scheduler    which node runs when, rounds of containers, and texts that come before their End
nodes        what a node gives, and how it fails
values       the variable pool, values that nobody prescribed, and the user's function
turns        one turn of an app without a graph: its messages, thoughts, files and speech
chatflow     one turn of a chatflow: a run of its graph that says what Answer nodes have to say
"""
