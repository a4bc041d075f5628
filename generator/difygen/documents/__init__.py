"""What is made of apps beside code: pages, OpenAPI documents, tools for models. Texts stay texts.

targets    which there are: for each, a function from apps and options to `{path: text}`
facts      what documents are made of: apps with their names and the mock's examples; Dify's protocol by the runtime
schemas    schemas of inputs and outputs; the tools that are made of them
openapi, pages/   the other targets
"""
