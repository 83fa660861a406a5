"""The definition of a pipeline with everything that can be checked. It is separate from the answers about
pipelines, which clients read without it."""

from millrace.pipelines.definitions.definition import PipelineDefinition

__all__ = ["PipelineDefinition"]
