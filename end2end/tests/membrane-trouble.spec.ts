// The dialogs of the vendors' SDKs when a provider is slow, says no or cuts the tie between the windows, and
// when the customer loses the window or gives up. The outcome comes from our server.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test, expect } from "../support/test.ts";
import { answer, choices, goOn, popupOf, send } from "../support/flows.ts";
import { apiKey } from "../support/secrets.ts";
import { callOf } from "../support/table.ts";
import { BOTH, NEW, ProductPage, closeButton, type Sdk } from "../support/vendors.ts";
import type { Page } from "@playwright/test";
import type { Customer } from "../support/server.ts";
import type { Sites } from "../support/tls.ts";

/** How soon a dialog knows. */
const SOON = 2_000;

/** The dialogs that connect HubSpot, each by a call of its own. */
const DIALOGS: { call: string; sdk: Sdk; code: string }[] = [
  ...BOTH.map((sdk) => ({ call: "openNewConnection", sdk, code: `client.integration("hubspot").openNewConnection({ allowMultipleConnections: true })` })),
  { call: "openNewConnectionV2", sdk: NEW, code: `client.integration("hubspot").openNewConnectionV2({ allowMultipleConnections: true })` },
  { call: "ui.connect", sdk: NEW, code: `client.ui.connect({ integrationKey: "hubspot", allowMultipleConnections: true })` },
];

