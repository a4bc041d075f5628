"""Finds out why a Dify server does not answer as a definition expects. Reads only, unless it is told to run the app.

command    all checks in their order, into a report
server     from the base URL to an answer: proxy, name, port, certificate; is it Dify, and which release
app        what a key opens: the live app, its inputs against the definition's, and the one run
report     what the checks found, for people and for machines
"""
