"""Pages about apps for people: one for each app and one that lists them, in Markdown and in HTML.

files       apps to pages, and these to texts
page        the model of a page, which rendering/ prints; words: its fixed texts, in all languages
subject     what sections are about; contract, calls, forms, reference: these, in the order of a page
flow        the drawing of a graph; reasons: why an output may be absent; shell: calls to be copied
"""

from difygen.documents.pages.files import app_pages, index_pages

__all__ = ["app_pages", "index_pages"]
