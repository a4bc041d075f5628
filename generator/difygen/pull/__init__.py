"""Definitions fetched from a Dify server, as files in the repository, with a lock beside them.

Only reads on the server. Nothing of a server's answer leads a write elsewhere, and no key, token or password gets into
a file, a message or an argument.

command      the way from what is asked for to an exit code, on one page
plan         what is to be pulled, from where, and where it goes: the command line before the settings
traffic      requests: paced, bounded, repeated where that does no harm; who answered, and what to do about it
auth/        tokens, keys and passwords, where they come from, and what each of them opens
catalogue    which apps there are, and which of them are meant
choosing     what becomes of each of them, and of those that only the lock knows
fetching     definitions as the server gives them now, one by one
files, lock  what is in the folder, what would change in it, and what is known of each file
publishing   what was fetched, compared with the folder, and written there
report       what came of it, and how it is said
"""
