"""What a user writes: a pipeline's source, steps, conditions and destinations as pydantic models."""
