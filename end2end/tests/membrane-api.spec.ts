// The API as the vendors' own packages speak it, from a page on another site. Each call is made by the
// unmodified client; what it comes to is looked at, and what the server then says.
import { test as base, expect, type Page } from "../support/test.ts";
import { apiKey } from "../support/secrets.ts";
import { APPS, type Customer } from "../support/server.ts";
import { Sites } from "../support/tls.ts";
import { row as callRow } from "../support/table.ts";
import { hooksPage } from "../support/hooks-page.ts";
import { VENDORS, call, openProduct, options } from "../support/vendor-bundle.ts";

const YOUR_APP = `
[workspace.your_app]
base_uri = "https://api.acme.test"
auth = { type = "api-key", use = { headers = { Authorization = "Bearer {{credentials.apiKey}}" } } }
credentials_schema = { type = "object", required = ["apiKey"], properties = { apiKey = { type = "string" } } }
`;

const test = base.extend<object, { product: Sites }>({
  product: [
    async ({}, use) => {
      const product = await Sites.start({ more: YOUR_APP });
      await use(product);
      await product.stop();
    },
    { scope: "worker" },
  ],
});

/** Asks the server itself, past every SDK. */
async function ask(product: Sites, token: string, path: string, method = "GET", body?: unknown): Promise<{ status: number; json: Record<string, never> }> {
  const answer = await fetch(product.server.bound + path, {
    method,
    headers: { authorization: `Bearer ${token}`, accept: "application/json", ...(body ? { "content-type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  });
  return { status: answer.status, json: await answer.json() };
}

/** A connection with a key, made without a page. */
async function connectKey(product: Sites, customer: Customer, integration = "stripe"): Promise<{ id: string }> {
  const prefix = integration === "stripe" ? "sk_test_" : "SG.";
  const input = { api_key: apiKey(prefix, "sandbox") };
  const { json } = await ask(product, customer.token, "/connect", "POST", { integrationKey: integration, input, noUi: true });
  return (json as { connection: { id: string } }).connection;
}

const NOT_FOUND = { isTyped: true, data: { type: "bad_request", key: "not_found" } };

for (const vendor of VENDORS) {
  test.describe(vendor.sdk, () => {
    let customer: Customer;
    let open: (page: Page) => Promise<void>;
    const row = (name: string, check: () => Promise<void>) => callRow(name, vendor.sdk, check);

    test.beforeEach(async ({ product }) => {
      customer = product.server.customer({ name: "Ada" });
      open = (page) => openProduct(page, product, vendor, customer);
    });

    test("who the customer is", async ({ page }) => {
      await open(page);
      await row("self.get", async () => {
        expect(await call(page, (client) => client.self.get())).toMatchObject({
          value: { internalId: customer.id, name: "Ada", workspaceKey: "acme" },
        });
      });
      await row("self.patch({credentials})", async () => {
        const credentials = { apiKey: apiKey("key-", "own") };
        const patched = await call(page, (client, credentials) => client.self.patch({ credentials }), credentials);
        expect(patched).toMatchObject({ value: { internalId: customer.id, hasCredentials: true } });
        expect(JSON.stringify(patched)).not.toContain(credentials.apiKey);
      });
    });

    for (const way of ["credentials", "fetchCredentials"] as const) {
      test(`${way} given at construction is kept for the product's own API`, async ({ page, product }) => {
        await open(page);
        await row(`new Client({${way}})`, async () => {
          const key = apiKey("key-", "own");
          const given = { ...options(product, customer), key, way };
          await page.evaluate(({ key, way, ...more }) => {
            const Client = (window as never as { Client: new (options: unknown) => unknown }).Client;
            new Client({ ...more, [way]: way === "credentials" ? { apiKey: key } : async () => ({ apiKey: key }) });
          }, given);

          const own = async () => (await ask(product, customer.token, "/self")).json;
          await expect.poll(own).toMatchObject({ hasCredentials: true });
        });
      });
    }

    test("fetchToken is called once and its token kept", async ({ page, product }) => {
      await open(page);
      await row("new Client({fetchToken})", async () => {
        const { token, ...rest } = options(product, customer);
        const called = await page.evaluate(async ({ token, ...rest }) => {
          const Client = (window as never as { Client: new (options: unknown) => { self: { get(): Promise<unknown> } } }).Client;
          let calls = 0;
          const client = new Client({ ...rest, fetchToken: async () => ((calls += 1), token) });
          const seen = [await client.self.get(), await client.self.get()];
          return { calls, ids: seen.map((one) => (one as { internalId: string }).internalId) };
        }, { token, ...rest });

        expect(called).toEqual({ calls: 1, ids: [customer.id, customer.id] });
      });
    });

    test("integrations are found, paged and read", async ({ page }) => {
      await open(page);
      await row("integrations.find", async () => {
        const { value } = (await call(page, (client) => client.integrations.find())) as { value: { items: { id: string; key: string; name: string; logoUri: string }[] } };
        expect(value.items.length).toBe(25);
        for (const item of value.items) expect([item.id, item.key, item.name, item.logoUri].every((text) => text.length > 0)).toBe(true);
      });
      await row("integrations.find({search})", async () => {
        const found = await call(page, (client) => client.integrations.find({ search: "hubspot" }));
        expect(found).toMatchObject({ value: { items: [{ key: "hubspot", name: "HubSpot" }] } });
        expect(await call(page, (client) => client.integrations.find({ search: "zzz-no-such-app" }))).toEqual({ value: { items: [] } });
      });
      await row("integrations.find: pages by cursor", async () => {
        const keys = await call(page, async (client) => {
          const seen: string[] = [];
          let cursor: string | undefined;
          do {
            const found = await client.integrations.find({ limit: 4, cursor });
            seen.push(...found.items.map((item: { key: string }) => item.key));
            cursor = found.items.length === 4 ? found.cursor : undefined;
          } while (cursor);
          return seen;
        });
        expect([...(keys.value as string[])].sort()).toEqual([...APPS].sort());
        expect(new Set(keys.value as string[]).size).toBe(APPS.length);
      });
      await row("integrations.findAll", async () => {
        const all = await call(page, (client) => client.integrations.findAll());
        expect((all.value as unknown[]).length).toBe(APPS.length);
      });
      await row("integration(key|id).get", async () => {
        const byKey = (await call(page, (client) => client.integration("hubspot").get())).value as { id: string; oAuthCallbackUri: string };
        const byId = await call(page, (client, id) => client.integration(id).get(), byKey.id);
        expect(byId.value).toEqual(byKey);
        expect(byKey).toMatchObject({ key: "hubspot", connectorId: "hubspot", authOptions: [{ key: "oauth2" }, { key: "api-key" }] });
        expect(byKey.oAuthCallbackUri).toContain(`/oauth/callback/${byKey.id}`);
      });
      await row("integration(k).getConnectorSpec", async () => {
        const spec = await call(page, (client) => client.integration("stripe").getConnectorSpec());
        expect(spec).toMatchObject({ value: { key: "stripe", auth: { type: "client-credentials", options: { "api-key": { type: "client-credentials" } } } } });
      });
    });

    test("errors are typed", async ({ page, product }) => {
      await open(page);
      await row("an unknown integration: typed not_found", async () => {
        expect((await call(page, (client) => client.integration("no-such-app").get())).error).toMatchObject(NOT_FOUND);
      });
      await row("a bad token: typed not_authenticated", async () => {
        const bad = { ...options(product, customer), token: `${customer.token.slice(0, -6)}AAAAAA` };
        const refused = await page.evaluate((bad) => {
          const at = window as never as { Client: new (options: unknown) => { self: { get(): unknown } }; settle(call: () => unknown): unknown };
          return at.settle(() => new at.Client(bad).self.get());
        }, bad);
        expect(refused).toMatchObject({ error: { isTyped: true, data: { type: "bad_request", key: "not_authenticated" } } });
      });
      await row("what a backend alone may do: typed access_denied", async () => {
        const refused = await call(page, (client) => client.customers.find());
        expect(refused.error).toMatchObject({ isTyped: true, data: { key: "access_denied" } });
      });
    });

    test("what Hitchpost does not do is said, typed, to every method", async ({ page, product }) => {
      const connection = await connectKey(product, customer);
      await open(page);
      const calls: [string, (client: never, id: string) => unknown][] = [
        ["flows.find", (client: any) => client.flows.find()],
        ["actions.find", (client: any) => client.actions.find()],
        ["screens.find", (client: any) => client.screens.find()],
        ["dataSources.find", (client: any) => client.dataSources.find()],
        ["integration(k).getOperations", (client: any) => client.integration("stripe").getOperations()],
        ["integration(k).getDataCollections", (client: any) => client.integration("stripe").getDataCollections()],
        ["connection(id).request", (client: any, id) => client.connection(id).request("records")],
        ["connection(id).operation(k).run", (client: any, id) => client.connection(id).operation("list").run({})],
        ["connection(id).dataCollection(k).list", (client: any, id) => client.connection(id).dataCollection("contacts").list()],
        ["connection(id).action(k).run", (client: any, id) => client.connection(id).action("send").run({ a: 1 })],
        ["connection(id).flow(k).patch", (client: any, id) => client.connection(id).flow("sync").patch({})],
        ["flowRun(id).get", (client: any) => client.flowRun("r1").get()],
        ["actionInstance(id).get", (client: any) => client.actionInstance("a1").get()],
      ];
      for (const [name, calls_] of calls) {
        await row(`${name}: typed not_found`, async () => {
          const { error } = await call(page, calls_, connection.id);
          expect(error, name).toMatchObject(NOT_FOUND);
          expect(error?.message, name).toContain("Hitchpost");
        });
      }
    });

    test("connections are found, read, changed, renewed, called through and archived", async ({ page, product }) => {
      const stripe = await connectKey(product, customer);
      const other = product.server.customer();
      const theirs = await connectKey(product, other);
      await open(page);

      await row("connections.find", async () => {
        const found = await call(page, (client) => client.connections.find());
        expect(found).toMatchObject({ value: { items: [{ id: stripe.id, integrationKey: "stripe", connected: true, disconnected: false }] } });
        expect((found.value as { items: unknown[] }).items.length).toBe(1);
      });
      await row("connections.find({integrationKey})", async () => {
        const found = await call(page, (client) => client.connections.find({ integrationKey: "stripe" }));
        expect(found).toMatchObject({ value: { items: [{ id: stripe.id }] } });
        expect(await call(page, (client) => client.connections.find({ integrationKey: "hubspot" }))).toEqual({ value: { items: [] } });
        expect(await call(page, (client) => client.connections.find({ integrationKey: "no-such-app" }))).toEqual({ value: { items: [] } });
      });
      await row("integration(k).get has the connection", async () => {
        expect(await call(page, (client) => client.integration("stripe").get())).toMatchObject({ value: { connection: { id: stripe.id } } });
      });
      await row("connection(id).get", async () => {
        const { value } = await call(page, (client, id) => client.connection(id).get(), stripe.id);
        expect(value).toMatchObject({ id: stripe.id, integration: { key: "stripe" }, customerId: customer.id });
        expect(JSON.stringify(value)).not.toContain("sk_test_");
      });
      await row("somebody else's connection: typed not_found", async () => {
        const { error } = await call(page, (client, id) => client.connection(id).get(), theirs.id);
        expect(error).toMatchObject(NOT_FOUND);
        const { error: unknown } = await call(page, (client) => client.connection("01890000-0000-7000-8000-000000000000").get());
        expect(unknown?.data).toEqual(error?.data);
      });
      await row("connection(id).patch", async () => {
        expect(await call(page, (client, id) => client.connection(id).patch({ name: "Renamed" }), stripe.id)).toMatchObject({ value: { name: "Renamed" } });
      });
      await row("connection(id).put with what was read", async () => {
        const put = await call(page, async (client, id) => client.connection(id).put({ ...(await client.connection(id).get()), name: "Put" }), stripe.id);
        expect(put).toMatchObject({ value: { id: stripe.id, name: "Put" } });
      });
      await row("connection(id).refreshCredentials: typed when there is nothing to renew", async () => {
        const { error } = await call(page, (client, id) => client.connection(id).refreshCredentials(), stripe.id);
        expect(error).toMatchObject({ isTyped: true, data: { data: { reason: "not_renewable" } } });
      });
      await row("connection(id).proxy.get/post/put/patch/delete", async () => {
        const got = await call(page, (client, id) => client.connection(id).proxy.get("/v1/account?expand=all"), stripe.id);
        expect(got.error).toBeUndefined();
        expect(JSON.stringify(got.value)).toContain("alice");
        const reached = async () => (await product.server.stats()).connectors.stripe.api;
        for (const method of ["post", "put", "patch", "delete"]) {
          const before = await reached();
          const through = await call(page, (client, [id, method]) => client.connection(id).proxy[method]("/v1/charges?a=1", { amount: 5 }), [stripe.id, method] as const);
          expect(through.error, method).toBeUndefined();
          expect(JSON.stringify(through.value), method).toContain("alice");
          expect(await reached(), method).toBe(before + 1);
        }
      });
      if (!vendor.isNew) {
        await row("integration(k).disconnect", async () => {
          await connectKey(product, customer, "sendgrid");
          expect((await call(page, (client) => client.integration("sendgrid").disconnect())).error).toBeUndefined();
          expect(await call(page, (client) => client.connections.find())).toMatchObject({ value: { items: [{ id: stripe.id }] } });
        });
      }
      await row("connection(id).archive", async () => {
        const archived = await call(page, (client, id) => client.connection(id).archive(), stripe.id);
        expect(archived.error).toBeUndefined();
        expect(await call(page, (client) => client.connections.find())).toEqual({ value: { items: [] } });
        expect(await call(page, (client, id) => client.connection(id).get(), stripe.id)).toMatchObject({ value: { id: stripe.id, archivedAt: expect.any(String) } });
        const { error } = await call(page, (client, id) => client.connection(id).proxy.get("/v1/account"), stripe.id);
        expect(error?.isTyped).toBe(true);
      });
    });

    test("a backend's page of customers and integrations", async ({ page, product }) => {
      const backend = { token: product.server.token({ id: undefined, isAdmin: true }) } as Customer;
      await openProduct(page, product, vendor, backend);
      const internalId = `made-${crypto.randomUUID()}`;
      await row("customers.create, find, findAll", async () => {
        const made = await call(page, (client, internalId) => client.customers.create({ name: "Grace", internalId }), internalId);
        expect(made).toMatchObject({ value: { internalId, name: "Grace" } });
        const found = await call(page, (client, search) => client.customers.find({ search }), internalId);
        expect(found).toMatchObject({ value: { items: [{ internalId }] } });
        const all = await call(page, (client) => client.customers.findAll());
        expect((all.value as { internalId: string }[]).map((one) => one.internalId)).toContain(internalId);
      });
      await row("customer(id).get, patch, put, archive, restore", async () => {
        const steps = await call(page, async (client, id) => {
          const one = client.customer(id);
          return [await one.get(), await one.patch({ name: "Grace H." }), await one.put({ ...(await one.get()), fields: { plan: "pro" } }), (await one.archive(), await one.get()), (await one.restore(), await one.get())];
        }, internalId);
        expect(steps).toMatchObject({ value: [{ name: "Grace" }, { name: "Grace H." }, { name: "Grace H.", fields: { plan: "pro" } }, { archivedAt: expect.any(String) }, { internalId }] });
        expect((steps.value as Record<string, unknown>[])[4].archivedAt).toBeUndefined();
      });
      await row("customer({id}): object selector, restore", async () => {
        const { id } = (await call(page, (client, id) => client.customer(id).get(), internalId)).value as { id: string };
        const seen = await call(page, async (client, id) => {
          const one = client.customer({ id });
          return [await one.get(), (await one.archive(), await one.get()), (await one.restore(), await one.get())];
        }, id);
        expect(seen).toMatchObject({ value: [{ internalId }, { archivedAt: expect.any(String) }, { internalId }] });
        expect((seen.value as Record<string, unknown>[])[2].archivedAt).toBeUndefined();
      });
      await row("integrations.create, patch, put, archive, restore", async () => {
        const key = `own-${crypto.randomUUID()}`;
        const steps = await call(page, async (client, key) => {
          await client.integrations.create({ key, connectorId: "hubspot", name: "Ours" });
          const one = client.integration(key);
          return [
            await one.patch({ oAuthCallbackUri: "https://app.acme.test/oauth/hubspot" }),
            await one.put({ ...(await one.get()), name: "Put" }),
            (await one.archive(), await one.get()),
            (await one.restore(), await one.get()),
            await one.setup(),
          ];
        }, key);
        expect(steps.error).toBeUndefined();
        const callback = "https://app.acme.test/oauth/hubspot";
        expect(steps).toMatchObject({ value: [{ key, oAuthCallbackUri: callback }, { name: "Put", oAuthCallbackUri: callback }, { archivedAt: expect.any(String) }, { key }, { key }] });
        await call(page, (client, key) => client.integration(key).archive(), key);
      });
      await row("connections.create", async () => {
        const credentials = { api_key: apiKey("sk_test_", "sandbox") };
        const made = await call(page, (client, given) => client.connections.create({ ...given, integrationKey: "stripe", name: "Imported" }), { customerId: internalId, credentials });
        expect(made).toMatchObject({ value: { name: "Imported", customerId: internalId, connected: true } });
      });
    });

    test("hooks list, page and refresh", async ({ page, product }) => {
      const first = await connectKey(product, customer);
      await page.goto(await hooksPage(product, vendor, customer, first));
      const react = (name: string, check: () => Promise<void>) => callRow(name, vendor.react, check);

      await react("useIntegrations, loadMore", async () => {
        const items = page.locator("#integrations li");
        await expect(items).toHaveCount(5);
        for (let seen = 5; seen < APPS.length; seen = Math.min(seen + 5, APPS.length)) {
          await expect(items).toHaveCount(seen);
          await page.getByRole("button", { name: "More integrations" }).click();
          await expect(items).toHaveCount(Math.min(seen + 5, APPS.length));
        }
        expect(new Set(await items.allTextContents()).size).toBe(APPS.length);
      });
      await react("useConnections, refresh", async () => {
        const items = page.locator("#connections li");
        await expect(items).toHaveText(["stripe"]);
        await connectKey(product, customer, "sendgrid");
        await page.getByRole("button", { name: "Refresh connections" }).click();
        await expect(items).toHaveText(["sendgrid", "stripe"]);
      });
      await react("useIntegration", async () => {
        await expect(page.locator("#one")).toHaveText("HubSpot");
      });
      await react("useConnection: patch, and archive with what is left to read", async () => {
        await page.getByRole("button", { name: "Rename" }).click();
        await expect(page.locator("#connection")).toHaveText("Renamed by a hook");
        await expect.poll(async () => (await customer.connections()).map((one) => one.name)).toContain("Renamed by a hook");
        await page.getByRole("button", { name: "Archive" }).click();
        await expect(page.locator("#connection")).toHaveText("Renamed by a hook, archived");
        await connectKey(product, customer);
      });
      await react("useConnections, loadMore", async () => {
        for (let i = 0; i < 2; i += 1) await connectAnother(product, customer);
        await page.reload();
        const items = page.locator("#pages li");
        await expect(items).toHaveCount(2);
        await page.getByRole("button", { name: "More connections" }).click();
        await expect(items).toHaveCount(4);
        expect(new Set(await items.allTextContents()).size).toBe(4);
      });
    });
  });
}

test("in Node the newer client signs its tokens itself", async ({ product }) => {
  await callRow("new Client({workspaceKey, workspaceSecret, tenantKey})", "@membranehq/sdk", async () => {
    const { MembraneClient } = await import("@membranehq/sdk");
    const tenantKey = `tenant-${crypto.randomUUID()}`;
    const client = new MembraneClient({ workspaceKey: "acme", workspaceSecret: product.server.key, tenantKey, apiUri: product.server.bound });

    expect(await client.self.get()).toMatchObject({ internalId: tenantKey });
    expect(await client.connections.find()).toEqual({ items: [] });
  });
});

/** A further connection to an app there is one to. */
async function connectAnother(product: Sites, customer: Customer): Promise<void> {
  const input = { api_key: apiKey("sk_test_", "sandbox") };
  const made = await ask(product, customer.token, "/connect", "POST", { integrationKey: "stripe", input, noUi: true, allowMultipleConnections: true });
  expect(made.status).toBe(200);
}
