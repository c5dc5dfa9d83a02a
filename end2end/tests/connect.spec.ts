import { test, expect, type Page } from "../support/test.ts";
import { secret } from "../support/secrets.ts";
import { answer, card, connectByPopup, goOn, openApp, popupOf, row, seeConnected, signIn } from "../support/flows.ts";

test.describe("connecting by popup", () => {
  test("the popup closes itself and the page shows the connection with its account", async ({ page, server }) => {
    const customer = server.customer();
    await signIn(page, customer);
    await openApp(page, "GitLab");

    await connectByPopup(page, "GitLab", { account: "alice" });

    await seeConnected(page, "GitLab", "alice");
    await expect(card(page, "GitLab")).toContainText("Connected");
    expect(await customer.connections()).toMatchObject([{ integrationKey: "gitlab", connected: true, disconnected: false }]);
  });

  test("a connection survives a reload, and the notice is for once", async ({ page, server }) => {
    await signIn(page, server.customer());
    await openApp(page, "HubSpot");
    await connectByPopup(page, "HubSpot");
    await seeConnected(page, "HubSpot");

    await page.reload();

    await expect(row(page, "HubSpot")).toContainText("Connected");
    await expect(page.locator("#notice")).toBeEmpty();
  });

  test("the provider's page never has our token or session in its address or referrer", async ({ page, server }) => {
    const customer = server.customer();
    await signIn(page, customer);
    await openApp(page, "HubSpot");

    const popup = await popupOf(page, goOn(page, "HubSpot"));
    await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();

    expect(popup.url()).not.toContain(customer.token);
    expect(popup.url()).not.toContain("session=");
    await popup.close();
  });

  test("cancelling the wait gives the button back", async ({ page, server }) => {
    await signIn(page, server.customer());
    await openApp(page, "HubSpot");
    const popup = await popupOf(page, goOn(page, "HubSpot"));
    await expect(page.getByText("Waiting for HubSpot")).toBeVisible();
    await expect(goOn(page, "HubSpot")).toBeDisabled();

    await page.getByRole("button", { name: "Cancel" }).click();

    await expect(goOn(page, "HubSpot")).toBeEnabled();
    await expect.poll(() => popup.isClosed()).toBe(true);
  });

  test("closing the popup is not taken as an answer, and a second try works", async ({ page, server }) => {
    await signIn(page, server.customer());
    await openApp(page, "HubSpot");
    const first = await popupOf(page, goOn(page, "HubSpot"));
    await answerable(first);
    await first.close();
    await expect(page.getByText("Waiting for HubSpot")).toBeVisible();

    await page.getByRole("button", { name: "Cancel" }).click();
    await connectByPopup(page, "HubSpot");

    await seeConnected(page, "HubSpot");
  });

  for (const [scenario, words] of [
    ["deny", "access was declined"],
    ["error", "answered with an error"],
    ["wrong_iss", "came from another server"],
    ["token_500", "is not answering right now"],
    ["token_429", "try again in a moment"],
  ] as const) {
    test(`the outcome ${scenario} is said beside the button, and trying again works`, async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "HubSpot");
      const popup = await popupOf(page, goOn(page, "HubSpot"));

      await answer(popup, { scenario });

      const problem = page.getByRole("alert").filter({ hasText: /\S/ });
      await expect(problem).toContainText(words);
      await expect(popup.getByRole("heading", { name: "HubSpot was not connected" })).toBeVisible();
      await expect(popup.getByText(/Reference/)).toBeVisible();
      expect(await customer.connections()).toEqual([]);
      await popup.close();
      await connectByPopup(page, "HubSpot");
      await seeConnected(page, "HubSpot");
    });
  }

  test("pressing Cancel at the provider is the customer's answer", async ({ page, server }) => {
    const customer = server.customer();
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    const popup = await popupOf(page, goOn(page, "HubSpot"));

    await answer(popup, { press: "Cancel" });

    await expect(page.getByRole("alert").filter({ hasText: "access was declined" })).toBeVisible();
    expect(await customer.connections()).toEqual([]);
  });

  test("a slow provider is waited for", async ({ page, server }) => {
    await signIn(page, server.customer());
    await openApp(page, "HubSpot");
    const popup = await popupOf(page, goOn(page, "HubSpot"));

    await expect(page.getByText("Waiting for HubSpot")).toBeVisible();

    await answer(popup, { scenario: "slow" });

    await seeConnected(page, "HubSpot");
  });

  test("a provider without a refresh token connects all the same", async ({ page, server }) => {
    await signIn(page, server.customer());
    await openApp(page, "HubSpot");

    await connectByPopup(page, "HubSpot", { scenario: "no_refresh" });

    await seeConnected(page, "HubSpot");
  });

  test("a provider that cuts the tie between the windows cannot lose the outcome", async ({ page, server }) => {
    const customer = server.customer();
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    const popup = await popupOf(page, goOn(page, "HubSpot"));
    await answerable(popup);
    const cut = await popup.goto(`${popup.url()}&sandbox=coop`);
    expect(cut?.headers()["cross-origin-opener-policy"]).toBe("same-origin");
    expect(await popup.evaluate(() => window.opener === null)).toBe(true);
    await answer(popup);

    await seeConnected(page, "HubSpot");
    expect(await customer.connections()).toHaveLength(1);
  });
});

