// What the vendors' SDKs open over a product's page: dialogs in an iframe, by GET and by POST. The product,
// our page and the provider are three sites, so nothing works by being close.
import { test, expect } from "../support/test.ts";
import { answer, card, finish, goOn, popupOf, row, send } from "../support/flows.ts";
import { apiKey } from "../support/secrets.ts";
import { callOf } from "../support/table.ts";
import { BOTH, NEW, ProductPage, closeButton } from "../support/vendors.ts";
import type { FrameLocator, Page } from "@playwright/test";
import type { Customer } from "../support/server.ts";
import type { Sites } from "../support/tls.ts";

const STRIPE = "Secret or restricted key";

/** A connection that is there before the dialog opens. */
async function connectedTo(sites: Sites, customer: Customer, integrationKey: string, input: object): Promise<string> {
  const made = await fetch(`${sites.server.bound}/connect`, {
    method: "POST",
    headers: { authorization: `Bearer ${customer.token}`, accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify({ integrationKey, input }),
  });
  const { connection } = (await made.json()) as { connection: { id: string } };
  return connection.id;
}

/** What only the backend sees of a connection. */
async function parametersOf(sites: Sites, id: string): Promise<unknown> {
  const token = sites.server.token({ isAdmin: true });
  const found = await fetch(`${sites.server.bound}/connections/${id}`, { headers: { authorization: `Bearer ${token}` } });
  return ((await found.json()) as { connectorParameters: unknown }).connectorParameters;
}

async function giveKey(dialog: FrameLocator, word = "sandbox"): Promise<void> {
  await dialog.getByLabel(STRIPE).fill(apiKey("sk_test_", word));
  await send(dialog);
}

/** Everything any frame of ours showed, and every address it had. */
function watchFrames(page: Page): { addresses: string[]; texts: Promise<string>[] } {
  const seen = { addresses: [] as string[], texts: [] as Promise<string>[] };
  page.on("response", (response) => {
    const isFrame = response.request().isNavigationRequest() && response.frame() !== page.mainFrame();
    if (isFrame) seen.addresses.push(response.url());
    if (isFrame && response.status() === 200) seen.texts.push(response.text().catch(() => ""));
  });
  return seen;
}

for (const sdk of BOTH) {
  test.describe(sdk.name, () => {
    test("an app with a provider's page connects", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", `client.integration("hubspot").openNewConnection()`);

      await finish(await popupOf(page, goOn(product.dialog, "HubSpot")), { account: "alice" });

      const [connection] = await customer.connections();
      expect((await product.outcome("made")).value).toMatchObject({
        id: connection.id, integrationKey: "hubspot", disconnected: false, integration: { key: "hubspot", name: "HubSpot" },
      });
      expect(await product.isOpen()).toBe(false);
    });

    test("an app with a key connects in the frame", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const frames = watchFrames(page);
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", `client.integration("stripe").openNewConnection()`);

      await giveKey(product.dialog, "wrong");
      await expect(product.dialog.getByRole("alert").filter({ hasText: "Stripe" })).toBeVisible();
      expect(await product.isSettled("made")).toBe(false);
      await giveKey(product.dialog);

      const made = (await product.outcome("made")).value;
      const [connection] = await customer.connections();
      expect(made).toMatchObject({ id: connection.id, integrationKey: "stripe" });
      expect(await product.isOpen()).toBe(false);
      expect(frames.addresses.filter((address) => new URL(address).origin !== sites.ours)).toEqual([]);
    });

    test("it carries a name and makes a further connection", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const first = await connectedTo(sites, customer, "stripe", { api_key: apiKey("sk_test_", "sandbox") });
      const product = await ProductPage.open(page, sites, sdk, customer);

      await product.open("second", `client.integration("stripe").openNewConnection({ allowMultipleConnections: true, name: "Second one" })`);
      await giveKey(product.dialog);
      const second = (await product.outcome("second")).value as { id: string; name: string };
      await product.open("renewed", `client.integration("stripe").openNewConnection()`);
      await giveKey(product.dialog);
      const renewed = (await product.outcome("renewed")).value as { id: string };

      expect(second.id).not.toBe(first);
      expect(second.name).toBe("Second one");
      expect([first, second.id]).toContain(renewed.id);
      expect(await customer.connections()).toHaveLength(2);
    });

    for (const way of ["its button", "Escape"]) {
      test(`closed by ${way} it resolves null`, callOf("openNewConnection", sdk), async ({ page, sites }) => {
        const customer = sites.server.customer();
        const product = await ProductPage.open(page, sites, sdk, customer);
        await product.open("made", `client.integration("hubspot").openNewConnection()`);
        await expect(closeButton(product.dialog)).toBeVisible();

        if (way === "Escape") await page.keyboard.press("Escape");
        else await closeButton(product.dialog).click();

        expect((await product.outcome("made")).value).toBeNull();
        expect(await product.isOpen()).toBe(false);
        expect(await customer.connections()).toEqual([]);
      });
    }

    test("an unknown app is said in a dialog that closes", callOf("openNewConnection", sdk), async ({ page, sites }) => {
      const product = await ProductPage.open(page, sites, sdk, sites.server.customer());
      await product.open("made", `client.integration("no-such-app").openNewConnection()`);

      await expect(product.dialog.getByRole("heading", { name: "There is nothing here" })).toBeVisible();
      await closeButton(product.dialog).click();

      expect((await product.outcome("made")).value).toBeNull();
    });

    test("it keeps the id and renews", callOf("openReconnectUI", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const id = await connectedTo(sites, customer, "stripe", { api_key: apiKey("sk_test_", "sandbox") });
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("renewed", `client.connection("${id}").openReconnectUI()`);

      await expect(product.dialog.getByRole("heading", { level: 1, name: "Reconnect Stripe to Acme" })).toBeVisible();
      await giveKey(product.dialog);

      expect((await product.outcome("renewed")).value).toMatchObject({ id });
      expect((await customer.connections()).map((one) => one.id)).toEqual([id]);
    });

    test("with a provider's page it renews, and another account is refused with a way back", callOf("openReconnectUI", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("made", `client.integration("gitlab").openNewConnection()`);
      await finish(await popupOf(page, goOn(product.dialog, "GitLab")), { account: "alice" });
      const { id } = (await product.outcome("made")).value as { id: string };

      await product.open("renewed", `client.connection("gitlab").openReconnectUI()`);
      await answer(await popupOf(page, goOn(product.dialog, "GitLab")), { account: "bob" });
      await expect(product.dialog.getByRole("alert").filter({ hasText: "another" })).toBeVisible();
      await finish(await popupOf(page, goOn(product.dialog, "GitLab")), { account: "alice" });

      expect((await product.outcome("renewed")).value).toMatchObject({ id });
      expect(await customer.connections()).toHaveLength(1);
    });

    test("the page of one app connects and deletes, and stays open", callOf("integration.open", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("closed", `client.integration("hubspot").open()`);

      await finish(await popupOf(page, goOn(product.dialog, "HubSpot")));
      await expect(product.dialog.getByRole("status").filter({ hasText: "HubSpot is connected." })).toBeVisible();
      expect(await customer.connections()).toHaveLength(1);
      expect(await product.isSettled("closed")).toBe(false);
      await product.dialog.getByText("Delete…").click();
      await product.dialog.getByRole("button", { name: "Delete connection" }).click();
      await expect(product.dialog.getByText("HubSpot is no longer connected")).toBeVisible();
      await closeButton(product.dialog).click();

      await product.outcome("closed");
      expect(await product.isOpen()).toBe(false);
      expect(await customer.connections()).toEqual([]);
    });

    test("the catalog connects and stays open", callOf("client.open", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer();
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("closed", `client.open()`);

      await card(product.dialog, "Stripe").getByRole("link").click();
      await giveKey(product.dialog);
      await expect(row(product.dialog, "Stripe")).toContainText("Connected");
      expect(await product.isSettled("closed")).toBe(false);
      await closeButton(product.dialog).click();

      await product.outcome("closed");
      expect(await customer.connections()).toHaveLength(1);
    });

    test("an expired token is said in a dialog that closes", callOf("client.open", sdk), async ({ page, sites }) => {
      const customer = sites.server.customer({ exp: Math.floor(Date.now() / 1000) - 3600 });
      const product = await ProductPage.open(page, sites, sdk, customer);
      await product.open("closed", `client.open()`);

      await expect(product.dialog.getByText("The token in this link has expired.")).toBeVisible();
      await closeButton(product.dialog).click();

      await product.outcome("closed");
      expect(await product.isOpen()).toBe(false);
    });
  });
}

