import { type HighlighterCore, createHighlighterCore } from "shiki/core";
import { createJavaScriptRegexEngine } from "shiki/engine/javascript";

const LANGUAGES = {
  bash: () => import("shiki/langs/bash.mjs"),
  c: () => import("shiki/langs/c.mjs"),
  cpp: () => import("shiki/langs/cpp.mjs"),
  css: () => import("shiki/langs/css.mjs"),
  diff: () => import("shiki/langs/diff.mjs"),
  docker: () => import("shiki/langs/docker.mjs"),
  go: () => import("shiki/langs/go.mjs"),
  html: () => import("shiki/langs/html.mjs"),
  java: () => import("shiki/langs/java.mjs"),
  javascript: () => import("shiki/langs/javascript.mjs"),
  json: () => import("shiki/langs/json.mjs"),
  markdown: () => import("shiki/langs/markdown.mjs"),
  python: () => import("shiki/langs/python.mjs"),
  rust: () => import("shiki/langs/rust.mjs"),
  sql: () => import("shiki/langs/sql.mjs"),
  toml: () => import("shiki/langs/toml.mjs"),
  tsx: () => import("shiki/langs/tsx.mjs"),
  typescript: () => import("shiki/langs/typescript.mjs"),
  xml: () => import("shiki/langs/xml.mjs"),
  yaml: () => import("shiki/langs/yaml.mjs"),
} as const;

type Language = keyof typeof LANGUAGES;

const ALIASES: Readonly<Record<string, Language>> = {
  "c++": "cpp",
  dockerfile: "docker",
  js: "javascript",
  jsonc: "json",
  jsx: "tsx",
  md: "markdown",
  py: "python",
  rs: "rust",
  sh: "bash",
  shell: "bash",
  ts: "typescript",
  yml: "yaml",
  zsh: "bash",
};

/** A piece of code in one color, for the light and the dark theme. */
export interface CodeToken {
  readonly text: string;
  readonly light: string | undefined;
  readonly dark: string | undefined;
}

let highlighter: Promise<HighlighterCore> | null = null;

function load(): Promise<HighlighterCore> {
  highlighter ??= createHighlighterCore({
    themes: [import("shiki/themes/github-light-high-contrast.mjs"), import("shiki/themes/github-dark.mjs")],
    langs: [],
    engine: createJavaScriptRegexEngine({ forgiving: true }),
  });
  return highlighter;
}

/** Returns the highlighted lines of code; null for an unsupported language. */
export async function highlight(code: string, name: string): Promise<readonly (readonly CodeToken[])[] | null> {
  const wanted = name.toLowerCase().split(/[\s{,]/)[0] ?? "";
  const language = ALIASES[wanted] ?? wanted;
  if (!(language in LANGUAGES)) return null;
  const shiki = await load();
  await shiki.loadLanguage(await LANGUAGES[language as Language]());
  const themes = { light: "github-light-high-contrast", dark: "github-dark" };
  const lines = shiki.codeToTokensWithThemes(code, { lang: language, themes });
  return lines.map((line) =>
    line.map(({ content, variants }) => ({
      text: content,
      light: variants["light"]?.color,
      dark: variants["dark"]?.color,
    })),
  );
}
