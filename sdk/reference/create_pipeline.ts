const pipeline = await client.streaming.createPipeline({
name: 'agent-events-to-analytics',
source: {
type: 'agent_execution',
agentIds: ['agent-123', 'agent-456']
},
transforms: [
{
type: 'filter',
config: {
field: 'status',
operator: 'eq',
value: 'completed'
}
},
{
type: 'map',
config: {
expression: {
event_type: '"agent_completion"',
agent_id: 'agentId',
tokens: 'tokenUsage.total',
cost: 'cost',
timestamp: 'completedAt'
}
}
}
],
destination: {
type: 'analytics',
config: {
provider: 'mixpanel',
projectToken: '${secrets.MIXPANEL_TOKEN}'
}
}
});

// Start the pipeline
await client.streaming.startPipeline(pipeline.id);
