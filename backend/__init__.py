"""Kinora's backend: requests in, generations out."""

__version__ = "0.1.0"
