import { autocompletion } from "@codemirror/autocomplete";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { yaml } from "@codemirror/lang-yaml";
import { type Diagnostic, linter, lintGutter } from "@codemirror/lint";
import { type Extension, Prec } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import CodeMirror from "@uiw/react-codemirror";
import { type ReactNode, useCallback, useMemo, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { useIsDark } from "../app/theme";
import type { CodeEditorProps } from "./CodeEditor";

type EditorProps = CodeEditorProps & { readonly height: string };

/** Applied before the dark theme, whose line numbers are too pale. */
const LOOK = Prec.highest(EditorView.theme({
  "&": { fontSize: "0.875rem", backgroundColor: "var(--raised)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-gutters": { backgroundColor: "var(--side)", color: "var(--muted)", border: "none" },
}));

/**
 * The editor of `CodeEditor`, in a file that is loaded when needed. It lives in a shadow root, where CodeMirror
 * uses constructed style sheets: the content security policy refuses the `<style>` elements that it writes elsewhere.
 */
export default function Editor(props: EditorProps): ReactNode {
  const [root, setRoot] = useState<ShadowRoot | null>(null);
  const host = useCallback((element: HTMLDivElement | null) => {
    setRoot(element && (element.shadowRoot ?? element.attachShadow({ mode: "open" })));
  }, []);
  return (
    <div ref={host}>{root && createPortal(<Inner {...props} root={root} />, root as unknown as Element)}</div>
  );
}

function Inner({ root, ...props }: EditorProps & { root: ShadowRoot }): ReactNode {
  const isDark = useIsDark();
  const latest = useRef(props);
  latest.current = props;
  const extensions = useMemo(() => extensionsOf(latest), [props.language, props.problems, props.label]);
  return (
    <CodeMirror
      root={root}
      value={props.value}
      theme={isDark ? "dark" : "light"}
      height={props.height}
      readOnly={props.isReadOnly ?? false}
      extensions={extensions}
      indentWithTab={false}
      onChange={(value) => props.onChange?.(value)}
    />
  );
}

function extensionsOf(latest: { readonly current: CodeEditorProps }): Extension[] {
  const { language = "json", problems = [], label } = latest.current;
  const languages = { json: [json()], yaml: [yaml()], text: [] };
  const marks: Diagnostic[] = problems.map((problem) => ({ ...problem, severity: "error" }));
  const parse = jsonParseLinter();
  return [
    LOOK,
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
    ...languages[language],
    linter((view) => [...marks, ...(language === "json" && view.state.doc.length > 0 ? parse(view) : [])]),
    lintGutter(),
    autocompletion({
      override: [
        ({ state, pos }) => {
          const found = latest.current.complete?.({ text: state.doc.toString(), position: pos });
          return found ? { from: found.from, options: found.options } : null;
        },
      ],
    }),
  ];
}
