"""Workflow x Workflow -> what callers notice. `workflows` is the way in, `rules` the table; `revisions` holds the command `diff`."""
