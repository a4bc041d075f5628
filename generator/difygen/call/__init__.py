"""Runs a workflow from the terminal with its own generated client: one call with a live timeline, or a table of them."""
