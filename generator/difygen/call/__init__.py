"""Runs an app from the terminal with its own generated client: one call with a live timeline, or a table of them.

run       one call: timeline follows its events, live or progress shows them, html keeps them as a page
batch     a table of calls: rows reads and checks it, and knows from the results what is done
"""
