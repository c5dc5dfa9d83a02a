// `ui.connect` and `ui.connection` of the vendor's SDK: screens that a form opens in an iframe.
import { AxeBuilder } from "@axe-core/playwright";
import { test, expect } from "../support/test.ts";
import { answer, card, finish, goOn, popupOf, row, send } from "../support/flows.ts";
import { apiKey } from "../support/secrets.ts";
import { callOf } from "../support/table.ts";
import { NEW, ProductPage, closeButton } from "../support/vendors.ts";
import type { Page } from "@playwright/test";
import type { Customer } from "../support/server.ts";
import type { Sites } from "../support/tls.ts";

const STRIPE = "Secret or restricted key";

/** The product's page, with one connection made by key. */
async function withStripe(page: Page, sites: Sites): Promise<{ customer: Customer; product: ProductPage; id: string }> {
  const customer = sites.server.customer();
  const product = await ProductPage.open(page, sites, NEW, customer);
  await product.open("first", `client.ui.connect({ integrationKey: "stripe", name: "Mine" })`);
  await giveKey(product);
  const { id } = (await product.outcome("first")).value as { id: string };
  return { customer, product, id };
}

async function giveKey(product: ProductPage): Promise<void> {
  await product.dialog.getByLabel(STRIPE).fill(apiKey("sk_test_", "sandbox"));
  await send(product.dialog);
}

test("an app is connected under the given name", callOf("ui.connect", NEW), async ({ page, sites }) => {
  const { customer, id } = await withStripe(page, sites);

  expect(await customer.connections()).toMatchObject([{ id, name: "Mine", integrationKey: "stripe" }]);
});

test("without an app the customer finds one", callOf("ui.connect", NEW), async ({ page, sites }) => {
  const { customer, product, id } = await withStripe(page, sites);
  await product.open("made", `client.ui.connect()`);
  await expect(product.dialog.getByRole("heading", { level: 1, name: "Integrations" })).toBeVisible();
  await expect(card(product.dialog, "Stripe").getByRole("link", { name: "Reconnect Stripe" })).toBeVisible();
  await expect(product.dialog.locator(".rows")).toHaveCount(0);

  await product.dialog.getByRole("searchbox").fill("hubsp");
  await expect(product.dialog.locator("#results .grid > li")).toHaveCount(1);
  await card(product.dialog, "HubSpot").getByRole("link").click();
  await product.dialog.getByRole("link", { name: "All integrations" }).click();
  await card(product.dialog, "HubSpot").getByRole("link").click();
  await finish(await popupOf(page, goOn(product.dialog, "HubSpot")));

  expect((await product.outcome("made")).value).toMatchObject({ integrationKey: "hubspot" });
  expect((await customer.connections()).map((one) => one.id)).toContain(id);
});

test("a connection is renewed by its id and by its key", callOf("ui.connect", NEW), async ({ page, sites }) => {
  const { customer, product, id } = await withStripe(page, sites);

  for (const selector of [`connectionId: "${id}"`, `connectionKey: "stripe"`]) {
    await product.open("again", `client.ui.connect({ ${selector} })`);
    await expect(product.dialog.getByRole("heading", { level: 1, name: "Reconnect Stripe to Acme" })).toBeVisible();
    await giveKey(product);
    expect((await product.outcome("again")).value).toMatchObject({ id, name: "Mine" });
  }

  expect(await customer.connections()).toHaveLength(1);
});

test("an integration goes by its id, and by its connector", callOf("ui.connect", NEW), async ({ page, sites }) => {
  const { product } = await withStripe(page, sites);
  const found = await fetch(`${sites.server.bound}/integrations/hubspot`, { headers: { authorization: `Bearer ${sites.server.customer().token}` } });
  const { id } = (await found.json()) as { id: string };

  for (const selector of [`integrationId: "${id}"`, `connectorKey: "hubspot"`, `connectorId: "hubspot"`]) {
    await product.open("closed", `client.ui.connect({ ${selector} })`);
    await expect(product.dialog.getByRole("heading", { level: 1, name: "Connect HubSpot to Acme" })).toBeVisible();
    await closeButton(product.dialog).click();
    expect((await product.outcome("closed")).value).toBeNull();
  }
});

test("the auth option is chosen beforehand, and one that is not there is said", callOf("ui.connect", NEW), async ({ page, sites }) => {
  const product = await ProductPage.open(page, sites, NEW, sites.server.customer());

  await product.open("made", `client.ui.connect({ integrationKey: "hubspot", authOptionKey: "api-key", customState: "x", externalAppKey: { a: 1 } })`);
  await expect(product.dialog.locator("nav.options [aria-current]")).toContainText("Private app token");
  await closeButton(product.dialog).click();
  await product.open("refused", `client.ui.connect({ integrationKey: "hubspot", authOptionKey: "no-such-option" })`);
  await expect(product.dialog.getByText("unknown_auth_option")).toBeVisible();
  await closeButton(product.dialog).click();

  expect((await product.outcome("refused")).value).toBeNull();
});

