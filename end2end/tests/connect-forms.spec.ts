// Connecting without any package: the forms and links of a product's page, posted as they stand, from
// another site than ours and the provider's.
import { test, expect } from "../support/test.ts";
import { answer } from "../support/flows.ts";
import { sample } from "../support/guide.ts";
import { apiKey } from "../support/secrets.ts";
import type { Sites } from "../support/tls.ts";
import { row } from "../support/table.ts";

test.describe("without a package", () => {
  /** A form of the product's page, as the vendors' guides have it, with our address and a token in it. */
  function form(sites: Sites, path: string, fields: Record<string, string>): string {
    const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}">`);
    return sites.page(sites.product, `/form-${crypto.randomUUID()}`, `<form method="POST" action="${sites.ours}${path}">${inputs.join("")}<button>Connect</button></form>`);
  }

  const back = (sites: Sites) => sites.page(sites.product, "/done", "<h1>Done</h1>");
  const customState = 'step 3/4 & "é" + 100%';

  for (const [name, fields] of [
    ["a form with one payload", (token: string, redirectUri: string) => ({ token, payload: JSON.stringify({ integrationKey: "hubspot", connectionParameters: {}, redirectUri, customState, name: "Mine" }) })],
    ["a form with its own fields", (token: string, redirectUri: string) => ({ token, integrationKey: "hubspot", connectionParameters: "{}", redirectUri, customState, name: "Mine" })],
    ["a form with the token in its payload", (token: string, redirectUri: string) => ({ payload: JSON.stringify({ token, integrationKey: "hubspot", redirectUri, customState, name: "Mine" }) })],
  ] as const) {
    test(`${name} connects and comes back with the state as it was`, async ({ page, sites }) => {
      for (const path of ["/connection-popup", "/connect"]) {
        await row(`POST ${path}: ${name}`, "form", async () => {
          const customer = sites.server.customer();
          const redirectUri = `${back(sites)}?keep=1`;
          await page.goto(form(sites, path, fields(customer.token, redirectUri)));
          await page.getByRole("button", { name: "Connect" }).click();
          await expect(page).toHaveURL(new RegExp(`^${sites.provider}/sandbox/`));
          await answer(page);
          await expect(page.getByRole("heading", { name: "Done" })).toBeVisible();

          const [connection] = await customer.connections();
          expect(connection).toMatchObject({ integrationKey: "hubspot", name: "Mine" });
          expect([...new URL(page.url()).searchParams]).toEqual([["keep", "1"], ["connectionId", connection.id], ["customState", customState]]);
        });
      }
    });
  }

  test("a form with credentials in it needs no page of ours", async ({ page, sites }) => {
    await row("POST /connection-popup: client credentials", "form", async () => {
      const customer = sites.server.customer();
      const connectionParameters = { api_key: apiKey("sk_test_", "sandbox") };
      const payload = JSON.stringify({ integrationKey: "stripe", connectionParameters, redirectUri: back(sites) });
      await page.goto(form(sites, "/connection-popup", { token: customer.token, payload }));
      await page.getByRole("button", { name: "Connect" }).click();
      await expect(page.getByRole("heading", { name: "Done" })).toBeVisible();

      const [connection] = await customer.connections();
      expect(new URL(page.url()).searchParams.get("connectionId")).toBe(connection.id);
      expect(page.url()).not.toContain("sk_test_");
    });
  });

  test("a plain form that asks for the key itself, as the guide has it", async ({ page, sites }) => {
    await row("POST /connect: the guide's form with input[NAME]", "form", async () => {
      const customer = sites.server.customer();
      const names = { "http://localhost:7080": sites.ours, TOKEN: customer.token, "https://app.acme.com/done": back(sites) };
      await page.goto(sites.page(sites.product, `/form-${crypto.randomUUID()}`, sample("form-key", names)));
      const field = page.getByLabel("Secret key");
      await field.fill("nonsense");
      await page.getByRole("button", { name: "Connect Stripe" }).click();
      await expect(page.getByText("Some fields need another look.").or(page.getByText("begins with")).first()).toBeVisible();
      await page.goBack();
      await field.fill(apiKey("sk_test_", "sandbox"));
      await page.getByRole("button", { name: "Connect Stripe" }).click();
      await expect(page.getByRole("heading", { name: "Done" })).toBeVisible();

      const [connection] = await customer.connections();
      expect(new URL(page.url()).searchParams.get("connectionId")).toBe(connection.id);
    });
  });

  test("a link asks on our page first, then comes back the same way", async ({ page, sites }) => {
    await row("GET /connection-popup", "link", async () => {
      const customer = sites.server.customer();
      await page.goto(customer.start("hubspot", { redirectUri: back(sites), customState, connectionParameters: "{}" }, "/connection-popup"));
      expect(page.url()).not.toContain(customer.token);
      await page.getByRole("button", { name: "Continue to HubSpot" }).click();
      await answer(page);
      await expect(page.getByRole("heading", { name: "Done" })).toBeVisible();

      expect(new URL(page.url()).searchParams.get("customState")).toBe(customState);
    });
  });
});

test.describe("an attacker's site", () => {
  // That the frame is refused is the point.
  test.use({ strict: false });

  test("a hidden frame there leaves for no provider, and its page hears nothing", async ({ page, sites }) => {
    await row("POST /connect in a frame of an attacker's page: ends", "form", async () => {
      const customer = sites.server.customer();
      const payload = { token: customer.token, integrationKey: "hubspot", requestId: `hidden-${crypto.randomUUID()}` };
      const value = JSON.stringify(payload).replaceAll('"', "&quot;");
      const form = `<form method="post" target="hidden" action="${sites.ours}/connect"><input type="hidden" name="payload" value="${value}"><button>Win</button></form>`;
      const listener = "<script>addEventListener('message', (event) => { window.heard = event.data; })</script>";
      await page.goto(sites.page(sites.evil, `/frame-${crypto.randomUUID()}`, `${listener}<iframe name="hidden" title="hidden"></iframe>${form}`));
      const left: string[] = [];
      page.on("request", (request) => left.push(new URL(request.url()).origin));
      await page.getByRole("button", { name: "Win" }).click();

      const events = await fetch(`${sites.server.bound}/sse/connection-events/${payload.requestId}`);
      const told = (await events.text()).split("\n").find((line) => line.startsWith("data:")) ?? "";
      expect(JSON.parse(told.slice(5))).toMatchObject({ type: "newConnectionFailure", errorData: { key: "invalid_input" } });
      await expect.poll(() => left.length).toBeGreaterThan(1);
      expect(left.filter((origin) => origin !== sites.ours)).toEqual([]);
      expect(await page.evaluate(() => (globalThis as { heard?: unknown }).heard)).toBeUndefined();
      expect(await customer.connections()).toEqual([]);
    });
  });
});
