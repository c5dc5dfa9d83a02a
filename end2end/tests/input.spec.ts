import { test, expect } from "../support/test.ts";
import { answer, goOn, openApp, row, seeConnected, send, signIn } from "../support/flows.ts";
import { apiKey } from "../support/secrets.ts";

for (const javaScriptEnabled of [true, false]) {
  test.describe(`with JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
    test.use({ javaScriptEnabled });

    test("a wrong API key is said at the form, and the right one connects", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "Stripe");

      await page.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "wrong"));
      await send(page);

      await expect(page.getByRole("alert").filter({ hasText: "Stripe" })).toBeVisible();
      await expect(page.getByLabel("Secret or restricted key")).toHaveValue("");
      expect(await customer.connections()).toEqual([]);
      await page.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
      await send(page);

      await seeConnected(page, "Stripe");
      expect(await customer.connections()).toMatchObject([{ integrationKey: "stripe", connected: true }]);
    });

    test("an API key of the wrong form is refused beside its field without asking the provider", async ({ page, server }) => {
      const asked = (await server.stats()).connectors.stripe.api;
      await signIn(page, server.customer());
      await openApp(page, "Stripe");

      await page.getByLabel("Secret or restricted key").fill(apiKey("hello_", "sandbox"));
      await send(page);

      const field = page.getByLabel("Secret or restricted key");
      await expect(field).toHaveAttribute("aria-invalid", "true");
      await expect(field).toBeFocused();
      await expect(page.locator(".field .error")).toBeVisible();
      expect((await server.stats()).connectors.stripe.api).toBe(asked);
    });

    test("a region is chosen from a list and kept with the connection", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "SendGrid");
      await expect(page.getByLabel("Region")).toHaveValue("api.sendgrid.com");

      await page.getByLabel("Region").selectOption({ label: "European Union" });
      await page.getByLabel("API key", { exact: true }).fill(apiKey("SG.", "sandbox"));
      await send(page);

      await seeConnected(page, "SendGrid");
      const [connection] = await customer.connections();
      expect(connection.input).toEqual({ api_host: "api.eu.sendgrid.com" });
    });

    test("a wrong key keeps the region that was chosen", async ({ page, server }) => {
      await signIn(page, server.customer());
      await openApp(page, "SendGrid");

      await page.getByLabel("Region").selectOption({ label: "European Union" });
      await page.getByLabel("API key", { exact: true }).fill(apiKey("SG.", "wrong"));
      await send(page);

      await expect(page.getByRole("alert").filter({ hasText: "SendGrid" })).toBeVisible();
      await expect(page.getByLabel("Region")).toHaveValue("api.eu.sendgrid.com");
      await expect(page.getByLabel(/^API key/)).toHaveValue("");
    });

    test("of two ways to connect one is chosen, and the fields follow", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await openApp(page, "Zendesk");
      const ways = page.getByRole("navigation", { name: "How do you want to connect?" });
      await expect(ways.getByRole("link")).toHaveCount(2);
      await expect(page.getByLabel("Agent email")).toHaveCount(0);

      await ways.getByRole("link", { name: /API token/ }).click();
      await expect(ways.locator("[aria-current]")).toContainText("API token");
      await page.getByLabel("Zendesk subdomain").fill("acme");
      await page.getByLabel("Agent email").fill("agent@acme.example");
      await page.getByLabel("API token", { exact: true }).fill(apiKey("zd_", "sandbox"));
      await send(page);

      await seeConnected(page, "Zendesk");
      expect(await customer.connections()).toMatchObject([{ integrationKey: "zendesk", authOptionKey: "basic" }]);
    });

    for (const bad of ["acme.evil.com", "evil.com/", "x@evil.com", "-acme", "ac me", "evil.com#"]) {
      test(`the subdomain “${bad}” is refused at its field, and what was typed is kept`, async ({ page, context, server }) => {
        const customer = server.customer();
        await signIn(page, customer);
        await page.goto(`${server.url}/apps/zendesk?option=basic`);
        await page.getByLabel("Agent email").fill("agent@acme.example");
        await page.getByLabel("API token", { exact: true }).fill(apiKey("zd_", "sandbox"));
        await page.getByLabel("Zendesk subdomain").fill(bad);

        await send(page);

        const field = page.getByLabel("Zendesk subdomain");
        await expect(field).toHaveAttribute("aria-invalid", "true");
        const described = (await field.getAttribute("aria-describedby")) ?? "";
        const error = described.split(" ").find((id) => id.endsWith("-error"));
        await expect(page.locator(`#${error}`)).toHaveText(/\S/);
        await expect(field).toHaveValue(bad);
        await expect(page.getByLabel("Agent email")).toHaveValue("agent@acme.example");
        await expect(page.getByLabel("Agent email")).not.toHaveAttribute("aria-invalid", "true");
        expect(await customer.connections()).toEqual([]);
        expect(context.pages()).toHaveLength(1);
      });
    }

    test("what was refused can be put right on the same page", async ({ page, server }) => {
      const customer = server.customer();
      await signIn(page, customer);
      await page.goto(`${server.url}/apps/zendesk?option=basic`);
      await page.getByLabel("Agent email").fill("agent@acme.example");
      await page.getByLabel("API token", { exact: true }).fill(apiKey("zd_", "sandbox"));
      await page.getByLabel("Zendesk subdomain").fill("evil.com/");
      await send(page);
      await expect(page.getByLabel("Zendesk subdomain")).toHaveAttribute("aria-invalid", "true");

      await page.getByLabel("Zendesk subdomain").fill("acme");
      await page.getByLabel("API token", { exact: true }).fill(apiKey("zd_", "sandbox"));
      await send(page);

      await seeConnected(page, "Zendesk");
    });
  });
}

