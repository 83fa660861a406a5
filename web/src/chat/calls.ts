import type { Millrace, Schemas } from "@millrace/client";
import { explain } from "../api/explain";
import { listApprovals } from "./loading";
import type { Action } from "./reducer";

/** The calls of a run that wait for people: their details for those who may answer, and the answers. */
export class WaitingCalls {
  constructor(
    private readonly api: Millrace,
    private readonly conversationId: string,
    private readonly dispatch: (action: Action) => void,
  ) {}

  /** Shows the waiting calls. */
  async show(): Promise<void> {
    try {
      this.dispatch({ type: "approvals", approvals: await listApprovals(this.api, this.conversationId) });
    } catch (error) {
      this.dispatch({ type: "notice", notice: `Pending approvals and questions cannot be shown: ${explain(error)}` });
    }
  }

  /** Answers a call. The result arrives over the stream, here and in every other tab. */
  async answer(runId: string, answer: Schemas["AnswerCall"]): Promise<void> {
    this.dispatch({ type: "answering_call", callId: answer.callId });
    try {
      await this.api.approvals.answer(runId, answer);
    } catch (error) {
      this.dispatch({ type: "call_refused", callId: answer.callId, note: explain(error) });
    }
  }
}
