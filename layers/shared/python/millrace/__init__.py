"""Millrace: real-time streaming for AI agents on AWS Lambda."""

__version__ = "0.1.0"
