import type { Millrace, Schemas } from "@millrace/client";
import { explain } from "../api/explain";
import { uploadFile } from "../api/upload";
import type { Attachment } from "./state";

type Content = Schemas["SendMessage"]["content"];
type ContentPart = Exclude<Content, string>[number];

/** The media types that the server accepts, for the file picker and for a check before the upload. */
export const MEDIA_TYPES = [
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "application/pdf",
  "text/plain",
  "text/markdown",
  "text/csv",
  "application/json",
];
const MOST_BYTES = 25_000_000;
const MOST_FILES = 10;
const BY_ENDING: Readonly<Record<string, string>> = { md: "text/markdown", csv: "text/csv", json: "application/json" };

/** A file on its way to the next message. */
export interface Upload {
  readonly id: string;
  readonly name: string;
  readonly mediaType: string;
  readonly size: number;
  /** A local address of an image, for its preview. */
  readonly preview: string | null;
  /** From 0 to 1. */
  readonly progress: number;
  readonly fileId: string | null;
  readonly problem: string | null;
}

type Change = (uploads: readonly Upload[]) => readonly Upload[];

/** The files of the message that is being written, which are uploaded as soon as they are chosen. */
export class Uploads {
  readonly #aborts = new Map<string, AbortController>();

  constructor(
    private readonly api: Millrace,
    private readonly change: (change: Change) => void,
  ) {}

  add(files: readonly File[], present: number): void {
    for (const file of files.slice(0, Math.max(0, MOST_FILES - present))) void this.#upload(file);
  }

  remove(upload: Upload): void {
    this.#aborts.get(upload.id)?.abort();
    if (upload.preview) URL.revokeObjectURL(upload.preview);
    this.change((uploads) => uploads.filter((one) => one.id !== upload.id));
    if (upload.fileId) void this.api.files.delete(upload.fileId).catch(() => undefined);
  }

  async #upload(file: File): Promise<void> {
    const id = crypto.randomUUID();
    const mediaType = typeOf(file);
    const name = file.name || "pasted";
    const preview = mediaType.startsWith("image/") ? URL.createObjectURL(file) : null;
    const problem = problemOf(file, mediaType);
    this.change((all) => [...all, { id, name, mediaType, size: file.size, preview, progress: 0, fileId: null, problem }]);
    if (problem) return;
    const abort = new AbortController();
    this.#aborts.set(id, abort);
    try {
      const announced = await this.api.files.create({ name, mediaType, size: file.size });
      await uploadFile(announced.upload, file, (progress) => this.#update(id, { progress }), abort.signal);
      this.#update(id, { progress: 1, fileId: announced.fileId });
    } catch (error) {
      if (!abort.signal.aborted) this.#update(id, { problem: explain(error) });
    } finally {
      this.#aborts.delete(id);
    }
  }

  #update(id: string, fields: Partial<Upload>): void {
    this.change((uploads) => uploads.map((one) => (one.id === id ? { ...one, ...fields } : one)));
  }
}

/** Returns the uploads as an entry shows them, with the browser's local address. */
export function toAttachments(uploads: readonly Upload[]): readonly Attachment[] {
  return uploads.flatMap(({ fileId, name, mediaType, size, preview }) =>
    fileId ? [{ fileId, name, mediaType, size, ...(preview && { url: preview }) }] : [],
  );
}

/** A message in the format of the API. */
export function contentOf(text: string, attachments: readonly Attachment[]): Content {
  if (attachments.length === 0) return text;
  const parts = attachments.flatMap(({ fileId, mediaType }): ContentPart[] =>
    fileId ? [{ type: isImage(mediaType) ? "image" : "file", fileId }] : [],
  );
  // Models read a question best after the files that it is about.
  return [...parts, ...(text ? [{ type: "text", text } as const] : [])];
}

export function isImage(mediaType: string | null | undefined): boolean {
  return mediaType?.startsWith("image/") ?? true;
}

function typeOf(file: File): string {
  const ending = file.name.split(".").at(-1)?.toLowerCase() ?? "";
  return BY_ENDING[ending] ?? (file.type.split(";")[0] || "application/octet-stream");
}

function problemOf(file: File, mediaType: string): string | null {
  if (!MEDIA_TYPES.includes(mediaType)) return "Only images (PNG, JPEG, GIF, WebP), PDFs and text files can be sent.";
  if (file.size === 0) return "The file is empty.";
  return file.size > MOST_BYTES ? "A file must not exceed 25 MB." : null;
}
