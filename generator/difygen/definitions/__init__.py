"""From what the user names as sources to apps with their Python names, for every command.

`sources` finds the files, `reading` reads and names what they define, `lockfile` knows what was generated before: who
has a name keeps it.
"""
