"""Pages about apps for people: one for each app and one that lists them, in Markdown and in HTML."""

from difygen.documents.pages.files import app_pages, index_pages

__all__ = ["app_pages", "index_pages"]
