"""Apps to files: `python` is a target, a function from apps and options to `{path: text}`.

`describe` is what targets share.
"""
