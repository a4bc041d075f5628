"""What code nodes give: the types that they declare, and what their code says of null. Code is read, and never run."""
