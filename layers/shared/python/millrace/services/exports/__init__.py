"""Exports of everything that is kept of a user, or of an organization."""
