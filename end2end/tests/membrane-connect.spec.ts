// connect() of the vendors' own packages, from a page on another site than ours and the provider's: in a
// popup, in a hidden frame, in the same window.
import { spawn } from "node:child_process";
import { test, expect, type Page } from "../support/test.ts";
import { answer } from "../support/flows.ts";
import { sample } from "../support/guide.ts";
import { apiKey } from "../support/secrets.ts";
import { freePort, type Customer } from "../support/server.ts";
import type { Sites } from "../support/tls.ts";
import { row as callRow } from "../support/table.ts";
import { VENDORS, call, openProduct, press, settled, type Settled } from "../support/vendor-bundle.ts";

/** Presses the product's button and hands over the window that opens. */
async function popup(page: Page, pressing: Promise<void>): Promise<Page> {
  const [opened] = await Promise.all([page.waitForEvent("popup"), pressing]);
  return opened;
}

async function backend(sites: Sites, path: string, method: string, body?: unknown): Promise<Record<string, string>> {
  const token = sites.server.token({ id: undefined, isAdmin: true });
  const answer = await fetch(sites.server.bound + path, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  expect(answer.ok, await answer.clone().text()).toBe(true);
  return answer.json();
}

/** Runs the sample of the guide, with other names in it, as the developer's own endpoint. */
async function endpoint(names: Record<string, string>): Promise<() => void> {
  const code = sample("callback", names);
  const child = spawn(process.execPath, ["--input-type=module", "--eval", `${code}\nconsole.log("listening");`], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((done) => child.stdout.once("data", done));
  return () => void child.kill();
}

const id = (outcome: Settled) => (outcome.value as { id: string }).id;

for (const vendor of VENDORS) {
  test.describe(vendor.sdk, () => {
    let customer: Customer;
    let open: (page: Page) => Promise<void>;
    const row = (name: string, check: () => Promise<void>) => callRow(name, vendor.sdk, check);

    test.beforeEach(async ({ sites }) => {
      customer = sites.server.customer();
      open = (page) => openProduct(page, sites, vendor, customer);
    });

    test("in a popup: the promise resolves with the connection, and the popup closes", async ({ page, sites }) => {
      await open(page);
      await row("connect({connectorParameters, name}) in a popup", async () => {
        const given = { name: "By popup", ...(vendor.isNew ? { connectorParameters: { scopes: ["tickets"] } } : {}) };
        const window = await popup(page, press(page, (client, given) => client.integration("hubspot").connect(given), given));
        await expect(window).toHaveURL(new RegExp(`^${sites.provider}/sandbox/`));
        if (vendor.isNew) expect(new URL(window.url()).searchParams.get("scope")).toBe("tickets");
        const closed = window.waitForEvent("close");
        await answer(window, { account: "alice" });

        const outcome = await settled(page);
        await closed;
        expect(outcome).toMatchObject({ value: { integrationKey: "hubspot", name: "By popup", connected: true } });
        expect(await customer.connections()).toMatchObject([{ id: id(outcome), connected: true }]);
      });
    });

    test("a second connect() renews the connection, and allowMultipleConnections makes another", async ({ page }) => {
      await open(page);
      const connect = async (given: object) => {
        const window = await popup(page, press(page, (client, given) => client.integration("hubspot").connect(given), given));
        await answer(window);
        return id(await settled(page));
      };
      await row("connect({allowMultipleConnections})", async () => {
        const first = await connect({ allowMultipleConnections: false });
        const again = await connect({ allowMultipleConnections: false });
        const further = await connect({ allowMultipleConnections: true });

        expect(again).toBe(first);
        expect(further).not.toBe(first);
        expect((await customer.connections()).length).toBe(2);
      });
    });

    test("the customer closes the popup: null, at once", async ({ page }) => {
      await open(page);
      await row("popup closed: null", async () => {
        const window = await popup(page, press(page, (client) => client.integration("hubspot").connect()));
        await expect(window.getByRole("button", { name: "Allow" })).toBeVisible();
        await window.close();

        expect(await settled(page)).toEqual({ value: null });
        expect(await customer.connections()).toEqual([]);
      });
    });

    test("the customer declines, or the provider fails: the promise rejects with our words", async ({ page }) => {
      await open(page);
      for (const [scenario, key] of [["deny", "access_denied_by_provider"], ["token_500", "provider_unreachable"]] as const) {
        await row(`${scenario} in a popup: rejects, typed`, async () => {
          const window = await popup(page, press(page, (client) => client.integration("hubspot").connect()));
          const closed = window.waitForEvent("close");
          await answer(window, { scenario });

          const { error } = await settled(page);
          await closed;
          expect(error).toMatchObject({ isTyped: true, data: { type: "connection", key } });
          expect(error?.message).toContain("HubSpot");
          expect(await customer.connections()).toEqual([]);
        });
      }
    });

    test("a provider that cuts the popup off: null, and the connection is there", async ({ page, sites }) => {
      await open(page);
      await row("COOP: null, then in connections.find()", async () => {
        const window = await popup(page, press(page, (client) => client.integration("hubspot").connect()));
        await expect(window).toHaveURL(new RegExp(`^${sites.provider}/sandbox/`));
        await window.goto(`${window.url()}&sandbox=coop`);

        // The customer is still reading; to the SDK the popup looks closed.
        expect(await settled(page)).toEqual({ value: null });
        await answer(window);
        await expect.poll(async () => (await customer.connections()).length).toBe(1);
        const found = await call(page, (client) => client.connections.find());
        expect(found).toMatchObject({ value: { items: [{ integrationKey: "hubspot", connected: true }] } });
      });
    });

    test("credentials that need no page: a hidden frame, and no window", async ({ page }) => {
      await open(page);
      const windows: Page[] = [];
      page.on("popup", (window) => windows.push(window));
      await row("connect({input}) in a hidden frame", async () => {
        const input = { api_key: apiKey("sk_test_", "sandbox") };
        await press(page, (client, input) => client.integration("stripe").connect({ input, parameters: input }), input);

        const outcome = await settled(page);
        expect(outcome).toMatchObject({ value: { integrationKey: "stripe", connected: true } });
        expect(JSON.stringify(outcome)).not.toContain(input.api_key);
        expect(await customer.connections()).toMatchObject([{ id: id(outcome) }]);
      });
      await row("connect({authOptionKey, input}) in a hidden frame", async () => {
        const input = { api_key: apiKey("pat-", "sandbox") };
        const given = { authOptionKey: "api-key", input, parameters: input };
        await press(page, (client, given) => client.integration("hubspot").connect(given), given);

        expect(await settled(page)).toMatchObject({ value: { integrationKey: "hubspot", authOptionKey: "api-key" } });
      });
      expect(windows).toEqual([]);
    });

    test("a hidden frame that cannot finish rejects with the server's error", async ({ page }) => {
      await open(page);
      const cases: [string, string, object, object][] = [
        ["a key the app refuses", "stripe", { input: { api_key: apiKey("sk_test_", "wrong") } }, { key: "test_failed" }],
        ["a field that is missing", "stripe", {}, { key: "invalid_input", data: { fields: { api_key: expect.any(String) } } }],
        ["an option that is not there", "hubspot", { authOptionKey: "nope" }, { key: "unknown_auth_option" }],
      ];
      for (const [name, integration, given, data] of cases) {
        await row(`rejects: ${name}`, async () => {
          const both = { ...given, parameters: (given as { input?: object }).input };
          await press(page, (client, [integration, both]) => client.integration(integration).connect(both), [integration, both] as const);

          const { error } = await settled(page);
          expect(error, name).toMatchObject({ isTyped: true, data });
          expect(error?.message.trim(), name).not.toBe("");
        });
      }
      if (vendor.isNew) {
        await row("rejects: connector parameters nobody declared", async () => {
          const given = { input: { api_key: apiKey("sk_test_", "sandbox") }, connectorParameters: { nope: 1 } };
          await press(page, (client, given) => client.integration("stripe").connect(given), given);

          const { error } = await settled(page);
          expect(error).toMatchObject({ isTyped: true, data: { data: { fields: { "connectorParameters.nope": expect.any(String) } } } });
        });
      }
      expect(await customer.connections()).toEqual([]);
    });

    test("in the same window, there and back", async ({ page, sites }) => {
      const back = sites.page(sites.product, `/back-${crypto.randomUUID()}`, "<h1>Back</h1>");
      const leave = async () => {
        await open(page);
        await press(page, (client, redirectUri) => client.integration("hubspot").connect({ sameWindow: true, redirectUri }), `${back}?keep=1#top`);
        await expect(page).toHaveURL(new RegExp(`^${sites.provider}/sandbox/`));
      };
      await row("connect({sameWindow, redirectUri})", async () => {
        await leave();
        await answer(page);
        await expect(page.getByRole("heading", { name: "Back" })).toBeVisible();

        const [connection] = await customer.connections();
        const at = new URL(page.url());
        expect([...at.searchParams]).toEqual([["keep", "1"], ["connectionId", connection.id]]);
        expect(at.hash).toBe("#top");
      });
      await row("connect({sameWindow}): error and errorData", async () => {
        await leave();
        await answer(page, { scenario: "deny" });
        await expect(page.getByRole("heading", { name: "Back" })).toBeVisible();

        const at = new URL(page.url()).searchParams;
        expect(at.get("error")).toBe("HubSpot was not connected: access was declined.");
        expect(JSON.parse(at.get("errorData") ?? "")).toMatchObject({ type: "connection", key: "access_denied_by_provider" });
        expect(at.get("keep")).toBe("1");
      });
    });

    test("in the same window, what cannot begin comes back at once", async ({ page, sites }) => {
      const back = sites.page(sites.product, `/back-${crypto.randomUUID()}`, "<h1>Back</h1>");
      await open(page);
      await row("connect({sameWindow}): what cannot begin", async () => {
        const given = { authOptionKey: "nope", sameWindow: true, redirectUri: back };
        await press(page, (client, given) => client.integration("hubspot").connect(given), given);
        await expect(page.getByRole("heading", { name: "Back" })).toBeVisible();

        const at = new URL(page.url()).searchParams;
        expect(JSON.parse(at.get("errorData") ?? "")).toMatchObject({ key: "unknown_auth_option" });
      });
    });

    test("a reconnect keeps the connection's id", async ({ page }) => {
      await open(page);
      await row("connection(id).reconnect", async () => {
        await answer(await popup(page, press(page, (client) => client.integration("hubspot").connect())), { account: "alice" });
        const first = id(await settled(page));

        await answer(await popup(page, press(page, (client, id) => client.connection(id).reconnect(), first)), { account: "alice" });
        expect(id(await settled(page))).toBe(first);

        await answer(await popup(page, press(page, (client, id) => client.connection(id).reconnect(), first)), { account: "bob" });
        const { error } = await settled(page);
        expect(error).toMatchObject({ isTyped: true, data: { key: "account_mismatch" } });
        expect(await customer.connections()).toMatchObject([{ id: first, connected: true }]);
      });
    });

    test("a page that is not listed meets our confirm page, and is told by the events alone", async ({ page, sites }) => {
      await openProduct(page, sites, vendor, customer, sites.evil);
      await row("connect() on a site that is not listed", async () => {
        await page.evaluate(() => addEventListener("message", (event) => Object.assign(window, { heard: event.data })));
        const window = await popup(page, press(page, (client) => client.integration("hubspot").connect()));
        await expect(window).toHaveURL(new RegExp(`^${sites.ours}/connect/continue/`));
        await window.getByRole("button", { name: "Continue to HubSpot" }).click();
        await answer(window);

        expect(await settled(page)).toMatchObject({ value: { integrationKey: "hubspot", connected: true } });
        expect(await page.evaluate(() => (globalThis as { heard?: unknown }).heard)).toBeUndefined();
      });
    });

    test("credentials are renewed when asked for", async ({ page, sites }) => {
      await open(page);
      await answer(await popup(page, press(page, (client) => client.integration("gitlab").connect())));
      const connection = id(await settled(page));
      await row("connection(id).refreshCredentials", async () => {
        const renewals = async () => (await sites.server.stats()).connectors.gitlab.token_refresh;
        const before = await renewals();
        const renewed = await call(page, (client, id) => client.connection(id).refreshCredentials(), connection);
        expect(renewed).toMatchObject({ value: { id: connection, connected: true } });
        expect(await renewals()).toBe(before + 1);
        const again = await call(page, (client, id) => client.connection(id).refreshCredentials(), connection);
        expect(again.error).toMatchObject({ isTyped: true, data: { key: "rate_limit_exceeded" } });
      });
    });

    test("an integration with a callback address of its own", async ({ page, sites }) => {
      const port = await freePort();
      const oAuthCallbackUri = `http://localhost:${port}/oauth/hubspot`;
      const key = `own-${crypto.randomUUID()}`;
      const made = await backend(sites, "/integrations", "POST", { key, connectorId: "hubspot", isTest: true, oAuthCallbackUri });
      const stop = await endpoint({ "https://integrations.acme.com": sites.ours, INTEGRATION_ID: made.id, "4000": String(port) });

      await row("connect() by the developer's own callback address", async () => {
        await open(page);
        const window = await popup(page, press(page, (client, key) => client.integration(key).connect(), key));
        await expect(window).toHaveURL(new RegExp(`^${sites.provider}/sandbox/`));
        expect(new URL(window.url()).searchParams.get("redirect_uri")).toBe(oAuthCallbackUri);
        await answer(window);

        expect(await settled(page)).toMatchObject({ value: { integrationKey: key, connected: true } });
      });
      stop();
      // Others on this server find one HubSpot, as before.
      await backend(sites, `/integrations/${made.id}`, "DELETE");
    });

    if (vendor.isNew) {
      test("client.connect() by key, without asking for the integration first", async ({ page }) => {
        await open(page);
        await row("client.connect({integrationKey, input})", async () => {
          const given = { integrationKey: "stripe", input: { api_key: apiKey("sk_test_", "sandbox") } };
          await press(page, (client, given) => client.connect(given), given);

          expect(await settled(page)).toMatchObject({ value: { integrationKey: "stripe" } });
        });
        await row("client.connect({connectorId})", async () => {
          const window = await popup(page, press(page, (client) => client.connect({ connectorId: "gitlab" })));
          await answer(window);

          expect(await settled(page)).toMatchObject({ value: { integrationKey: "gitlab" } });
        });
      });
    }
  });
}
