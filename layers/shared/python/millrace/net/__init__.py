"""Outgoing HTTP to addresses that users name: only to public ones, which is checked when connecting."""