test.describe("connecting in the same window", () => {
  test("a blocked popup goes on in the same window and comes back to the catalog", async ({ page, server }) => {
    const customer = server.customer();
    await page.addInitScript(() => {
      window.open = () => null;
    });
    await signIn(page, customer);
    await openApp(page, "HubSpot");

    await goOn(page, "HubSpot").click();
    await answer(page);

    await seeConnected(page, "HubSpot");
    expect(await customer.connections()).toHaveLength(1);
  });

  test("a refusal in the same window says what happened, what to do and a reference", async ({ page, server }) => {
    await page.addInitScript(() => {
      window.open = () => null;
    });
    await signIn(page, server.customer());
    await openApp(page, "HubSpot");
    await goOn(page, "HubSpot").click();

    await answer(page, { scenario: "deny" });

    await expect(page.getByRole("heading", { name: "HubSpot was not connected" })).toBeVisible();
    await expect(page.getByText(/Reference/)).toBeVisible();
    await page.getByRole("link", { name: "Try again" }).click();
    await expect(goOn(page, "HubSpot")).toBeVisible();
  });

  test("a product's link leads through our confirm page and back to its address with the connection", async ({ page, server }) => {
    const customer = server.customer({ name: "Ada Lovelace" });
    const back = `${server.url}/healthz?from=product#there`;

    await page.goto(customer.start("hubspot", { redirectUri: back, customState: "a b&c=ü" }));
    await goOn(page, "HubSpot").click();
    await answer(page);
    await page.waitForURL(/\/healthz/);

    const [connection] = await customer.connections();
    const arrived = new URL(page.url());
    expect(arrived.searchParams.get("from")).toBe("product");
    expect(arrived.searchParams.get("connectionId")).toBe(connection.id);
    expect(arrived.searchParams.get("customState")).toBe("a b&c=ü");
    expect(arrived.hash).toBe("#there");
    expect(page.url()).not.toContain(customer.token);
  });

  test("a refusal goes back to the product's address with a sentence and data, and no secret", async ({ page, server }) => {
    const customer = server.customer();
    await page.goto(customer.start("hubspot", { redirectUri: `${server.url}/healthz`, customState: "mine" }));
    await goOn(page, "HubSpot").click();

    await answer(page, { scenario: "deny" });
    await page.waitForURL(/\/healthz/);

    const { searchParams } = new URL(page.url());
    expect(searchParams.get("error")).toContain("access was declined");
    expect(JSON.parse(searchParams.get("errorData") ?? "{}")).toMatchObject({ key: "access_denied_by_provider" });
    expect(searchParams.get("customState")).toBe("mine");
    expect([...searchParams.keys()].sort()).toEqual(["customState", "error", "errorData"]);
  });

  test("a redirect address that is not allowed gets a page and no redirect", async ({ page, server }) => {
    await page.goto(server.customer().start("hubspot", { redirectUri: "https://evil.test/" }));

    await expect(page.getByRole("heading", { name: "This page was not opened correctly" })).toBeVisible();
    await expect(page.getByRole("listitem").filter({ hasText: "allowed_origins" })).toBeVisible();
  });
});

test.describe("a callback", () => {
  test("fifty at once with the same address and cookie: one success and one token call", async ({ page, context, server }) => {
    const customer = server.customer();
    await page.addInitScript(() => {
      window.open = () => null;
    });
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    await goOn(page, "HubSpot").click();
    await expect(page.getByRole("button", { name: "Allow" })).toBeVisible();
    // The provider's redirect is caught on its way, so that nothing has come back yet.
    let address = "";
    await page.route("**/sandbox/consent", async (route) => {
      const redirect = await route.fetch({ maxRedirects: 0 });
      address = redirect.headers().location;
      await route.fulfill({ status: 200, contentType: "text/html", body: "caught" });
    });
    await answer(page);
    await expect(page.getByText("caught")).toBeVisible();
    secret("authorization code", new URL(address).searchParams.get("code"));
    const cookies = await context.cookies(server.url);
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
    const before = (await server.stats()).connectors.hubspot;

    const bound = address.replace(server.url, server.bound);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => fetch(bound, { headers: { cookie }, redirect: "manual" })),
    );

    const arrived = answers.map((one) => `${one.status} ${one.headers.get("location") ?? ""}`);
    expect(arrived.filter((one) => one.startsWith("303 /?notice=connected"))).toHaveLength(1);
    expect(arrived.filter((one) => one.startsWith("400"))).toHaveLength(49);
    expect((await server.stats()).connectors.hubspot.token_code - before.token_code).toBe(1);
    expect(await customer.connections()).toHaveLength(1);
  });

  test("without the cookie of the browser that left nothing is exchanged", async ({ page, context, server }) => {
    const customer = server.customer();
    await page.addInitScript(() => {
      window.open = () => null;
    });
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    await goOn(page, "HubSpot").click();
    await expect(page.getByRole("button", { name: "Allow" })).toBeVisible();
    await context.clearCookies({ name: /hitchpost_attempt/ });
    const before = (await server.stats()).connectors.hubspot.token_code;

    await answer(page);

    await expect(page.getByRole("heading", { name: "Nothing was connected" })).toBeVisible();
    expect((await server.stats()).connectors.hubspot.token_code).toBe(before);
    expect(await customer.connections()).toEqual([]);
  });

  test("an address that was used before says so", async ({ page, server }) => {
    await page.addInitScript(() => {
      window.open = () => null;
    });
    await signIn(page, server.customer());
    await openApp(page, "HubSpot");
    let address = "";
    page.on("request", (request) => {
      if (request.url().includes("/oauth/callback/")) address = request.url();
    });
    await goOn(page, "HubSpot").click();
    await answer(page);
    await seeConnected(page, "HubSpot");

    await page.goto(address);

    await expect(page.getByRole("heading", { name: "Nothing was connected" })).toBeVisible();
    await expect(page.getByText("This link was used before")).toBeVisible();
  });
});

async function answerable(popup: Page): Promise<void> {
  await expect(popup.getByRole("button", { name: "Allow" })).toBeVisible();
}
