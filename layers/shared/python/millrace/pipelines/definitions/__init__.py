"""Definitions as users write them: a pipeline's source, steps, conditions and destinations as pydantic
models."""
