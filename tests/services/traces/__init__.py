"""Runs exported as traces, to a server that reads real protobuf."""
