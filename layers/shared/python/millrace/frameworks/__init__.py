"""Agents of other frameworks as agents of a deployment. Each is imported only by who uses it."""
