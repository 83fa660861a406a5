import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vitest/config";

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  // KaTeX's.
  "font-src 'self'",
  // Previews, and stored files in S3. No other host: an image's address can carry off what an answer says.
  "img-src 'self' data: blob: https://*.amazonaws.com http://127.0.0.1:* http://localhost:*",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

// Only in the build: vite's dev server puts inline scripts into the page.
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

// Sonner writes its style sheet into the page, which the policy refuses; `ui/toast.tsx` imports it as a file.
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
  build: { target: "es2023", modulePreload: { polyfill: false } },
  worker: { format: "es" },
  server: {
    host: "127.0.0.1",
    fs: { allow: [".", "../sdk/typescript"] },
    proxy: { "/api": "http://localhost:8080", "/config.json": "http://localhost:8080" },
  },
  test: { include: ["test/**/*.test.ts"], testTimeout: 5000 },
});
