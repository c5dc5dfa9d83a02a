// The server's own dialogs in a frame over a product's page, opened by our own SDK.
import { test, expect, type Page } from "../support/test.ts";
import { answer, goOn } from "../support/flows.ts";
import { apiKey } from "../support/secrets.ts";
import { came, sdkPage, start, strictPage } from "../support/sdk.ts";
import { allOf } from "../support/table.ts";

allOf("dialogs");

const frame = (page: Page) => page.frameLocator('iframe[name^="hitchpost-"]');
const layer = (page: Page) => page.getByRole("dialog", { name: "Connect" });

test("a dialog over the page connects an app, and the connection comes back", async ({ page, sites }) => {
  const customer = sites.server.customer();
  await start(page, sdkPage(sites, customer.token, 'return client.integration("hubspot").openNewConnection({ name: "Ours" });'));
  await expect(frame(page).getByRole("heading", { level: 1 })).toContainText("HubSpot");
  await expect(page.getByText("Loading…")).toHaveCount(0);

  const [popup] = await Promise.all([page.waitForEvent("popup"), goOn(frame(page), "HubSpot").click()]);
  await answer(popup);

  const { value } = await came(page);
  expect(value).toMatchObject({ integrationKey: "hubspot", name: "Ours", connected: true });
  await expect(layer(page)).toHaveCount(0);
  expect(await customer.connections()).toMatchObject([{ id: (value as { id: string }).id }]);
});

test("a key is typed in the dialog, under a policy that allows our origin only", async ({ page, sites }) => {
  const customer = sites.server.customer();
  await start(page, strictPage(sites, customer.token, 'return client.ui.connect({ integrationKey: "stripe", theme: "dark" });'));

  await frame(page).getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
  await frame(page).locator("form.connect button.primary").click();

  expect((await came(page)).value).toMatchObject({ integrationKey: "stripe", connected: true });
});

test("who closes the dialog gets null, and the focus is back where it was", async ({ page, sites }) => {
  const customer = sites.server.customer();
  await start(page, sdkPage(sites, customer.token, 'return client.integration("hubspot").openNewConnection();'));

  await frame(page).getByRole("button", { name: "Close" }).click();

  expect(await came(page)).toMatchObject({ value: null });
  await expect(layer(page)).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Go on" })).toBeFocused();
  expect(await customer.connections()).toEqual([]);
});

test("a connection is made again in the dialog, and keeps its id", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const key = apiKey("sk_test_", "sandbox");
  await start(page, sdkPage(sites, customer.token, `return client.integration("stripe").connect({ input: { api_key: "${key}" } });`));
  const { id } = (await came(page)).value as { id: string };

  await start(page, sdkPage(sites, customer.token, `return client.connection("${id}").openReconnectUI();`));
  await frame(page).getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
  await frame(page).locator("form.connect button.primary").click();

  expect((await came(page)).value).toMatchObject({ id, connected: true });
});

for (const [name, code, heading] of [
  ["the whole page", "return client.open();", "Integrations"],
  ["the page of an app", 'return client.integration("hubspot").open();', "HubSpot"],
  ["the catalog", "return client.ui.connect();", "Integrations"],
]) {
  test(`${name} opens, and closes`, async ({ page, sites }) => {
    await start(page, sdkPage(sites, sites.server.customer().token, code));
    await expect(frame(page).getByRole("heading", { level: 1 })).toContainText(heading);

    await frame(page).getByRole("button", { name: "Close" }).click();

    expect(await came(page)).toMatchObject({ value: null });
  });
}

test("the page of a connection opens", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const key = apiKey("sk_test_", "sandbox");
  await start(page, sdkPage(sites, customer.token, `
    const { id } = await client.integration("stripe").connect({ input: { api_key: "${key}" } });
    return client.ui.connection({ connectionId: id });`));

  await expect(frame(page).getByRole("heading", { level: 1 })).toContainText("Stripe");
  await frame(page).getByRole("button", { name: "Close" }).click();

  expect(await came(page)).toMatchObject({ value: null });
});

test.describe("on a site that is not among the allowed", () => {
  test.use({ strict: false });

  test("a frame that never says it is there can be given up", async ({ page, sites }) => {
    test.setTimeout(40_000);
    await start(page, sdkPage(sites, sites.server.customer().token, 'return client.integration("hubspot").openNewConnection();', sites.evil));
    await expect(layer(page).getByRole("status")).toHaveText("Loading…");
    await expect(layer(page).getByRole("status")).toHaveText("This cannot be shown right now.", { timeout: 12_000 });

    await layer(page).getByRole("button", { name: "Cancel" }).click();

    expect(await came(page)).toMatchObject({ value: null });
    await expect(layer(page)).toHaveCount(0);
  });
});

test("only the frame, and only from our origin, is listened to", async ({ page, sites }) => {
  const customer = sites.server.customer();
  await start(page, sdkPage(sites, customer.token, 'return client.integration("hubspot").openNewConnection();'));
  await expect(frame(page).getByRole("heading", { level: 1 })).toContainText("HubSpot");

  await page.evaluate(() => {
    for (const methodName of ["onSuccess", "close"]) window.postMessage({ penpal: "call", id: 1, methodName, args: [{ id: "x" }] }, "*");
  });
  await page.waitForTimeout(300);

  await expect(layer(page)).toBeVisible();
  expect(await page.evaluate(() => (window as { came?: unknown }).came)).toBeUndefined();
});

for (const viewport of [{ width: 390, height: 844 }, { width: 1280, height: 860 }]) {
  for (const colorScheme of ["light", "dark"] as const) {
    test.describe(`@screenshots ${viewport.width} px, ${colorScheme}`, () => {
      test.use({ viewport, colorScheme });

      test("what lies over the page", async ({ page, sites }) => {
        const take = (name: string) => page.screenshot({ path: test.info().outputPath(`${name}.png`) });
        const customer = sites.server.customer();
        await start(page, sdkPage(sites, customer.token, `window.open = () => null; return client.integration("hubspot").connect();`));
        await expect(layer(page)).toContainText("blocked");
        await take("blocked");
        const address = sdkPage(sites, customer.token, 'return client.integration("hubspot").connect();');
        const [popup] = await Promise.all([page.waitForEvent("popup"), start(page, address)]);
        await popup.close();
        await expect(layer(page)).toContainText("HubSpot");
        await take("waiting");
        await start(page, sdkPage(sites, customer.token, 'return client.integration("hubspot").openNewConnection();'));
        await expect(page.getByText("Loading…")).toHaveCount(0);
        await page.waitForTimeout(300);
        await take("frame");
      });
    });
  }
}
