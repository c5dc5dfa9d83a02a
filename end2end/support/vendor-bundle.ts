// The vendors' own npm packages, unmodified, on a page of the product: bundled as a product would bundle
// them, served from another site than ours.
import { build } from "esbuild";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, type Page } from "@playwright/test";
import type { Customer } from "./server.ts";
import type { Sites } from "./tls.ts";

const END2END = dirname(dirname(fileURLToPath(import.meta.url)));

/** One generation of the public packages. */
export interface Vendor {
  /** Package of the client. */
  sdk: string;
  /** Package of the React hooks. */
  react: string;
  /** What the client's class is called. */
  client: string;
  /** Whether it is the newer generation: a few calls are its alone. */
  isNew: boolean;
}

export const VENDORS: Vendor[] = [
  { sdk: "@membranehq/sdk", react: "@membranehq/react", client: "MembraneClient", isNew: true },
  { sdk: "@integration-app/sdk", react: "@integration-app/react", client: "IntegrationAppClient", isNew: false },
];

const bundled = new Map<string, Promise<string>>();

/** One script of an entry's text and all it imports. */
function bundle(entry: string): Promise<string> {
  const known = bundled.get(entry);
  if (known) return known;
  const made = build({
    stdin: { contents: entry, resolveDir: END2END, loader: "js" },
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    define: { "process.env.NODE_ENV": '"production"' },
    loader: { ".css": "empty" },
    logLevel: "error",
  }).then((result) => result.outputFiles[0].text);
  bundled.set(entry, made);
  return made;
}

/** The client's class as `window.Client`. */
export function sdkBundle(vendor: Vendor): Promise<string> {
  return bundle(`import { ${vendor.client} } from "${vendor.sdk}"; window.Client = ${vendor.client};`);
}

/** React and the vendor's hooks as `window.React`, `window.createRoot` and `window.Vendor`. */
export function reactBundle(vendor: Vendor): Promise<string> {
  return bundle(
    `import * as React from "react"; import { createRoot } from "react-dom/client"; import * as Vendor from "${vendor.react}";
     Object.assign(window, { React, createRoot, Vendor });`,
  );
}

/** What a call came to. */
export interface Settled<T = unknown> {
  value?: T;
  error?: { kind: string; message: string; isTyped: boolean; data: Record<string, unknown> | null };
}

// Runs on the page: settles a call into something that can be looked at from outside.
const SETTLE = `
  window.settle = async (call) => {
    try { return { value: await call() }; }
    catch (error) {
      const isTyped = Boolean(error.isMembraneError || error.isIntegrationAppError);
      return { error: { kind: error.type ?? error.data?.type ?? error.name ?? "", message: String(error.message), isTyped, data: error.data ?? null } };
    }
  };`;

/** Opens a page of the product with a client for this customer, as `window.client`. */
export async function openProduct(page: Page, sites: Sites, vendor: Vendor, customer: Customer, origin = sites.product): Promise<void> {
  const script = `${await sdkBundle(vendor)}\n${SETTLE}\nwindow.client = new Client(${JSON.stringify(options(sites, customer))});`;
  await page.goto(productPage(sites, script, origin));
  await expect(page.getByRole("button", { name: "Go" })).toBeVisible();
}

/** What every client is made with: the two addresses are all that changes for a product that moves. */
export function options(sites: Sites, customer: Customer): { token: string; apiUri: string; uiUri: string } {
  return { token: customer.token, apiUri: sites.ours, uiUri: sites.ours };
}

/** A page of the product with this script, on a site of its own. */
export function productPage(sites: Sites, script: string, origin = sites.product): string {
  const body = `<h1>Product</h1><div id="app"></div><button id="go">Go</button><script>${script}</script>`;
  return sites.page(origin, `/product-${crypto.randomUUID()}`, body);
}

type Call<A> = (client: any, given: A) => unknown;

/** Calls the client at once and comes back with what it came to. */
export async function call<A = null>(page: Page, calls: Call<A>, given: A = null as A): Promise<Settled> {
  return page.evaluate(
    ([text, argument]) => {
      const at = window as unknown as { client: unknown; settle: (call: () => unknown) => Promise<Settled> };
      const run = (0, eval)(`(${text})`) as (client: unknown, given: unknown) => unknown;
      return at.settle(() => run(at.client, argument));
    },
    [calls.toString(), given] as const,
  ) as Promise<Settled>;
}

/** The same inside a click, as a popup needs it. What it comes to is read later, with [`settled`]. */
export async function press<A = null>(page: Page, calls: Call<A>, given: A = null as A): Promise<void> {
  await page.evaluate(
    ([text, argument]) => {
      const at = window as unknown as { client: unknown; settle: (call: () => unknown) => Promise<unknown>; settled: Promise<unknown> };
      const run = (0, eval)(`(${text})`) as (client: unknown, given: unknown) => unknown;
      at.settled = new Promise((done) => {
        document.getElementById("go")!.onclick = () => void at.settle(() => run(at.client, argument)).then(done);
      });
    },
    [calls.toString(), given] as const,
  );
  await page.getByRole("button", { name: "Go" }).click();
}

/** What the pressed call came to. */
export async function settled(page: Page): Promise<Settled> {
  return page.evaluate(() => (window as unknown as { settled: Promise<unknown> }).settled) as Promise<Settled>;
}
