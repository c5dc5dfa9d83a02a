// connect() of our own SDK, from a product's page on another site than ours, and a provider on a third.
import { AxeBuilder } from "@axe-core/playwright";
import { test, expect, type Page } from "../support/test.ts";
import { answer, choices, goOn } from "../support/flows.ts";
import { apiKey } from "../support/secrets.ts";
import { came, sdkPage, start, strictPage } from "../support/sdk.ts";
import { allOf } from "../support/table.ts";

allOf("connect");

/** Opens a page, presses its button and hands the window over that opens. */
async function popupOf(page: Page, address: string): Promise<Page> {
  const [popup] = await Promise.all([page.waitForEvent("popup"), start(page, address)]);
  return popup;
}

const layer = (page: Page) => page.getByRole("dialog", { name: "Connect" });
const HUBSPOT = 'return client.integration("hubspot").connect();';

test("a window opens at the provider, and the connection comes back", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, sdkPage(sites, customer.token, 'return client.integration("hubspot").connect({ name: "Ours" });'));
  await expect(popup).toHaveURL(new RegExp(`^${sites.provider}/sandbox/`));
  await expect(layer(page)).toHaveCount(0);
  const closed = popup.waitForEvent("close");

  await answer(popup);
  await closed;

  const { value } = await came(page);
  expect(value).toMatchObject({ integrationKey: "hubspot", name: "Ours", connected: true });
  expect(await customer.connections()).toMatchObject([{ id: (value as { id: string }).id }]);
  await expect(layer(page)).toHaveCount(0);
});

test("the classic script works under a policy that allows our origin only", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, strictPage(sites, customer.token, HUBSPOT));
  await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();
  await popup.goto(`${popup.url()}&sandbox=coop`);
  await expect(layer(page)).toContainText("Waiting for HubSpot …");

  await answer(popup);

  expect((await came(page)).value).toMatchObject({ integrationKey: "hubspot" });
});

test("a provider that cuts the tie between the windows cannot lose the outcome", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, sdkPage(sites, customer.token, HUBSPOT));
  await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();

  await popup.goto(`${popup.url()}&sandbox=coop`);
  const cut = Date.now();
  await expect(layer(page)).toContainText("Waiting for HubSpot …", { timeout: 2_000 });
  expect(Date.now() - cut).toBeLessThan(2_000);
  const callback = page.context().waitForEvent("response", (response) => response.url().startsWith(`${sites.ours}/oauth/callback/`));
  await answer(popup);
  await callback;
  const known = Date.now();

  const { value, at } = await came(page);
  expect(value).toMatchObject({ integrationKey: "hubspot", connected: true });
  expect(at - known).toBeLessThan(2_000);
  await expect(layer(page)).toHaveCount(0);
  expect(await customer.connections()).toHaveLength(1);
});

test("a window that the customer closed leaves a way out, and nothing behind", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, sdkPage(sites, customer.token, HUBSPOT));
  await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();

  await popup.close();
  const gone = Date.now();
  await expect(layer(page)).toContainText("Waiting for HubSpot …");
  expect(Date.now() - gone).toBeLessThan(2_000);
  expect(await page.evaluate(() => (window as { came?: unknown }).came)).toBeUndefined();
  await expect(layer(page).getByRole("button", { name: "Cancel" })).toBeFocused();
  const found = await new AxeBuilder({ page }).include("dialog").analyze();
  expect(found.violations.map((violation) => violation.id)).toEqual([]);
  await page.keyboard.press("Enter");

  expect(await came(page)).toMatchObject({ value: null });
  await expect(layer(page)).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Go on" })).toBeFocused();
  expect(await customer.connections()).toEqual([]);
});

test("Escape cancels as well, and the next try makes one connection", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const first = await popupOf(page, sdkPage(sites, customer.token, HUBSPOT));
  await first.close();
  await expect(layer(page)).toBeVisible();
  await page.keyboard.press("Escape");
  expect(await came(page)).toMatchObject({ value: null });

  const [second] = await Promise.all([page.waitForEvent("popup"), page.getByRole("button", { name: "Go on" }).click()]);
  await answer(second);

  expect((await came(page)).value).toMatchObject({ integrationKey: "hubspot" });
  expect(await customer.connections()).toHaveLength(1);
});

