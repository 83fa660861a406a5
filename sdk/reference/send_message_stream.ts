// Using the TypeScript SDK
const stream = await client.conversations.sendMessageStream({
conversationId: 'conv-123',
content: 'Explain quantum computing'
});

for await (const event of stream) {
if (event.type === 'token') {
process.stdout.write(event.token);
} else if (event.type === 'done') {
console.log('\n\nTokens used:', event.usage.total);
}
}
