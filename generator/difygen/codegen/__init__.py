"""The target "Python package": apps and options to `{path: text}`. `package` is the way in.

`describe`, what is said about an app in any language, serves other targets, too.
"""
