// The ways to connect besides a plain sign-in or key: several things to choose from, OAuth 1, an answer
// that arrives as a form, signed answers, and credentials that never leave for a provider's page.
import { generateKeyPairSync } from "node:crypto";
import { test, expect, type Page } from "../support/test.ts";
import { answer, choices, connectByPopup, goOn, openApp, popupOf, row, seeConnected, send, signIn } from "../support/flows.ts";
import { apiKey, secret } from "../support/secrets.ts";
import type { Server } from "../support/server.ts";

const WAYS = "How do you want to connect?";

/** Presses Continue and answers at the provider, in the popup or, without a script, in the same window. */
async function leaveAndAnswer(page: Page, app: string, given: Parameters<typeof answer>[1], script: boolean): Promise<Page> {
  if (script) {
    const popup = await popupOf(page, goOn(page, app));
    await answer(popup, given);
    return popup;
  }
  await goOn(page, app).click();
  await answer(page, given);
  return page;
}

/** A private key as a provider's console would hand it out. */
function privateKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  secret("private key", pem.split("\n")[1]);
  return pem;
}

async function calls(server: Server, connector: string, what: string): Promise<number> {
  return (await server.stats()).connectors[connector][what];
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(`with JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
    test.use({ javaScriptEnabled });

    test("of two sites one is chosen, and that connects", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "Jira");

      const there = await leaveAndAnswer(page, "Jira", { scenario: "several" }, javaScriptEnabled);
      await expect(there.getByRole("heading", { level: 1, name: "Which one should Acme use?" })).toBeVisible();
      await expect(choices(there)).toHaveText(["Alice Example", "Alice Example 2"]);
      expect(await customer.connections()).toEqual([]);
      await choices(there).nth(1).click();

      await seeConnected(page, "Jira");
      const [connection] = await customer.connections();
      expect(connection).toMatchObject({ integrationKey: "jira", authOptionKey: "oauth2", connected: true });
      if (javaScriptEnabled) await expect.poll(() => there.isClosed()).toBe(true);
    });

    test("an account without a site says so, and another try connects", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "Jira");

      const there = await leaveAndAnswer(page, "Jira", { scenario: "nowhere" }, javaScriptEnabled);

      await expect(there.getByRole("heading", { name: "Jira was not connected" })).toBeVisible();
      await expect(there.getByText(/Reference/)).toBeVisible();
      expect(await customer.connections()).toEqual([]);
      if (javaScriptEnabled) await there.close();
      else await page.getByRole("link", { name: "Try again" }).click();
      await leaveAndAnswer(page, "Jira", { scenario: "allow" }, javaScriptEnabled);
      await seeConnected(page, "Jira");
    });

    test("OAuth 1 connects with the account's name", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "Trello");

      await leaveAndAnswer(page, "Trello", { account: "bob" }, javaScriptEnabled);

      await seeConnected(page, "Trello", "bob-example");
      expect(await customer.connections()).toMatchObject([{ integrationKey: "trello", authOptionKey: "oauth1", connected: true }]);
    });

    test("OAuth 1 that is declined connects nothing, and another try connects", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "Trello");

      const there = await leaveAndAnswer(page, "Trello", { press: "Cancel" }, javaScriptEnabled);

      await expect(there.getByRole("heading", { name: "Trello was not connected" })).toBeVisible();
      await expect(there.getByText("access was declined")).toBeVisible();
      expect(await customer.connections()).toEqual([]);
      if (javaScriptEnabled) await there.close();
      else await page.getByRole("link", { name: "Try again" }).click();
      await leaveAndAnswer(page, "Trello", {}, javaScriptEnabled);
      await seeConnected(page, "Trello");
    });

    // The answer is a form that another site's page posts, so our Lax cookie is not with it.
    test("an answer that another site posts as a form connects", async ({ page, sites }) => {
      const customer = sites.server.customer();
      const posted: (string | undefined)[] = [];
      page.context().on("request", (request) => {
        if (request.method() !== "POST" || !request.url().includes("/oauth/callback/")) return;
        posted.push(new URL(request.url()).origin);
        void request.allHeaders().then((headers) => posted.push(headers.cookie));
      });
      await signIn(page, customer);
      await openApp(page, "Apple");

      const there = await leaveAndAnswer(page, "Apple", { account: "alice" }, javaScriptEnabled);
      await expect(there.getByRole("heading", { name: "Back to the app" })).toBeVisible();
      expect(new URL(there.url()).origin).toBe(sites.provider);
      await there.getByRole("button", { name: "Continue" }).click();

      await seeConnected(page, "Apple", "alice@example.com");
      expect(await customer.connections()).toMatchObject([{ integrationKey: "apple", connected: true }]);
      expect(posted).toEqual([sites.ours, undefined]);
    });

    test("an answer by form that says no connects nothing", async ({ page, sites }) => {
      const customer = sites.server.customer();
      await signIn(page, customer);
      await openApp(page, "Apple");

      const there = await leaveAndAnswer(page, "Apple", { press: "Cancel" }, javaScriptEnabled);
      await there.getByRole("button", { name: "Continue" }).click();

      await expect(there.getByRole("heading", { name: "Apple was not connected" })).toBeVisible();
      await expect(there.getByText("access was declined")).toBeVisible();
      expect(await customer.connections()).toEqual([]);
    });

    test("tokens that somebody made at the provider connect without leaving the page", async ({ page, context, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "NetSuite");
      await expect(page.getByRole("navigation", { name: WAYS }).getByRole("link")).toHaveCount(3);

      await fillNetSuite(page, "sandbox-secret-known-token");
      await send(page);

      await seeConnected(page, "NetSuite");
      const [connection] = await customer.connections();
      expect(connection).toMatchObject({ integrationKey: "netsuite", authOptionKey: "oauth1", connected: true });
      expect(context.pages()).toHaveLength(1);
    });

    test("a wrong secret of such tokens is said at the form, what is no secret is kept, and the right one connects", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "NetSuite");

      await fillNetSuite(page, "a-secret-of-another-token");
      await send(page);

      await expect(page.getByRole("alert").filter({ hasText: "NetSuite" })).toBeVisible();
      await expect(page.getByLabel("Account ID")).toHaveValue("1234567");
      await expect(page.getByLabel("Consumer secret")).toHaveValue("");
      await expect(page.getByLabel("Token secret")).toHaveValue("");
      expect(await customer.connections()).toEqual([]);
      await fillNetSuite(page, "sandbox-secret-known-token");
      await send(page);
      await seeConnected(page, "NetSuite");
    });

    test("the customer's own client connects without leaving the page", async ({ page, server }) => {
      const customer = server.customer();
      const before = await calls(server, "paypal", "client_credentials");
      await signIn(page, customer);
      await openApp(page, "PayPal");

      await page.getByLabel("Environment").selectOption({ label: "Sandbox" });
      await page.getByLabel("Client ID").fill("my-client");
      await page.getByLabel("Client secret").fill(apiKey("cs_", "sandbox"));
      await send(page);

      await seeConnected(page, "PayPal");
      const [connection] = await customer.connections();
      expect(connection).toMatchObject({ integrationKey: "paypal", authOptionKey: "client-credentials", connected: true });
      expect(connection.input).toEqual({ api_host: "api-m.sandbox.paypal.com", client_id: "my-client" });
      expect(await calls(server, "paypal", "client_credentials")).toBe(before + 1);
    });

    test("a wrong client secret shows the form again, and the right one connects", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "PayPal");

      await page.getByLabel("Client ID").fill("my-client");
      await page.getByLabel("Client secret").fill("sandbox-wrong-client-secret");
      await send(page);

      await expect(page.getByRole("alert").filter({ hasText: "PayPal" })).toBeVisible();
      await expect(page.getByLabel("Client ID")).toHaveValue("my-client");
      await expect(page.getByLabel(/^Client secret/)).toHaveValue("");
      expect(await customer.connections()).toEqual([]);
      await page.getByLabel(/^Client secret/).fill(apiKey("cs_", "sandbox"));
      await send(page);
      await seeConnected(page, "PayPal");
    });

    test("a signed answer about the shop that was asked connects", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "Shopify");
      await page.getByLabel("Shop name").fill("acme");

      await leaveAndAnswer(page, "Shopify", {}, javaScriptEnabled);

      await seeConnected(page, "Shopify");
      const [connection] = await customer.connections();
      expect(connection).toMatchObject({ integrationKey: "shopify", connected: true, input: { shop: "acme" } });
    });

    test("a private key of many lines is pasted as it is", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "Google Drive");
      await page.getByRole("navigation", { name: WAYS }).getByRole("link", { name: /Service account/ }).click();
      const field = page.getByLabel("Private key");
      expect(await field.evaluate((one) => one.tagName)).toBe("TEXTAREA");

      await page.getByLabel("Service account email").fill("sync@acme.iam.gserviceaccount.com");
      await field.fill(privateKey());
      await send(page);

      await seeConnected(page, "Google Drive");
      expect(await customer.connections()).toMatchObject([{ authOptionKey: "service-account", connected: true }]);
    });

    test("what is no private key is said at the form and not shown again", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await page.goto(`${server.url}/apps/google-drive?option=service-account`);

      await page.getByLabel("Service account email").fill("sync@acme.iam.gserviceaccount.com");
      await page.getByLabel("Private key").fill(apiKey("no_", "key"));
      await send(page);

      await expect(page.getByRole("alert").filter({ hasText: /\S/ })).toBeVisible();
      await expect(page.getByLabel(/^Private key/)).toHaveValue("");
      await expect(page.getByLabel("Service account email")).toHaveValue("sync@acme.iam.gserviceaccount.com");
      expect(await customer.connections()).toEqual([]);
    });
  });
}

/** Fills in a key and a token whose secrets the sandbox knows, so that it verifies what they sign. */
async function fillNetSuite(page: Page, tokenSecret: string): Promise<void> {
  await page.getByLabel("Account ID").fill("1234567");
  await page.getByLabel("Consumer key").fill("sandbox-known-client");
  await page.getByLabel("Consumer secret").fill("sandbox-secret-known-client");
  await page.getByLabel("Token ID").fill("sandbox-known-token");
  await page.getByLabel("Token secret").fill(tokenSecret);
}

test.describe("a signed answer", () => {
  for (const [what, change] of [
    ["whose signature is another", (url: URL) => url.searchParams.set("hmac", "0".repeat(64))],
    ["without its signature", (url: URL) => url.searchParams.delete("hmac")],
    ["about another shop", (url: URL) => url.searchParams.set("shop", "evil.myshopify.com")],
    ["with a code that was not signed", (url: URL) => url.searchParams.set("code", `${url.searchParams.get("code")}x`)],
  ] as const) {
    test(`${what} connects nothing and exchanges nothing`, async ({ page, server }) => {
      const customer = server.customer();
      await page.addInitScript(() => {
        window.open = () => null;
      });
      await signIn(page, customer);
      await openApp(page, "Shopify");
      await page.getByLabel("Shop name").fill("acme");
      await goOn(page, "Shopify").click();
      const before = await calls(server, "shopify", "token_code");
      await page.route("**/sandbox/consent", async (route) => {
        const redirect = await route.fetch({ maxRedirects: 0 });
        const address = new URL(redirect.headers().location);
        change(address);
        await route.fulfill({ status: 303, headers: { location: address.href } });
      });

      await answer(page);

      await expect(page.getByRole("heading", { name: "Shopify was not connected" })).toBeVisible();
      expect(await calls(server, "shopify", "token_code")).toBe(before);
      expect(await customer.connections()).toEqual([]);
    });
  }
});

test("installing an app connects it", async ({ page, server }) => {
  const customer = server.customer();
  await signIn(page, customer);
  await openApp(page, "GitHub");
  await page.getByRole("navigation", { name: WAYS }).getByRole("link", { name: /Install the GitHub App/ }).click();

  const popup = await popupOf(page, goOn(page, "GitHub"));
  await answer(popup);

  await seeConnected(page, "GitHub");
  expect(await customer.connections()).toMatchObject([{ integrationKey: "github", authOptionKey: "app", connected: true }]);
});

test("of two accounts that have an app installed, the chosen one is the connection's", async ({ page, server }) => {
  const customer = server.customer();
  await signIn(page, customer);
  await page.goto(`${server.url}/apps/github?option=app`);
  const popup = await popupOf(page, goOn(page, "GitHub"));
  await answer(popup, { scenario: "several" });
  const label = await choices(popup).nth(1).innerText();
  expect(label).not.toBe(await choices(popup).nth(0).innerText());

  await choices(popup).nth(1).click();

  await seeConnected(page, "GitHub", label);
  expect(await customer.connections()).toMatchObject([{ authOptionKey: "app", name: label }]);
});

test("reconnecting with OAuth 1 keeps the connection, and another account is refused", async ({ page, server }) => {
  const customer = server.customer();
  await signIn(page, customer);
  await openApp(page, "Trello");
  await connectByPopup(page, "Trello", { account: "alice" });
  await seeConnected(page, "Trello", "alice-example");
  const [before] = await customer.connections();

  await row(page, "Trello").getByRole("link", { name: "Manage Trello" }).click();
  const popup = await popupOf(page, page.getByRole("button", { name: "Reconnect Trello" }));
  await answer(popup, { account: "bob" });
  await expect(page.getByRole("alert").filter({ hasText: "another Trello account" })).toBeVisible();
  await popup.close();
  const again = await popupOf(page, page.getByRole("button", { name: "Reconnect Trello" }));
  await answer(again, { account: "alice" });

  await expect(page.getByRole("status").filter({ hasText: "Trello is connected again." })).toBeVisible();
  expect(await customer.connections()).toMatchObject([{ id: before.id, connected: true }]);
});
