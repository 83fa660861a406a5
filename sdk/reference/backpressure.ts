// For pipelines, monitor metrics
const metrics = await client.streaming.getPipelineMetrics(pipelineId);

if (metrics.backpressure > 0.8) {
// Pipeline is struggling, consider:
// - Increasing batch size
// - Adding more transforms to reduce data
// - Scaling destination capacity
console.warn('Pipeline backpressure high:', metrics.backpressure);
}
