"""Definitions fetched from a Dify server, as files in the repository, with a lock beside them.

Only reads on the server. Nothing of a server's answer leads a write elsewhere, and no key, token or password gets into
a file, a message or an argument.

command    the way from what is asked for to an exit code: choose, fetch, compare with the folder, write, say
traffic    requests: paced, bounded, repeated where that does no harm; who answered, and what to do about it
access     tokens, keys and passwords, and where they come from
catalogue  which apps there are, which of them are meant, and their definitions as the server gives them now
user_api   apps by a user's token (`/openapi/v1`): one that is there, or that somebody signs in for, with a browser
console    apps by a session or an admin key
app_key    the spec of an app, from its key alone
folder     what is in the folder, what would change in it, and what its lock knows of each file
report     what came of it, and how it is said
"""
