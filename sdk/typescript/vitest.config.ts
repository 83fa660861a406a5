import { defineConfig } from "vitest/config";

export default defineConfig({
  // A minute: how long a test takes is up to the machine, which has others to run.
  test: { testTimeout: 60_000, hookTimeout: 60_000 },
});
