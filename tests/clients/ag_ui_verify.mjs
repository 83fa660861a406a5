// Reads runs (`[{events, open}]`) and has AG-UI's own client verify and apply each; a run that is `open` may lack
// its end. Prints, for each, the error (null for none) and the messages that the client ends with.
import { readFileSync } from "node:fs";
import { AbstractAgent, verifyEvents } from "@ag-ui/client";
import { from, lastValueFrom } from "rxjs";
import { toArray } from "rxjs/operators";

class Replay extends AbstractAgent {
  constructor(events) {
    super({ threadId: "thread_1", initialMessages: [{ id: "user_1", role: "user", content: "Hello" }] });
    this.events = events;
  }
  run() {
    return from(this.events);
  }
}

async function check({ events }) {
  try {
    await lastValueFrom(from(events).pipe(verifyEvents(false), toArray()));
    const agent = new Replay(events);
    await agent.runAgent({ runId: "their_run" });
    return { error: null, messages: agent.messages };
  } catch (error) {
    return { error: String(error), messages: [], events };
  }
}

const runs = JSON.parse(readFileSync(0, "utf8"));
const seen = [];
for (const run of runs) seen.push(await check(run));
console.log(JSON.stringify(seen));
