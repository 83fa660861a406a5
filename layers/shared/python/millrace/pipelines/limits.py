"""All limits of the pipeline engine, in one place."""

SOURCE_CHARACTERS = 2_000
NODES = 200
DEPTH = 32
STRING_CHARACTERS = 256 * 1024
LIST_ITEMS = 10_000
PATTERN_CHARACTERS = 1_000
TEMPLATE_CHARACTERS = 16_000
PAYLOAD_DEPTH = 100
FOLDED_BYTES = 4_096

INPUT_BYTES = 256 * 1024
EXPANDED_BYTES = 1_000_000
PARTS = 10_000

# Units of work, of about 100 ns: see `work`.
LONG_TEXT = 1_024
EVENT_WORK = 500_000
PART_WORK = 1_000
SINGLE_WORK = 1_000_000
PASS_WORK = 2_000_000
CHUNK_WORK = 100_000
CHUNK_WORK_PER_EVENT = 2_000
CHUNK_WORK_MOST = 1_000_000

STEPS = 32
DESTINATIONS = 16
MAP_FIELDS = 200
AGGREGATIONS = 32
GROUP_FIELDS = 16
FILTER_CONDITIONS = 100

OUTPUT_BYTES = EXPANDED_BYTES + 4_096
"""The maximum size of an event that leaves a pipeline, with its id, times and window."""

BATCH_BYTES = 240_000
"""The maximum size of a batch's items as JSON; with its other fields, a batch fits in one queue message."""

# DynamoDB allows 400 KB in an item, including its keys and other attributes.
BLOCK_BYTES = 350 * 1024
PANES_PER_WINDOW = 1_000
WINDOWS_PER_EVENT = 64
FUTURE_MS = 24 * 60 * 60 * 1000
