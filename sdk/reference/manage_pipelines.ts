// List pipelines
const pipelines = await client.streaming.listPipelines();

// Get pipeline details
const pipeline = await client.streaming.getPipeline('pipeline-123');

// Control pipeline
await client.streaming.startPipeline('pipeline-123');
await client.streaming.pausePipeline('pipeline-123');
await client.streaming.resumePipeline('pipeline-123');
await client.streaming.stopPipeline('pipeline-123');

// Get metrics
const metrics = await client.streaming.getPipelineMetrics('pipeline-123');
console.log({
itemsProcessed: metrics.itemsProcessed,
itemsFailed: metrics.itemsFailed,
throughputPerSecond: metrics.throughput,
avgLatencyMs: metrics.latency.avg
});

// Create checkpoint (for recovery)
await client.streaming.createCheckpoint('pipeline-123');

// Health check
const health = await client.streaming.getPipelineHealth('pipeline-123');
