// `test` of this suite: a server per worker, every context watched for secrets and for what a page
// must never do.
import { test as base, expect, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "@playwright/test";
import { watchSecrets } from "./secrets.ts";
import { Server } from "./server.ts";
import { Sites } from "./tls.ts";

/** What no page of ours may do, whatever a test is about. */
class Watch {
  readonly problems: string[] = [];

  async over(context: BrowserContext): Promise<BrowserContext> {
    watchSecrets(context);
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} at ${location.pathname}`);
      });
    });
    context.on("console", (message) => {
      if (/policy violated|Content.Security.Policy/i.test(message.text())) this.problems.push(message.text());
    });
    context.on("weberror", (error) => this.problems.push(`script error: ${error.error().message}`));
    context.on("dialog", (dialog) => {
      this.problems.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    context.on("request", (request) => {
      const url = new URL(request.url());
      const local = url.hostname === "localhost" || url.hostname === "127.0.0.1" || url.hostname.endsWith(".test");
      if (/^https?:$/.test(url.protocol) && !local) this.problems.push(`request to ${url.origin}`);
    });
    return context;
  }
}

interface Worker {
  /** A server at http://localhost, its sandbox on the same origin. */
  server: Server;
  /** A server behind TLS at a name of its own, its sandbox and two other sites at others. */
  sites: Sites;
}

interface Each {
  /** Pages of these tests must report no violation; off where being refused is the point. */
  strict: boolean;
  watch: Watch;
  /** Another browser context: somebody else's browser. */
  another: (options?: BrowserContextOptions) => Promise<BrowserContext>;
}

export const test = base.extend<Each, Worker>({
  server: [
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.stop();
    },
    { scope: "worker" },
  ],
  sites: [
    async ({}, use) => {
      const sites = await Sites.start();
      await use(sites);
      await sites.stop();
    },
    { scope: "worker" },
  ],
  strict: [true, { option: true }],
  watch: [
    async ({ strict }, use) => {
      const watch = new Watch();
      await use(watch);
      if (strict) expect(watch.problems, "no page broke a rule").toEqual([]);
    },
    { auto: true },
  ],
  context: async ({ context, watch }, use) => {
    await use(await watch.over(context));
  },
  another: async ({ browser, watch, contextOptions }, use) => {
    const made: BrowserContext[] = [];
    await use(async (options) => {
      const context = await browser.newContext({ ...contextOptions, ignoreHTTPSErrors: true, ...options });
      made.push(context);
      return watch.over(context);
    });
    await Promise.all(made.map((context) => context.close()));
  },
});

export { expect };
export type { Browser, BrowserContext, Page };
