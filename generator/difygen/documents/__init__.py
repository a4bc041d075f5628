"""What is made of apps beside code: pages, OpenAPI documents, tools for models. Texts stay texts.

targets        which there are: for each, a function from apps and options to `{path: text}`
apps           apps as documents tell of them, with examples by the mock; protocol: events and errors by the runtime
json_schema    schemas of inputs and outputs, which `components` gives names in a document
openapi, tool_schemas, pages/   the targets
"""
