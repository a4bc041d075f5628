"""App x App -> what callers notice. `workflows` is the way in, `rules` the table. Knows no files and no locks."""
