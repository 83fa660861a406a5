"""The definition of a pipeline, with all that there is of it to check: apart from the answers about
pipelines, which clients read without it."""

from millrace.pipelines.definitions.definition import PipelineDefinition

__all__ = ["PipelineDefinition"]
