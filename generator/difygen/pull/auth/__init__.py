"""Ways to sign in to a server, and what each of them opens.

access       tokens, keys and passwords, and where they come from
user_api     apps by a user's token (`/openapi/v1`)
browser      the same by a token that somebody signs in for, with a browser
console      apps by a session or an admin key
app_key      the spec of an app, from its key alone
"""
