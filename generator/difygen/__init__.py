"""difygen: typed Python clients for Dify workflows."""

__version__ = "0.1.0"
