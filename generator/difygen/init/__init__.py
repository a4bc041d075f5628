"""`difygen init`: settings to start from, or a spec written from an export. `command` is the way in."""
