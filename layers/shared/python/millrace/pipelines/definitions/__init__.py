"""Definitions as users write them: source, steps, conditions and destinations as pydantic models."""
