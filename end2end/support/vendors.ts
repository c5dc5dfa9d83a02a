// The vendors' own SDKs, unmodified, in a page of a product on another site.
import { buildSync } from "esbuild";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, type FrameLocator, type Locator, type Page } from "@playwright/test";
import type { Customer } from "./server.ts";
import type { Sites } from "./tls.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");

/** A generation of the public SDK. */
export interface Sdk {
  name: string;
  entry: string;
}

export const NEW: Sdk = {
  name: "@membranehq/sdk 0.28.3",
  entry: `import { MembraneClient } from "@membranehq/sdk"; window.Client = MembraneClient;`,
};
export const LEGACY: Sdk = {
  name: "@integration-app/sdk 1.14.1",
  entry: `import { IntegrationAppClient } from "@integration-app/sdk"; window.Client = IntegrationAppClient;`,
};
export const BOTH = [NEW, LEGACY];

const bundles = new Map<string, string>();

/** A program for browsers, made of the packages as they were published. */
export function bundle(entry: string): string {
  let made = bundles.get(entry);
  if (!made) {
    const built = buildSync({
      stdin: { contents: entry, resolveDir: ROOT, loader: "tsx" },
      bundle: true,
      write: false,
      format: "iife",
      platform: "browser",
      jsx: "automatic",
      minify: true,
      define: { "process.env.NODE_ENV": '"production"', global: "window" },
    });
    made = built.outputFiles[0].text;
    bundles.set(entry, made);
  }
  return made;
}

/** What the page of a product has at hand. */
interface Product extends Window {
  Client: new (options: object) => unknown;
  client: unknown;
  settled: Record<string, { at: number; value?: unknown; error?: string } | undefined>;
}

/** A product's page in which a client of `sdk` is there for a customer. */
export class ProductPage {
  private constructor(readonly page: Page, readonly sdk: Sdk) {}

  static async open(page: Page, sites: Sites, sdk: Sdk, customer: Customer): Promise<ProductPage> {
    const name = sdk === NEW ? "new" : "legacy";
    const script = sites.script(sites.product, `/${name}.js`, bundle(sdk.entry));
    await page.goto(sites.page(sites.product, `/settings-${name}`, `<h1>Settings</h1><script src="${script}"></script>`));
    await page.evaluate(
      ({ token, url }) => {
        const product = window as unknown as Product;
        product.settled = {};
        product.client = new product.Client({ token, apiUri: url, uiUri: url });
      },
      { token: customer.token, url: sites.ours },
    );
    return new ProductPage(page, sdk);
  }

  /** Begins a call, written as in a product: `client.integration("hubspot").openNewConnection()`. */
  async call(name: string, code: string): Promise<void> {
    await this.page.evaluate(
      ({ name, code }) => {
        const product = window as unknown as Product;
        delete product.settled[name];
        const promise = new Function("client", `return ${code}`)(product.client) as Promise<unknown>;
        promise.then(
          (value) => (product.settled[name] = { at: Date.now(), value }),
          (error) => (product.settled[name] = { at: Date.now(), error: String(error) }),
        );
      },
      { name, code },
    );
  }

  /** The same for one that opens a dialog; the SDK shows it when our page says it is there. */
  async open(name: string, code: string): Promise<void> {
    await this.call(name, code);
    await expect(this.page.locator("#__integration-app-popup")).toBeVisible();
  }

  /** How a call ended; waits for it. */
  async outcome(name: string): Promise<{ at: number; value?: unknown; error?: string }> {
    const settled = await this.page.waitForFunction((name) => (window as unknown as Product).settled[name], name, { polling: 50 });
    return settled.jsonValue() as Promise<{ at: number; value?: unknown; error?: string }>;
  }

  async isSettled(name: string): Promise<boolean> {
    return this.page.evaluate((name) => Boolean((window as unknown as Product).settled[name]), name);
  }

  /** What the SDK shows over the page. */
  get dialog(): FrameLocator {
    return this.page.frameLocator("#__integration-app-popup");
  }

  /** Whether it shows anything. */
  async isOpen(): Promise<boolean> {
    return (await this.page.locator("#__integration-app-popup").count()) > 0;
  }
}

/** The button of ours that closes the dialog; a page that has ended has a second one. */
export function closeButton(dialog: FrameLocator): Locator {
  return dialog.getByRole("button", { name: "Close", exact: true }).first();
}
