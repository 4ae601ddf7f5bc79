"""The version of razorg."""

__version__ = "0.1.0"