test("an answer that takes long arrives, even after the window was closed", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, sdkPage(sites, customer.token, HUBSPOT));
  const left = page.context().waitForEvent("request", (request) => request.url().startsWith(`${sites.ours}/oauth/callback/`));
  const pressed = answer(popup, { scenario: "slow" }).catch(() => "the window is gone");
  await left;

  // The server has the answer and asks the provider, who is slow.
  await page.waitForTimeout(500);
  await popup.close();
  await pressed;
  await expect(layer(page)).toContainText("Waiting for HubSpot …", { timeout: 2_000 });

  expect((await came(page, 20_000)).value).toMatchObject({ integrationKey: "hubspot", connected: true });
  expect(await customer.connections()).toHaveLength(1);
});

test("a refusal at the provider rejects with its key", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, sdkPage(sites, customer.token, HUBSPOT));

  await answer(popup, { scenario: "deny" });

  const { error } = await came(page);
  expect(error).toMatchObject({ name: "HitchpostError", type: "connection", key: "access_denied_by_provider" });
  expect(error?.data).toMatchObject({ type: "connection", key: "access_denied_by_provider", message: error?.message });
  expect(await customer.connections()).toEqual([]);
});

test("a blocked window opens by a button of its own", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const code = "const open = window.open; window.open = () => null; setTimeout(() => { window.open = open; }, 1000);" + HUBSPOT;
  await start(page, sdkPage(sites, customer.token, code));
  await expect(layer(page)).toContainText("Your browser blocked the window.");
  await page.waitForTimeout(1_000);
  expect(page.context().pages()).toHaveLength(1);

  const [popup] = await Promise.all([page.waitForEvent("popup"), layer(page).getByRole("button", { name: "Open it" }).click()]);
  await expect(layer(page)).toContainText("Waiting for HubSpot …");
  await answer(popup);

  expect((await came(page)).value).toMatchObject({ integrationKey: "hubspot" });
  await expect(layer(page)).toHaveCount(0);
});

test("where no window may open at all, a tab does", async ({ page, sites }) => {
  const customer = sites.server.customer();
  await start(page, sdkPage(sites, customer.token, "window.open = () => null;" + HUBSPOT));

  const [tab] = await Promise.all([
    page.context().waitForEvent("page"),
    layer(page).getByRole("button", { name: "Open it" }).click(),
  ]);
  await answer(tab);

  expect((await came(page)).value).toMatchObject({ integrationKey: "hubspot" });
  expect(await customer.connections()).toHaveLength(1);
});

test("a key that is given connects at once, and a wrong one rejects", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const connect = (key: string) => `return client.integration("stripe").connect({ input: { api_key: "${key}" } });`;

  await start(page, sdkPage(sites, customer.token, connect(apiKey("sk_test_", "wrong"))));
  const wrong = await came(page);
  await start(page, sdkPage(sites, customer.token, connect(apiKey("sk_test_", "sandbox"))));
  const right = await came(page);

  expect(wrong.error).toMatchObject({ type: "connection", key: "test_failed", status: 400 });
  expect(right.value).toMatchObject({ integrationKey: "stripe", connected: true });
  expect(page.context().pages()).toHaveLength(1);
  await start(page, sdkPage(sites, customer.token, 'return client.integration("stripe").connect({ input: {} });'));
  const missing = await came(page);
  expect(missing.error).toMatchObject({ key: "invalid_input" });
  expect(Object.keys((missing.error?.data?.data as { fields: object }).fields)).toEqual(["api_key"]);
});

test("what is not given is asked in a window", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, sdkPage(sites, customer.token, 'return client.integration("stripe").connect();'));

  await popup.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
  await popup.locator("form.connect button.primary").click();

  expect((await came(page)).value).toMatchObject({ integrationKey: "stripe", connected: true });
});

test("of two sites one is chosen in the window", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, sdkPage(sites, customer.token, 'return client.connect({ integrationKey: "jira" });'));

  await answer(popup, { scenario: "several" });
  await choices(popup).nth(1).click();

  expect((await came(page)).value).toMatchObject({ integrationKey: "jira" });
});

