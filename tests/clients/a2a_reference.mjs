// The reference's client of a task's stream, as it stands: `node a2a_reference.mjs <address> <token> <taskId>`.
// Its EventSource takes headers, which a browser's does not: here it is one over fetch.
const [address, token, taskId] = process.argv.slice(2);
let finish;
const finished = new Promise((resolve) => (finish = resolve));

class EventSource {
  constructor(path, { headers }) {
    fetch(`${address}${path}`, { headers }).then(async (response) => {
      const text = await response.text();
      for (const frame of text.split("\n\n")) {
        const data = frame.split("\n").find((line) => line.startsWith("data: "));
        if (data) this.onmessage({ data: data.slice(6) });
      }
      finish();
    });
  }
}

const seen = { view: null, messages: [], states: [], said: [], chunks: "", final: null };
const initializeTaskView = (task) => (seen.view = task.status.state);
const appendMessage = (message) => seen.messages.push(message);
const updateStatus = (status, message) => (seen.states.push(status), seen.said.push(message?.parts[0].text ?? null));
const finalizeArtifact = (artifact) => (seen.final = artifact.parts.map((part) => part.text).join(""));
const appendToArtifact = (chunk) => (seen.chunks += chunk);

const eventSource = new EventSource(
`/api/a2a/tasks/${taskId}/stream`,
{ headers: { Authorization: `Bearer ${token}` } }
);

eventSource.onmessage = (event) => {
const data = JSON.parse(event.data);

switch (data.type) {
case 'task':
// Initial task state
initializeTaskView(data.task);
break;
case 'message':
// Text message from agent
appendMessage(data.message);
break;
case 'statusUpdate':
// Status change
updateStatus(data.status, data.message);
break;
case 'artifactUpdate':
// Artifact being produced
if (data.lastChunk) {
finalizeArtifact(data.artifact);
} else {
appendToArtifact(data.chunk);
}
break;
}
};

await finished;
console.log(JSON.stringify(seen));
