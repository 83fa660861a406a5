import type { Millrace } from "@millrace/client";

declare global {
  const client: Millrace;
  const pipelineId: string;
}
