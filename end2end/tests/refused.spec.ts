// What a window was refused is said where somebody waits for it: in our dialogs, in the vendors' and by our own
// SDK. The server tells it; the window need not say anything to anybody.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test, expect, type Page } from "../support/test.ts";
import { answer, goOn, popupOf } from "../support/flows.ts";
import { came, sdkPage, start } from "../support/sdk.ts";
import { OURS, callOf } from "../support/table.ts";
import { Sites } from "../support/tls.ts";
import { BOTH, NEW, ProductPage, closeButton } from "../support/vendors.ts";

const OWN = { name: OURS };

const SOON = 2_000;
const TOO_FAST = "There were too many tries in a short time.";

/** A server that lets each customer start one attempt an hour. */
let slow: Sites;
test.beforeAll(async () => {
  slow = await Sites.start({ more: '[server.limits]\nstart_per_customer = "1/h"\n' });
});
test.afterAll(() => slow.stop());

/** A customer who has started their one attempt. */
async function tired(): Promise<ReturnType<Sites["server"]["customer"]>> {
  const customer = slow.server.customer();
  const begun = await fetch(`${slow.server.bound}/connect`, {
    method: "POST",
    headers: { authorization: `Bearer ${customer.token}`, "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ integrationKey: "hubspot" }),
  });
  expect(begun.status).toBe(200);
  return customer;
}

/** Ends every page session, as time does. */
function endSessions(sites: Sites): void {
  const code = "import sqlite3,sys;db=sqlite3.connect(sys.argv[1],timeout=10);db.execute('delete from page_session');db.commit()";
  execFileSync("python3", ["-c", code, join(sites.server.folder, "hitchpost.db")]);
}

/** How long the server holds a session in memory. */
const HELD = 10_500;

for (const sdk of BOTH) {
  test(`a dialog of ${sdk.name} says that it was too fast, and can be tried again`, callOf("openNewConnection", sdk), async ({ page }) => {
    const customer = await tired();
    const product = await ProductPage.open(page, slow, sdk, customer);
    await product.open("made", `client.integration("hubspot").openNewConnection()`);

    for (let tries = 0; tries < 2; tries += 1) {
      const popup = await popupOf(page, goOn(product.dialog, "HubSpot"));
      await expect(product.dialog.getByRole("alert")).toContainText(TOO_FAST, { timeout: SOON });
      await expect(goOn(product.dialog, "HubSpot")).toBeEnabled();
      await expect.poll(() => popup.isClosed()).toBe(true);
    }

    await closeButton(product.dialog).click();
    expect((await product.outcome("made")).value).toBeNull();
    expect(await customer.connections()).toEqual([]);
  });
}

test("a form posted to a screen says it too", callOf("ui.connect", NEW), async ({ page }) => {
  const product = await ProductPage.open(page, slow, NEW, await tired());
  await product.open("made", `client.ui.connect({ integrationKey: "hubspot" })`);

  await popupOf(page, goOn(product.dialog, "HubSpot"));

  await expect(product.dialog.getByRole("alert")).toContainText(TOO_FAST, { timeout: SOON });
});

test("connect() of our SDK rejects with the reason, also on a page that is not listed", callOf("connect", OWN), async ({ page }) => {
  for (const origin of [slow.product, slow.evil]) {
    const customer = await tired();
    const asked = Date.now();
    await start(page, sdkPage(slow, customer.token, 'return client.integration("hubspot").connect();', origin));

    const { error, at } = await came(page);

    expect(error).toMatchObject({ name: "HitchpostError", key: "rate_limit_exceeded" });
    expect(at - asked).toBeLessThan(2 * SOON);
    await expect(page.getByRole("dialog")).toHaveCount(0);
  }
});

test("the vendor's connect() rejects with it", callOf("connect", NEW), async ({ page }) => {
  const product = await ProductPage.open(page, slow, NEW, await tired());
  await page.evaluate(() => {
    const go = document.createElement("button");
    go.textContent = "Go";
    go.onclick = () => {
      const at = window as unknown as { client: { integration(key: string): { connect(): Promise<unknown> } }; error?: unknown };
      at.client.integration("hubspot").connect().catch((error) => (at.error = error.data));
    };
    document.body.append(go);
  });

  await page.getByRole("button", { name: "Go", exact: true }).click();

  const error = await page.waitForFunction(() => (window as unknown as { error?: unknown }).error);
  expect(await error.jsonValue()).toMatchObject({ key: "rate_limit_exceeded" });
  expect(product.sdk).toBe(NEW);
});

test("what a dialog is called is what its outcome is listened to by, with the state it was given", callOf("ui.connect", NEW), async ({ page, sites }) => {
  const customer = sites.server.customer();
  const product = await ProductPage.open(page, sites, NEW, customer);
  const requestId = `screen-${crypto.randomUUID()}`;
  await page.evaluate(
    (address) => {
      const events = new EventSource(address);
      events.onmessage = (event) => {
        (window as unknown as { heard: unknown }).heard = JSON.parse(event.data);
        events.close();
      };
    },
    `${sites.ours}/sse/connection-events/${requestId}?token=${customer.token}`,
  );
  await product.open("made", `client.ui.connect({ integrationKey: "hubspot", requestId: "${requestId}", customState: "a b&c=é" })`);

  await answer(await popupOf(page, goOn(product.dialog, "HubSpot")));

  const { value } = await product.outcome("made");
  const heard = await page.waitForFunction(() => (window as unknown as { heard?: unknown }).heard);
  expect(await heard.jsonValue()).toMatchObject({ type: "newConnectionCreated", requestId, customState: "a b&c=é", connection: { id: (value as { id: string }).id } });
});

test.describe("when the session has ended", () => {
  test("a dialog says so and closes, and the next one works", callOf("openNewConnection", OWN), async ({ page, sites }) => {
    test.setTimeout(60_000);
    const customer = sites.server.customer();
    const frame = page.frameLocator('iframe[name^="hitchpost-"]');
    await start(page, sdkPage(sites, customer.token, 'return client.integration("hubspot").openNewConnection();'));
    await expect(goOn(frame, "HubSpot")).toBeVisible();
    endSessions(sites);
    await page.waitForTimeout(HELD);

    const popup = await popupOf(page, goOn(frame, "HubSpot"));

    await expect(frame.getByRole("heading", { name: "Your session has ended" })).toBeVisible({ timeout: SOON });
    await expect.poll(() => popup.isClosed()).toBe(true);
    await expect(frame.getByRole("button", { name: "Close" })).toHaveCount(2);
    await page.screenshot({ path: test.info().outputPath("ended-dialog.png") });
    await frame.locator(".message").getByRole("button", { name: "Close" }).click();
    expect(await came(page)).toMatchObject({ value: null });
    await page.getByRole("button", { name: "Go on" }).click();
    await answer(await popupOf(page, goOn(frame, "HubSpot")));
    expect((await came(page)).value).toMatchObject({ integrationKey: "hubspot" });
  });

  test("a frame of a product's own asks to be opened again, and is", async ({ page, sites }) => {
    test.setTimeout(60_000);
    const customer = sites.server.customer();
    const address = sites.page(sites.product, `/own-${crypto.randomUUID()}`, `<h1>Settings</h1>
      <iframe title="Integrations" width="900" height="800" src="${sites.ours}/embed/main?token=${customer.token}"></iframe>
      <script>addEventListener("message", (event) => {
        const frame = document.querySelector("iframe");
        if (event.source === frame.contentWindow && event.data?.source === "hitchpost" && event.data.type === "reopen") frame.src = frame.src;
      });</script>`);
    const frame = page.frameLocator("iframe");
    await page.goto(address);
    await expect(frame.getByRole("heading", { name: "Integrations", level: 1 })).toBeVisible();
    endSessions(sites);
    await page.waitForTimeout(HELD);

    // The page comes back into view.
    await frame.locator("body").evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await expect(frame.getByRole("heading", { name: "Your session has ended" })).toBeVisible({ timeout: SOON });
    await page.screenshot({ path: test.info().outputPath("ended-frame.png") });
    await frame.getByRole("button", { name: "Open again" }).click();

    await expect(frame.getByRole("heading", { name: "Integrations", level: 1 })).toBeVisible();
    await page.waitForTimeout(1_200);
    expect(page.url()).toBe(address);
  });

  test("a product that does not listen is gone back to", async ({ page, sites }) => {
    test.setTimeout(60_000);
    const customer = sites.server.customer();
    sites.page(sites.product, "/", "<h1>Home of the product</h1>");
    await page.goto(sites.page(sites.product, `/deaf-${crypto.randomUUID()}`, `<iframe title="Integrations" src="${sites.ours}/embed/main?token=${customer.token}"></iframe>`));
    const frame = page.frameLocator("iframe");
    await expect(frame.getByRole("heading", { name: "Integrations", level: 1 })).toBeVisible();
    endSessions(sites);
    await page.waitForTimeout(HELD);
    await frame.locator("body").evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

    await frame.getByRole("button", { name: "Open again" }).click();

    await expect(page.getByRole("heading", { name: "Home of the product" })).toBeVisible();
  });
});

/** Where a provider's page is, once it is there. */
async function providerOf(page: Page): Promise<string> {
  await expect(page.getByRole("button", { name: "Allow" })).toBeVisible();
  return page.url();
}

test("what our SDK gave up connects nothing, whatever the provider answers", callOf("connect", OWN), async ({ page, sites }) => {
  const customer = sites.server.customer();
  const address = sdkPage(sites, customer.token, 'return client.integration("hubspot").connect();');
  const [popup] = await Promise.all([page.waitForEvent("popup"), start(page, address)]);
  const provider = await providerOf(popup);
  await popup.close();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  expect(await came(page)).toMatchObject({ value: null });

  const late = await page.context().newPage();
  await late.goto(provider);
  await answer(late);

  await expect(late.getByRole("heading", { level: 1 })).toBeVisible();
  expect(await customer.connections()).toEqual([]);
});
