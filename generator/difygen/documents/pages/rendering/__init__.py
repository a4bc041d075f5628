"""The two doors of pages, Markdown and HTML: each escapes texts in its own way, and prints nothing else."""
