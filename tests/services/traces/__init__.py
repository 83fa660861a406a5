"""Runs exported as traces to a server that parses real protobuf."""
