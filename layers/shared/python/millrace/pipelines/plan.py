"""A compiled definition, once for each version: the stages that events go through."""

from hashlib import sha256
from typing import assert_never

import orjson
from msgspec import Struct

from millrace.pipelines import stages, stateful_stages
from millrace.pipelines.chunk import Chunk
from millrace.pipelines.definitions.definition import PipelineDefinition
from millrace.pipelines.definitions.steps import (
    AggregateStep,
    BatchStep,
    DedupeStep,
    FilterStep,
    MapStep,
    SampleStep,
    SplitStep,
    Step,
    WindowStep,
)
from millrace.pipelines.expressions.compiler import Scalar
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.outcome import Outcome
from millrace.pipelines.projection import Payloads, projection
from millrace.pipelines.stages import Stage
from millrace.pipelines.state.aggregates import Grouping
from millrace.pipelines.state.batches import Batch
from millrace.pipelines.state.sessions import SessionWindow
from millrace.pipelines.state.windows import Scope, Window
from millrace.pipelines.stateful_stages import StatefulStage

State = Window | SessionWindow | Batch


class PlanStep(Struct, frozen=True):
    """One step.

    `run` processes a chunk; `state` is the window or batch that holds events back, if it is one.
    """

    index: int
    step: Step
    hash: str
    run: StatefulStage
    when: Scalar | None
    state: State | None = None


class Plan(Struct, frozen=True):
    """The compiled steps that `transform` runs; `payloads` returns the input of the first one."""

    definition: PipelineDefinition
    organization: str
    pipeline: str
    steps: list[PlanStep]
    payloads: Payloads

    def of_hash(self, step_hash: str) -> PlanStep | None:
        """Return the step that a key belongs to, or None for one of an earlier version."""
        return next((step for step in self.steps if step.hash == step_hash), None)


def compile_plan(
    definition: PipelineDefinition, organization: str = "local", pipeline: str = "local"
) -> Plan:
    """Compile a definition. Never fails for one from `parse_definition`."""
    steps = [_step(definition, index, organization, pipeline) for index in range(len(definition.transforms))]
    return Plan(definition, organization, pipeline, steps, projection(definition))


def step_hash(definition: PipelineDefinition, index: int) -> str:
    """Return the hash of the step and all before it (and of the `aggregate` that is a part of it).

    So the state of one definition is never used by another that would have kept something different.
    """
    until = index + 2 if _is_split_window(definition, index) else index + 1
    # A name does not change what a step keeps, so renaming a step must not lose its state.
    steps = [each.model_dump(mode="json", exclude={"name"}) for each in definition.transforms[:until]]
    return sha256(orjson.dumps(steps, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _is_split_window(definition: PipelineDefinition, index: int) -> bool:
    """Return whether the step is a window whose aggregations are in the next step."""
    step = definition.transforms[index]
    return isinstance(step, WindowStep) and not step.config.aggregations


def _step(definition: PipelineDefinition, index: int, organization: str, pipeline: str) -> PlanStep:
    step, hash = definition.transforms[index], step_hash(definition, index)
    scope = Scope(organization, pipeline, hash)
    state = _state(definition, index, scope)
    run = _run(definition, index, scope, state)
    when = compile_expression(step.when).evaluate if step.when else None
    return PlanStep(index, step, hash, run, when, state)


def _state(definition: PipelineDefinition, index: int, scope: Scope) -> State | None:
    step = definition.transforms[index]
    if isinstance(step, BatchStep):
        return Batch(scope, step.config)
    if not isinstance(step, WindowStep):
        return None
    group_by, aggregations = step.config.group_by, step.config.aggregations
    if _is_split_window(definition, index):
        after = definition.transforms[index + 1]
        assert isinstance(after, AggregateStep)
        group_by, aggregations = after.config.group_by or group_by, after.config.aggregations
    kind = SessionWindow if step.config.type == "session" else Window
    return kind(scope, step.config, Grouping(group_by, aggregations))


def _run(definition: PipelineDefinition, index: int, scope: Scope, state: State | None) -> StatefulStage:
    match definition.transforms[index]:
        case FilterStep() as step:
            return _stateless(stages.filter_stage(index, step))
        case MapStep() as step:
            return _stateless(stages.map_stage(index, step))
        case SampleStep() as step:
            return _stateless(stages.sample_stage(index, step))
        case SplitStep() as step:
            return _stateless(stages.split_stage(index, step))
        case DedupeStep() as step:
            return stateful_stages.dedupe_stage(index, step, scope)
        case BatchStep() as step:
            assert isinstance(state, Batch)
            return stateful_stages.batch_stage(index, step, state)
        case WindowStep() as step:
            assert isinstance(state, Window | SessionWindow)
            return stateful_stages.window_stage(index, step, state)
        case AggregateStep() as step:
            return _aggregate(definition, index, step, scope)
        case other:
            assert_never(other)


def _aggregate(
    definition: PipelineDefinition, index: int, step: AggregateStep, scope: Scope
) -> StatefulStage:
    before = definition.transforms[index - 1] if index else None
    if isinstance(before, BatchStep):
        return stateful_stages.batch_aggregate_stage(index, step, scope)
    if isinstance(before, WindowStep):
        return _stateless(_pass)
    return stateful_stages.total_stage(index, step, scope)


def _pass(chunk: Chunk, outcome: Outcome) -> Chunk:
    return chunk


def _stateless(stage: Stage) -> StatefulStage:
    return lambda chunk, outcome, store, now, backfill: stage(chunk, outcome)
