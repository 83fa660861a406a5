import type { PartialRunEvent as RunEvent, Usage } from "@millrace/client";

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

export interface Agent {
  readonly id: string;
  readonly name: string;
  readonly model: string;
  readonly description?: string;
  /** What users may begin with. */
  readonly starters?: readonly string[];
}

export interface Conversation {
  readonly id: string;
  readonly agentId: string;
  readonly title: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly activeRunId: string | null;
}

/** One content block in the shape of Bedrock's Converse API: exactly one of the fields is there. */
export interface Block {
  readonly text?: string;
  readonly image?: Attachment;
  readonly file?: Attachment;
  readonly toolUse?: { readonly toolUseId: string; readonly name: string; readonly input?: unknown };
  readonly toolResult?: {
    readonly toolUseId: string;
    readonly status?: string;
    readonly content?: readonly { readonly text?: string; readonly json?: unknown }[];
  };
  readonly reasoningContent?: { readonly reasoningText?: { readonly text?: string } };
}

/**
 * A stored message. User messages that hold only tool results are steps of the run. `steps` are the events that a
 * stream had on the way to it; the last message of a run tells how the run ended.
 */
export interface Message {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly content: readonly Block[];
  readonly createdAt: string;
  readonly runId?: string | null;
  /** The message that it follows; null for the first one. */
  readonly parentId?: string | null;
  /** All that follow the same message, where there are several. */
  readonly siblings?: readonly string[];
  readonly injected?: boolean;
  readonly interrupted?: boolean;
  readonly steps?: readonly RunEvent[];
  readonly usage?: Usage | null;
  readonly cost?: number | null;
  readonly finishReason?: string | null;
  readonly durationMs?: number | null;
  readonly error?: { readonly message: string; readonly code?: string };
}

/** An image or a file of a message; `url` where it is not one that the server keeps. */
export interface Attachment {
  readonly fileId?: string;
  readonly url?: string;
  readonly name?: string;
  readonly mediaType?: string;
  readonly size?: number;
}

export type ContentPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image" | "file"; readonly fileId: string };

export interface UploadForm {
  readonly url: string;
  readonly fields: Readonly<Record<string, string>>;
}

export interface Accepted {
  readonly messageId: string;
  readonly expiresAt: string | number;
}

/** A live message that the agent has not read yet. */
export interface Waiting extends Accepted {
  readonly content: string;
  readonly attachments?: readonly Block[];
}

/** A call that waits for a person. `arguments` and `schema` are there for those who may answer. */
export interface Approval {
  readonly runId: string;
  readonly callId: string;
  readonly kind: string;
  readonly name: string | null;
  readonly arguments: unknown;
  readonly prompt: string | null;
  readonly options: readonly string[];
  readonly schema: unknown;
  readonly requestedAt: string;
  readonly expiresAt: string;
  readonly canAnswer: boolean;
}

export interface ApprovalAnswer {
  readonly callId: string;
  readonly decision: "approve" | "reject" | "answer";
  readonly arguments?: Record<string, unknown>;
  readonly content?: unknown;
  readonly reason?: string;
}

/** Options of speech; the deployment chooses those that are left out. */
export interface SpeechOptions {
  readonly voice?: string;
  /** 1 is the voice's own pace. */
  readonly speed: number;
}

export interface Voices {
  readonly speed: { readonly min: number; readonly max: number };
  readonly voices: readonly { readonly id: string; readonly name: string; readonly language: string | null }[];
}