/** Waits for the moment the server has a connection. */
async function connectedAt(customer: Customer): Promise<number> {
  const until = Date.now() + 15_000;
  while (Date.now() < until) {
    if ((await customer.connections()).length > 0) return Date.now();
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("nothing was connected");
}

/** Lets the ten minutes of every attempt be over. */
function runOut(sites: Sites): void {
  const code = "import sqlite3,sys;db=sqlite3.connect(sys.argv[1],timeout=10);db.execute('update attempt set expires_at=1+(select max(updated_at) from attempt)');db.commit()";
  execFileSync("python3", ["-c", code, join(sites.server.folder, "hitchpost.db")]);
}

async function atProvider(page: Page, product: ProductPage): Promise<Page> {
  const popup = await popupOf(page, goOn(product.dialog, "HubSpot"));
  await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();
  return popup;
}

/** Where the provider's page is, once it is there. */
async function settledUrl(popup: Page): Promise<string> {
  await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();
  return popup.url();
}

for (const { call, sdk, code } of DIALOGS) {
  test.describe(`${call} of ${sdk.name}`, () => {
    test("a provider that isolates its pages cannot keep the outcome", callOf(call, sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", code);
      const popup = await atProvider(page, product);
      await popup.goto(`${popup.url()}&sandbox=coop`);
      // The tie is cut: the product's browser takes the window for closed.
      expect(await popup.evaluate(() => window.opener)).toBeNull();
      await expect(product.dialog.getByText("Waiting for HubSpot")).toBeVisible({ timeout: SOON });

      const [at] = await Promise.all([connectedAt(customer), answer(popup)]);

      const outcome = await product.outcome("made");
      const [connection] = await customer.connections();
      expect(outcome.value).toMatchObject({ id: connection.id });
      expect(outcome.at - at).toBeLessThan(SOON);
      expect(await customer.connections()).toHaveLength(1);
    });

    test("a provider that answers after five seconds is waited for", callOf(call, sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", code);
      const popup = await atProvider(page, product);
      const asked = Date.now();

      const [at] = await Promise.all([connectedAt(customer), answer(popup, { scenario: "slow" })]);

      const outcome = await product.outcome("made");
      expect(at - asked).toBeGreaterThan(5_000);
      expect(outcome.at - at).toBeLessThan(SOON);
      expect(await customer.connections()).toHaveLength(1);
    });

    test("a refusal is said, and the way back connects", callOf(call, sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", code);
      const popup = await atProvider(page, product);
      const refused = popup.waitForURL(`${sites.ours}/connect/result/**`, { waitUntil: "commit" }).then(() => Date.now());

      await answer(popup, { scenario: "deny" });

      await expect(product.dialog.getByRole("alert").filter({ hasText: "access was declined" })).toBeVisible();
      expect(Date.now() - (await refused)).toBeLessThan(SOON);
      expect(await product.isSettled("made")).toBe(false);
      expect(await customer.connections()).toEqual([]);
      await popup.close();
      await answer(await atProvider(page, product));
      expect((await product.outcome("made")).value).toMatchObject({ integrationKey: "hubspot" });
    });

    test("a window that was closed is waited for until the customer gives up", callOf(call, sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", code);
      await (await atProvider(page, product)).close();

      await expect(product.dialog.getByText("Waiting for HubSpot")).toBeVisible({ timeout: SOON });
      const asked = Date.now();
      await product.dialog.getByRole("button", { name: "Cancel" }).click();

      const outcome = await product.outcome("made");
      expect(outcome.value).toBeNull();
      expect(outcome.at - asked).toBeLessThan(SOON);
      expect(await product.isOpen()).toBe(false);
    });
  });
}

for (const sdk of BOTH) {
  test.describe(sdk.name, () => {
    test("what was given up makes no connection, though the lost window goes on", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", `client.integration("hubspot").openNewConnection()`);
      const popup = await atProvider(page, product);
      await popup.goto(`${popup.url()}&sandbox=coop`);

      await product.dialog.getByRole("button", { name: "Cancel" }).click();
      expect((await product.outcome("made")).value).toBeNull();
      await answer(popup);

      await expect(popup.getByRole("heading", { name: "Nothing was connected" })).toBeVisible();
      expect(await customer.connections()).toEqual([]);
    });

    test("what was given up while the provider was answering makes none either, and is given back", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      const revoked = async () => (await sites.server.stats()).total.revoke ?? 0;
      const before = await revoked();
      await product.open("made", `client.integration("gitlab").openNewConnection()`);
      const popup = await popupOf(page, goOn(product.dialog, "GitLab"));
      await popup.goto(`${await settledUrl(popup)}&sandbox=coop`);
      await popup.getByLabel("What should happen").selectOption("slow");

      // The window is on its way back and our server asks for the tokens; that takes five seconds.
      const back = popup.waitForRequest(`${sites.ours}/oauth/callback/**`);
      await popup.getByRole("button", { name: "Allow" }).click({ noWaitAfter: true });
      await back;
      await product.dialog.getByRole("button", { name: "Cancel" }).click();

      expect((await product.outcome("made")).value).toBeNull();
      await expect(popup.getByRole("heading", { level: 1 })).toContainText("This page has done its work", { timeout: 15_000 });
      expect(await customer.connections()).toEqual([]);
      await expect.poll(revoked).toBeGreaterThan(before);
    });

    test("ten minutes later the dialog says so, and begins again", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", `client.integration("hubspot").openNewConnection()`);
      await (await atProvider(page, product)).close();
      await expect(product.dialog.getByText("Waiting for HubSpot")).toBeVisible();

      runOut(sites);

      await expect(product.dialog.getByRole("alert").filter({ hasText: "longer than ten minutes" })).toBeVisible();
      await expect(product.dialog.getByText("Waiting for HubSpot")).toHaveCount(0);
      await answer(await atProvider(page, product));
      expect((await product.outcome("made")).value).toMatchObject({ integrationKey: "hubspot" });
      expect(await customer.connections()).toHaveLength(1);
    });

    test("a blocked window becomes a tab, and the dialog ends all the same", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      await page.addInitScript(() => {
        window.open = () => null;
      });
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", `client.integration("hubspot").openNewConnection()`);

      await goOn(product.dialog, "HubSpot").click();
      const [tab] = await Promise.all([
        page.context().waitForEvent("page"),
        product.dialog.getByRole("button", { name: "Open in a new tab" }).click(),
      ]);
      await answer(tab);

      expect((await product.outcome("made")).value).toMatchObject({ integrationKey: "hubspot" });
    });

    test("of several sites one is chosen in the window", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", `client.integration("jira").openNewConnection()`);
      const popup = await popupOf(page, goOn(product.dialog, "Jira"));

      await answer(popup, { scenario: "several" });
      await choices(popup).nth(1).click();

      expect((await product.outcome("made")).value).toMatchObject({ integrationKey: "jira" });
    });

    test("a session that ended is said in the dialog", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const product = await ProductPage.open(page, sites, sdk, sites.server.customer());
      await product.open("made", `client.integration("stripe").openNewConnection()`);
      await product.dialog.locator("form.connect input[name=session]").evaluate((field: HTMLInputElement) => {
        field.value = "A".repeat(43);
      });

      await product.dialog.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
      await send(product.dialog);
      await expect(product.dialog.getByRole("heading", { name: "Your session has ended" })).toBeVisible();
      await closeButton(product.dialog).click();

      expect((await product.outcome("made")).value).toBeNull();
    });
  });
}

test.describe("other sites", () => {
  test.use({ strict: false });

  test("an attacker's page gets neither the dialog nor the connection", callOf("ui.connect", NEW), async ({ page, sites }) => {
    const customer = sites.server.customer();
    const token = customer.token;
    const form = `<iframe name="stolen" width="800" height="600"></iframe>
      <form method="post" action="${sites.ours}/screens/connect" target="stolen"><input name="token" value="${token}"><input name="integrationKey" value="stripe"><button>Go</button></form>`;
    await page.goto(sites.page(sites.evil, "/steal", form));

    await page.getByRole("button", { name: "Go" }).click();

    await expect.poll(() => page.frame({ name: "stolen" })?.url()).toBe("chrome-error://chromewebdata/");
  });
});
