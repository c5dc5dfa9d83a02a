// Pages of a product that use our own SDK, each with a button and a few lines of its own.
import { expect, type Page } from "@playwright/test";
import type { Sites } from "./tls.ts";

/** What a page's lines came to. */
export interface Came {
  value?: unknown;
  error?: { name: string; type: string; key?: string; message: string; data?: { [more: string]: unknown }; status?: number };
  /** When, in milliseconds of the page's clock. */
  at: number;
  /** What callbacks were told. */
  told: unknown[];
}

const lines = (token: string, code: string) => `
  const client = new Hitchpost.HitchpostClient({ token: ${JSON.stringify(token)} });
  const told = [];
  document.getElementById("go").onclick = async () => {
    window.came = undefined;
    const run = async () => { ${code} };
    const came = await run().then((value) => ({ value }), (error) => ({
      error: { name: error.name, type: error.type, key: error.key, message: error.message, data: error.data, status: error.status },
    }));
    window.came = { ...came, at: Date.now() };
  };
  window.told = told;
  document.body.dataset.ready = "1";`;

/** A page of the product whose button runs `code`, an async body with `Hitchpost`, `client` and `told`. */
export function sdkPage(sites: Sites, token: string, code: string, origin = sites.product): string {
  return sites.page(origin, `/sdk-${crypto.randomUUID()}`, `<h1>Settings</h1><button id="go">Go on</button>
    <script type="module">import * as Hitchpost from "${sites.ours}/sdk.js";${lines(token, code)}</script>`);
}

/** The same by the classic script, under a policy that allows nothing but what it needs. */
export function strictPage(sites: Sites, token: string, code: string): string {
  const policy = `default-src 'none'; script-src 'nonce-n0' ${sites.ours}; connect-src ${sites.ours}; frame-src ${sites.ours}; form-action ${sites.ours} ${sites.provider}`;
  return sites.page(sites.product, `/strict-${crypto.randomUUID()}`, `<h1>Settings</h1><button id="go">Go on</button>
    <script src="${sites.ours}/sdk.global.js"></script><script nonce="n0">${lines(token, code)}</script>`, {
    "content-security-policy": policy,
  });
}

/** Opens such a page and presses its button. */
export async function start(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await expect(page.locator("body[data-ready]")).toBeVisible();
  await page.getByRole("button", { name: "Go on" }).click();
}

/** What the lines came to, as soon as they did. */
export async function came(page: Page, timeout = 15_000): Promise<Came> {
  const handle = await page.waitForFunction(() => (window as unknown as { came?: Came }).came, undefined, { timeout });
  const told = await page.evaluate(() => (window as unknown as { told: unknown[] }).told);
  return { ...(await handle.jsonValue())!, told };
}