test("another way to sign in is named by its key, and an unknown one is refused", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const by = (key: string) => sdkPage(sites, customer.token, `return client.integration("hubspot").connect({ authOptionKey: "${key}" });`);

  const popup = await popupOf(page, by("api-key"));
  await expect(popup.locator("form.connect input[type=password]")).toBeVisible();
  await popup.close();
  await layer(page).getByRole("button", { name: "Cancel" }).click();
  expect(await came(page)).toMatchObject({ value: null });
  const named = await popupOf(page, by("oauth2"));
  await expect(named).toHaveURL(new RegExp(`^${sites.provider}/`));
  await named.close();
  await start(page, by("nothing"));

  expect((await came(page)).error).toMatchObject({ key: "unknown_auth_option" });
});

test("parameters that the connector does not declare are refused before a window opens", async ({ page, sites }) => {
  const code = 'return client.integration("hubspot").connect({ connectorParameters: { colour: "red" } });';

  await start(page, sdkPage(sites, sites.server.customer().token, code));

  expect((await came(page)).error).toMatchObject({ key: "invalid_input", status: 400 });
  expect(page.context().pages()).toHaveLength(1);
});

test("declared parameters reach the provider", async ({ page, sites }) => {
  const code = 'return client.integration("hubspot").connect({ connectorParameters: { scopes: ["crm.objects.contacts.read"] } });';

  const popup = await popupOf(page, sdkPage(sites, sites.server.customer().token, code));

  await expect(popup).toHaveURL(/scope=crm\.objects\.contacts\.read(&|$)/);
});

test("it ends by itself when nothing comes", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, sdkPage(sites, customer.token, `Hitchpost.configure({ timeout: 1500 }); ${HUBSPOT}`));

  const { error } = await came(page);

  expect(error).toMatchObject({ type: "connection", key: "attempt_expired" });
  await expect(layer(page)).toHaveCount(0);
  await expect.poll(() => popup.isClosed()).toBe(true);
});

test("in the same window the browser goes and comes back with the outcome", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const back = sites.page(sites.product, "/back", "<h1>Back</h1>");
  const options = `{ sameWindow: true, redirectUri: "${back}?keep=1", customState: "step 3" }`;

  await start(page, sdkPage(sites, customer.token, `return client.integration("hubspot").connect(${options});`));
  await answer(page);

  await expect(page.getByRole("heading", { name: "Back" })).toBeVisible();
  const [connection] = await customer.connections();
  expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({ keep: "1", connectionId: connection.id, customState: "step 3" });
});

test("a reconnect keeps the id, and another account is refused", async ({ page, sites }) => {
  const customer = sites.server.customer();
  await answer(await popupOf(page, sdkPage(sites, customer.token, HUBSPOT)), { account: "alice" });
  const { id } = (await came(page)).value as { id: string };
  const again = `return client.connection("hubspot").reconnect();`;

  await answer(await popupOf(page, sdkPage(sites, customer.token, again)), { account: "alice" });
  const same = await came(page);
  await answer(await popupOf(page, sdkPage(sites, customer.token, again)), { account: "bob" });
  const other = await came(page);

  expect(same.value).toMatchObject({ id });
  expect(other.error).toMatchObject({ key: "account_mismatch" });
  expect(await customer.connections()).toMatchObject([{ id, connected: true }]);
});

test("messages from strangers settle nothing", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const code = `return client.integration("hubspot").connect({ requestId: "a-name-that-everybody-knows" });`;
  const popup = await popupOf(page, sdkPage(sites, customer.token, code));
  await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();
  const forged = { source: "integration.app", type: "newConnectionCreated", requestId: "a-name-that-everybody-knows", connection: { id: "x" } };

  // The provider's page has the window, but not our origin; the product's own page is not that window.
  await popup.evaluate((message) => (window.opener as Window).postMessage(message, "*"), forged);
  await page.evaluate((message) => window.postMessage(message, "*"), forged);
  await page.waitForTimeout(300);
  expect(await page.evaluate(() => (window as { came?: unknown }).came)).toBeUndefined();
  await answer(popup);

  expect((await came(page)).value).toMatchObject({ integrationKey: "hubspot" });
});

test("a page that is not among the allowed meets our confirm page first", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const popup = await popupOf(page, sdkPage(sites, customer.token, HUBSPOT, sites.evil));

  await expect(popup).toHaveURL(new RegExp(`^${sites.ours}/connect/continue/`));
  await expect(goOn(popup, "HubSpot")).toBeVisible();
});