test("a whole host name pasted into a subdomain field is understood", async ({ page, server }) => {
  const customer = server.customer();
  await signIn(page, customer);
  await page.goto(`${server.url}/apps/zendesk?option=basic`);
  await page.getByLabel("Agent email").fill("agent@acme.example");
  await page.getByLabel("API token", { exact: true }).fill(apiKey("zd_", "sandbox"));
  await page.getByLabel("Zendesk subdomain").fill("acme.zendesk.com");

  await send(page);

  await seeConnected(page, "Zendesk");
  const [connection] = await customer.connections();
  expect(connection.input).toMatchObject({ subdomain: "acme" });
});

test("an OAuth app with a subdomain leaves for that subdomain", async ({ page, server }) => {
  await signIn(page, server.customer());
  await openApp(page, "Zendesk");
  await page.getByLabel("Zendesk subdomain").fill("acme");

  const [popup] = await Promise.all([page.waitForEvent("popup"), goOn(page, "Zendesk").click()]);
  await expect(popup).toHaveURL(/\/sandbox\/acme\.zendesk\.com\//);
  await answer(popup);

  await seeConnected(page, "Zendesk");
});

test("a bad subdomain before an OAuth popup is put right inside the popup", async ({ page, server }) => {
  await signIn(page, server.customer());
  await openApp(page, "Zendesk");
  await page.getByLabel("Zendesk subdomain").fill("evil.com/");

  const [popup] = await Promise.all([page.waitForEvent("popup"), goOn(page, "Zendesk").click()]);
  await expect(popup.getByLabel("Zendesk subdomain")).toHaveAttribute("aria-invalid", "true");
  await popup.getByLabel("Zendesk subdomain").fill("acme");
  await goOn(popup, "Zendesk").click();
  await answer(popup);

  await seeConnected(page, "Zendesk");
});

test("a secret is masked, a button shows it and hides it again", async ({ page, server }) => {
  await signIn(page, server.customer());
  await openApp(page, "Stripe");
  const field = page.getByLabel("Secret or restricted key");
  const key = apiKey("sk_test_", "sandbox");
  await field.fill(key);
  await expect(field).toHaveAttribute("type", "password");

  await page.getByRole("button", { name: "Show" }).click();
  await expect(field).toHaveAttribute("type", "text");
  await expect(field).toHaveValue(key);
  await page.getByRole("button", { name: "Hide" }).click();

  await expect(field).toHaveAttribute("type", "password");
});

test("a private key is masked, a button shows it and hides it again", async ({ page, server }) => {
  await signIn(page, server.customer());
  await page.goto(`${server.url}/apps/google-drive?option=service-account`);
  const field = page.getByLabel("Private key");
  const veil = () => field.evaluate((one) => getComputedStyle(one).getPropertyValue("-webkit-text-security"));
  await field.fill("-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----");
  expect(await veil()).toBe("disc");

  await page.getByRole("button", { name: "Show" }).click();
  expect(await veil()).toBe("none");
  await page.getByRole("button", { name: "Hide" }).click();

  expect(await veil()).toBe("disc");
  await expect(field).toHaveValue(/hidden/);
});

test("reconnecting with a new API key keeps the connection and its id", async ({ page, server }) => {
  const customer = server.customer();
  await signIn(page, customer);
  await openApp(page, "Stripe");
  await page.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
  await send(page);
  await seeConnected(page, "Stripe");
  const [before] = await customer.connections();

  await row(page, "Stripe").getByRole("link", { name: "Manage Stripe" }).click();
  await page.getByRole("link", { name: "Reconnect Stripe" }).click();
  await page.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
  await send(page);

  await expect(row(page, "Stripe")).toContainText("Connected");
  expect((await customer.connections()).map((one) => one.id)).toEqual([before.id]);
});

test("a key of another account is refused on reconnect and the old one stays", async ({ page, server }) => {
  const customer = server.customer();
  await signIn(page, customer);
  await openApp(page, "Stripe");
  await page.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
  await send(page);
  await seeConnected(page, "Stripe");
  const [before] = await customer.connections();

  await row(page, "Stripe").getByRole("link", { name: "Manage Stripe" }).click();
  await page.getByRole("link", { name: "Reconnect Stripe" }).click();
  await page.getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox_bob"));
  await send(page);

  await expect(page.getByText("another Stripe account", { exact: false })).toBeVisible();
  expect(await customer.connections()).toMatchObject([{ id: before.id, name: before.name, connected: true }]);
});
