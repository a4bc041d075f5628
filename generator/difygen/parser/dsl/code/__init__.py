"""What code nodes give: the types that they declare, and what their code says of null. Code is read, and never run.

values       what a value may be; machine: a program gone through once with such, whatever its language
python_syntax, python_tables, python_names, python_values, python_calls, python   one language, from below to above
javascript_syntax, javascript   the other
results      what a program returns; outputs: that, and what the node declares
"""
