"""Finds out why a Dify server does not answer as a definition expects. Reads only, unless it is told to run the app.

command    all checks in their order, into a report
settings   base URL, key and proxy; network: name, port and certificate; server: is it Dify, and which release
app        what the key opens; contract: the live inputs against the definition's, and the one run
"""