test.describe(NEW.name, () => {
  test("connector parameters decide what is asked for and are on no page", callOf("openNewConnection", NEW), async ({ page, sites }) => {
    const customer = sites.server.customer();
    const frames = watchFrames(page);
    const product = await ProductPage.open(page, sites, NEW, customer);
    const parameters = { scopes: ["oauth", "crm.objects.deals.write"] };
    await product.open("made", `client.integration("hubspot").openNewConnection({ connectorParameters: ${JSON.stringify(parameters)} })`);

    await expect(product.dialog.getByText("Add and change deals")).toBeVisible();
    const popup = await popupOf(page, goOn(product.dialog, "HubSpot"));
    await popup.waitForURL(`${sites.provider}/**`);
    expect(new URL(popup.url()).searchParams.get("scope")).toBe("oauth crm.objects.deals.write");
    await finish(popup);

    const { id } = (await product.outcome("made")).value as { id: string };
    expect(await parametersOf(sites, id)).toEqual(parameters);
    expect((await Promise.all(frames.texts)).filter((text) => text.includes("crm.objects.deals.write"))).toEqual([]);
    expect(frames.addresses.slice(1).filter((address) => address.includes("deals"))).toEqual([]);
  });

  test("connector parameters that cannot be used are named before anybody types", callOf("openNewConnection", NEW), async ({ page, sites }) => {
    const product = await ProductPage.open(page, sites, NEW, sites.server.customer());
    await product.open("made", `client.integration("hubspot").openNewConnection({ connectorParameters: { tokenUri: "https://evil.test" } })`);

    await expect(product.dialog.getByText("connectorParameters.tokenUri")).toBeVisible();
    await closeButton(product.dialog).click();

    expect((await product.outcome("made")).value).toBeNull();
  });

  test("by form it connects", callOf("openNewConnectionV2", NEW), async ({ page, sites }) => {
    const customer = sites.server.customer();
    const frames = watchFrames(page);
    const product = await ProductPage.open(page, sites, NEW, customer);
    await product.open("made", `client.integration("hubspot").openNewConnectionV2({ allowMultipleConnections: true, name: "By form" })`);

    await finish(await popupOf(page, goOn(product.dialog, "HubSpot")));

    expect((await product.outcome("made")).value).toMatchObject({ name: "By form", integrationKey: "hubspot" });
    expect(frames.addresses.filter((address) => address.includes(customer.token))).toEqual([]);
    expect(await customer.connections()).toHaveLength(1);
  });
});
