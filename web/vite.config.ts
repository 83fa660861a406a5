import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vitest/config";
import stated from "./headers.json" with { type: "json" };

// A meta tag cannot restrict framing, so the header does.
const CONTENT_SECURITY_POLICY = Object.entries({ ...stated.contentSecurityPolicy, ...stated.onOneMachine })
  .filter(([name]) => name !== "frame-ancestors")
  .map(([name, sources]) => `${name} ${sources}`)
  .join("; ");

// Only in the build, because vite's dev server adds inline scripts to the page.
const contentSecurityPolicy: Plugin = {
  name: "content-security-policy",
  apply: "build",
  transformIndexHtml: () => [
    {
      tag: "meta",
      attrs: { "http-equiv": "Content-Security-Policy", content: CONTENT_SECURITY_POLICY },
      injectTo: "head-prepend",
    },
  ],
};

// Sonner writes its style sheet into the page, which the policy blocks; `ui/toast.tsx` imports it as a file.
const sonnerWithoutStyles: Plugin = {
  name: "sonner-without-styles",
  transform: (code, id) =>
    /sonner[\\/]dist[\\/]index\.mjs/.test(id) ? code.replace(/^__insertCSS\(.*$/m, "") : undefined,
};

const SDK = fileURLToPath(new URL("../sdk/typescript/src/", import.meta.url));

export default defineConfig({
  plugins: [react(), contentSecurityPolicy, sonnerWithoutStyles],
  resolve: {
    // The page is built from the client's sources, with the page's own React.
    alias: [
      { find: /^@millrace\/client$/, replacement: `${SDK}index.ts` },
      { find: /^@millrace\/client\/(\w+)$/, replacement: `${SDK}$1/index.ts` },
    ],
    dedupe: ["react", "react-dom"],
  },
  // The policy allows no fonts in style sheets; a chunk of 800 KB is the grammar of one language, loaded for its code only.
  build: { target: "es2023", modulePreload: { polyfill: false }, assetsInlineLimit: 0, chunkSizeWarningLimit: 1000 },
  worker: { format: "es" },
  server: {
    host: "127.0.0.1",
    fs: { allow: [".", "../sdk/typescript"] },
    proxy: { "/api": "http://localhost:8080", "/config.json": "http://localhost:8080" },
  },
  // A minute: how long a test takes is up to the machine, which has others to run. Files share their workers.
  test: { include: ["test/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000, isolate: false },
});
