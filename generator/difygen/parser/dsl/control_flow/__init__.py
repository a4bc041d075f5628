"""What runs of a graph there are, and in words when they come to where a value is made.

`branches` are the ways out of steps, `flow` is one level of the graph, `runs` all that can happen in it, `conditions`
say of some of the runs what they have in common, and `sentences` say that in words. Nothing in here knows fields or
types.
"""
