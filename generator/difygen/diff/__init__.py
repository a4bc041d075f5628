"""App x App -> what callers notice. Knows no files and no locks.

rules      the table: which kinds of change there are, how bad each is, and why
public     what callers see of an app; types: whether one type stands in for another
inputs, outputs, forms, chat   what changed, part by part
workflows  one app against another, and one set of apps against another
report     changes as a table, Markdown, JSON or findings
"""
