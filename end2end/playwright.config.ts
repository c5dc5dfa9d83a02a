import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

// The distribution's Chromium where there is one; elsewhere the one Playwright downloads.
function chromium(): string | undefined {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  try {
    const found = execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
    return existsSync(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

const screenshots = Boolean(process.env.SCREENSHOTS);

export default defineConfig({
  testDir: "tests",
  globalSetup: "./support/global-setup.ts",
  globalTeardown: "./support/global-teardown.ts",
  reporter: [["list"], ["./support/table.ts"], ["./support/summary.ts"]],
  ...(screenshots ? {} : { grepInvert: /@screenshots/ }),
  workers: 2,
  fullyParallel: false,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  timeout: 30_000,
  expect: { timeout: 10_000 },
  use: {
    ignoreHTTPSErrors: true,
    viewport: { width: 1280, height: 900 },
    launchOptions: {
      executablePath: chromium(),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // Names that are different sites, all on this machine.
        "--host-resolver-rules=MAP *.test 127.0.0.1",
      ],
    },
  },
});
