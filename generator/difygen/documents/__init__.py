"""What is made of apps beside code: JSON Schemas, OpenAPI documents, tools for models. Texts stay texts."""
