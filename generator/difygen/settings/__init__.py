"""What a project says in `difygen.toml` or `[tool.difygen]` of pyproject.toml.

loading   the file judged, with places, and with all that is wrong said at once
file      TOML, and where things stand in it
pull      the table `pull`
"""
