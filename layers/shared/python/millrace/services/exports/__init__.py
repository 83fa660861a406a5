"""Exports of all data of a user or of an organization."""
