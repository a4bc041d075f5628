"""The two doors of pages, `markdown` and `html`: each escapes texts in its own way, and prints nothing else.

`markup` is HTML as a type, `drawing` the flow in it.
"""
