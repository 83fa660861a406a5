import { lazy, type ReactNode, Suspense } from "react";
import type { Completion } from "@codemirror/autocomplete";
import { Loading } from "./states";

/** The cursor position for completion: the text before it and the whole text. */
export interface EditorPlace {
  readonly text: string;
  readonly position: number;
}

export interface CodeEditorProps {
  readonly label: string;
  readonly value: string;
  readonly onChange?: (value: string) => void;
  readonly language?: "json" | "yaml" | "text";
  readonly isReadOnly?: boolean;
  /** Returns the completions at a place, from the start of the word; null if there are none. */
  readonly complete?: (place: EditorPlace) => { from: number; options: readonly Completion[] } | null;
  /** Problems to mark: `from` and `to` are positions in the text. */
  readonly problems?: readonly { from: number; to: number; message: string }[];
  readonly height?: string;
}

const Editor = lazy(() => import("./Editor"));

/** A code editor; CodeMirror is loaded with the first one. Tab leaves it after Escape. */
export function CodeEditor({ height = "20rem", ...props }: CodeEditorProps): ReactNode {
  return (
    <div className="code-editor" style={{ minHeight: `calc(${height} + 2px)` }}>
      <Suspense fallback={<Loading lines={6} />}>
        <Editor {...props} height={height} />
      </Suspense>
    </div>
  );
}