for (const theme of ["light", "dark"] as const) {
  test(`the theme ${theme} holds on every page, and the product shows through`, callOf("ui.connect", NEW), async ({ page, sites }) => {
    await page.emulateMedia({ colorScheme: theme === "dark" ? "light" : "dark" });
    const product = await ProductPage.open(page, sites, NEW, sites.server.customer());
    await product.open("made", `client.ui.connect({ theme: "${theme}" })`);
    await card(product.dialog, "Stripe").getByRole("link").click();
    await product.dialog.getByLabel(STRIPE).fill(apiKey("sk_test_", "wrong"));
    await send(product.dialog);

    await expect(product.dialog.getByRole("alert").filter({ hasText: "Stripe" })).toBeVisible();
    const html = product.dialog.locator("html");
    await expect(html).toHaveAttribute("data-scheme", theme);
    const surface = await product.dialog.locator("main").evaluate((main) => getComputedStyle(main).backgroundColor);
    expect(surface).toBe(theme === "dark" ? "rgb(25, 27, 31)" : "rgb(255, 255, 255)");
    expect(await html.evaluate((root) => getComputedStyle(root).colorScheme)).toBe("light");
    expect(await product.dialog.locator("body").evaluate((body) => getComputedStyle(body).colorScheme)).toBe(theme);
  });
}

test("a connection's screen says how it is and renews it", callOf("ui.connection", NEW), async ({ page, sites }) => {
  const { customer, product, id } = await withStripe(page, sites);
  await product.open("renewed", `client.ui.connection({ connectionId: "${id}" })`);
  await expect(product.dialog.locator(".rows .row")).toContainText("Connected");

  await product.dialog.getByRole("link", { name: "Reconnect Stripe" }).click();
  await giveKey(product);

  expect((await product.outcome("renewed")).value).toMatchObject({ id });
  expect(await product.isOpen()).toBe(false);
  expect(await customer.connections()).toHaveLength(1);
});

test("a connection's screen renews by one press where a provider is asked", callOf("ui.connection", NEW), async ({ page, sites }) => {
  const customer = sites.server.customer();
  const product = await ProductPage.open(page, sites, NEW, customer);
  await product.open("made", `client.ui.connect({ integrationKey: "hubspot" })`);
  await finish(await popupOf(page, goOn(product.dialog, "HubSpot")));
  const { id } = (await product.outcome("made")).value as { id: string };

  await product.open("renewed", `client.ui.connection({ connectionId: "${id}", theme: "dark" })`);
  await answer(await popupOf(page, product.dialog.getByRole("button", { name: "Reconnect HubSpot" })));

  expect((await product.outcome("renewed")).value).toMatchObject({ id });
});

test("a connection's screen deletes, and closing it resolves null", callOf("ui.connection", NEW), async ({ page, sites }) => {
  const { customer, product, id } = await withStripe(page, sites);
  await product.open("closed", `client.ui.connection({ connectionId: "${id}" })`);

  await product.dialog.getByText("Delete…").click();
  await product.dialog.getByRole("button", { name: "Delete connection" }).click();
  await expect(product.dialog.getByText("Stripe is no longer connected")).toBeVisible();
  await closeButton(product.dialog).click();

  expect((await product.outcome("closed")).value).toBeNull();
  expect(await customer.connections()).toEqual([]);
});

test("somebody else's connection reads like none", callOf("ui.connection", NEW), async ({ page, sites }) => {
  const { id } = await withStripe(page, sites);
  const product = await ProductPage.open(page, sites, NEW, sites.server.customer());

  for (const other of [id, "01900000-0000-7000-8000-000000000000"]) {
    await product.open("closed", `client.ui.connection({ connectionId: "${other}" })`);
    await expect(product.dialog.getByRole("heading", { name: "There is nothing here" })).toBeVisible();
    await expect(row(product.dialog, "Stripe")).toHaveCount(0);
    await closeButton(product.dialog).click();
    expect((await product.outcome("closed")).value).toBeNull();
  }
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [390, 1280]) {
    test(`dialogs fit ${width} px in ${colorScheme} and nothing in them is hard to read or reach`, callOf("ui.connect", NEW), async ({ page, sites }) => {
      test.slow();
      await page.setViewportSize({ width, height: 844 });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const product = await ProductPage.open(page, sites, NEW, sites.server.customer());

      for (const code of [`client.ui.connect()`, `client.ui.connect({ integrationKey: "zendesk" })`, `client.ui.connect({ integrationKey: "no-such-app" })`]) {
        await product.open("made", code);
        await expect(closeButton(product.dialog)).toBeVisible();

        const over = await product.dialog.locator("html").evaluate((root) => root.scrollWidth - root.clientWidth);
        // The frame itself is the SDK's, which gives it no title.
        const found = await new AxeBuilder({ page }).include("#__integration-app-popup").disableRules("frame-title").analyze();
        expect([code, over, found.violations.map((violation) => violation.id)]).toEqual([code, 0, []]);
        // From the top of the dialog its button is one step away.
        await product.dialog.locator("#main").evaluate((main: HTMLElement) => main.focus());
        await page.keyboard.press("Tab");
        await expect(closeButton(product.dialog)).toBeFocused();
        await page.keyboard.press("Enter");
        expect((await product.outcome("made")).value).toBeNull();
      }
    });
  }
}
