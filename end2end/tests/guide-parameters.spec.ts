// The guide about connector parameters: by a form and by the SDKs, in the browser. All of them store
// the same and lead to the same place.
import { test, expect, type Page } from "../support/test.ts";
import { answer, finish, goOn, popupOf } from "../support/flows.ts";
import { sample } from "../support/guide.ts";
import { came, sdkPage, start } from "../support/sdk.ts";
import type { Customer } from "../support/server.ts";
import type { Sites } from "../support/tls.ts";
import { NEW, ProductPage } from "../support/vendors.ts";

const GUIDE = "connector-parameters";
const PARAMETERS = { environment: "sandbox", scopes: ["api", "refresh_token"] };

/** Where the browser leaves for: Salesforce's sandbox, with the scopes of the guide. */
async function seeTheSandbox(page: Page): Promise<void> {
  await expect(page.getByRole("button", { name: "Allow" })).toBeVisible();
  const left = new URL(page.url());
  expect([left.pathname, left.searchParams.get("scope")]).toEqual(["/sandbox/test.salesforce.com/services/oauth2/authorize", "api refresh_token"]);
}

/** What is stored, as only the backend reads it. */
async function stored(sites: Sites, customer: Customer): Promise<unknown[]> {
  const token = sites.server.token({ id: customer.id, isAdmin: true });
  const answer = await fetch(`${sites.server.bound}/connections`, { headers: { authorization: `Bearer ${token}` } });
  return ((await answer.json()) as { items: { connectorParameters: unknown }[] }).items.map((one) => one.connectorParameters);
}

// Acceptance 55, 56, 58 and 59.
test("a form with a payload", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const back = sites.page(sites.product, "/done", "<h1>Done</h1>");
  const names = { "http://localhost:7080": sites.ours, "https://app.acme.com/done": back, TOKEN: customer.token };
  await page.goto(sites.page(sites.product, "/parameters", sample("form-payload", names, GUIDE)));

  await page.getByRole("button", { name: "Connect Salesforce" }).click();
  await seeTheSandbox(page);
  await answer(page);
  await expect(page.getByRole("heading", { name: "Done" })).toBeVisible();

  expect(await stored(sites, customer)).toEqual([PARAMETERS]);
});

test("ui.connect() and connect() of our own SDK", async ({ page, sites }) => {
  const customer = sites.server.customer();
  await start(page, sdkPage(sites, customer.token, sample("sdk-ui", {}, GUIDE)));
  const dialog = page.frameLocator("iframe");
  await expect(goOn(dialog, "Salesforce")).toBeVisible();
  expect(await dialog.locator("body").textContent()).not.toMatch(/environment|test\.salesforce/i);
  const popup = await popupOf(page, goOn(dialog, "Salesforce"));
  await seeTheSandbox(popup);
  await finish(popup);
  expect((await came(page)).error).toBeUndefined();

  const made = sample("sdk-connect", {}, GUIDE).replace("console.log(connection.id)", "return connection.id");
  const [window] = await Promise.all([page.waitForEvent("popup"), start(page, sdkPage(sites, customer.token, made))]);
  await seeTheSandbox(window);
  await answer(window);
  const { value } = await came(page);

  expect((await customer.connections()).map((one) => one.id)).toContain(value);
  expect(await stored(sites, customer)).toEqual([PARAMETERS, PARAMETERS]);
});

test("ui.connect() and connect() of the newer public SDK", async ({ page, sites }) => {
  const customer = sites.server.customer();
  const product = await ProductPage.open(page, sites, NEW, customer);
  const lines = (id: string) => sample(id, { "await ": "" }, GUIDE).split("\nconsole.log")[0].replace("const connection = ", "").replace(/;$/, "");

  await product.open("ui", lines("sdk-ui"));
  const popup = await popupOf(page, goOn(product.dialog, "Salesforce"));
  await seeTheSandbox(popup);
  await finish(popup);
  const shown = await product.outcome("ui");
  const opened = page.waitForEvent("popup");
  await product.call("connect", lines("sdk-connect"));
  const window = await opened;
  await seeTheSandbox(window);
  await answer(window);
  const made = await product.outcome("connect");

  const ids = (await customer.connections()).map((one) => one.id);
  expect(new Set(ids)).toEqual(new Set([shown, made].map(({ value }) => (value as { id: string }).id)));
  expect(await stored(sites, customer)).toEqual([PARAMETERS, PARAMETERS]);
});
