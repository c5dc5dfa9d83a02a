// connect() of our own SDK in the way of Munity's, with tokens that only the product's private key signs.
import { createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { transformSync } from "esbuild";
import { test, expect, type Page } from "../support/test.ts";
import { answer } from "../support/flows.ts";
import { apiKey, secret } from "../support/secrets.ts";
import { came, sdkPage, start } from "../support/sdk.ts";
import { Customer } from "../support/server.ts";
import { Sites } from "../support/tls.ts";
import { allOf } from "../support/table.ts";

allOf("connect() of Munity");

const WORKSPACE = "11111111-2222-3333-aaaa-eeeeeeeeeeee";
const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = keys.publicKey.export({ type: "spki", format: "pem" }) as string;

let sites: Sites;
test.beforeAll(async () => {
  sites = await Sites.start((product) => ({
    more: `[[workspace]]
key = "munity"
id = "${WORKSPACE}"
name = "Munity's"
public_keys = [{ pem = """${pem}""" }]
allow_tokens_without_exp = true
allowed_origins = ["${product}"]
integration = [{ key = "jira", sandbox = true }, { key = "hubspot", sandbox = true }, { key = "stripe", sandbox = true }, { key = "zendesk", sandbox = true }]
`,
  }));
});
test.afterAll(() => sites.stop());

/** Signs as the documents of Munity show it: RS256, without an end. */
function sign(claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "RS256", typ: "JWT" })}.${part({ workspace_id: WORKSPACE, ...claims })}`;
  return secret("customer token", `${signed}.${createSign("RSA-SHA256").update(signed).sign(keys.privateKey).toString("base64url")}`);
}

let customers = 0;
function customer(): Customer {
  customers += 1;
  const id = `customer_${process.pid}_${customers}`;
  return new Customer(sites.server, id, sign({ customer_id: id }));
}

const munity = (token: string, connector: string, more = "") =>
  sdkPage(sites, token, `return Hitchpost.connect("${connector}", ${JSON.stringify(token)}, (data) => told.push(data)${more});`);

async function popupOf(page: Page, address: string): Promise<Page> {
  const [popup] = await Promise.all([page.waitForEvent("popup"), start(page, address)]);
  return popup;
}

/** The product's backend says that the first import of a connection is done. */
async function importDone(connection: string, id: string): Promise<void> {
  const token = sign({ customer_id: id, isAdmin: true });
  const told = await fetch(`${sites.server.bound}/connections/${connection}/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ type: "IMPORT_DONE" }),
  });
  expect(told.status).toBe(200);
}

const told = (page: Page) => page.evaluate(() => (window as unknown as { told: unknown[] }).told);

test("it is true when the connection is ready, and the callback hears of each import", async ({ page }) => {
  const who = customer();

  await answer(await popupOf(page, munity(who.token, "jira")));

  expect(await came(page)).toMatchObject({ value: true });
  const [{ id }] = await who.connections();
  expect(await told(page)).toEqual([{ status: "READY", type: "READY", message: id }]);
  await importDone(id, who.id);
  await expect.poll(() => told(page)).toHaveLength(2);
  await importDone(id, who.id);
  await expect.poll(() => told(page)).toHaveLength(3);
  expect((await told(page)).slice(1)).toEqual(Array(2).fill({ status: "IMPORT_DONE", type: "IMPORT_DONE", message: id }));
});

test("an error rejects and is called back, and a callback that throws spoils nothing", async ({ page }) => {
  const who = customer();
  const thrower = `, (data) => { told.push(data); throw new Error("theirs"); }`;
  const code = `return Hitchpost.connect("hubspot", ${JSON.stringify(who.token)}${thrower});`;

  await answer(await popupOf(page, sdkPage(sites, who.token, code)), { scenario: "deny" });
  const denied = await came(page);
  await answer(await popupOf(page, sdkPage(sites, who.token, code)));
  const ready = await came(page);

  expect(denied.error).toMatchObject({ type: "connection", key: "access_denied_by_provider" });
  expect(denied.error?.data).toMatchObject({ key: "access_denied_by_provider" });
  expect(denied.told).toEqual([{ status: "error", type: "error", message: denied.error?.message }]);
  expect(ready).toMatchObject({ value: true, told: [{ type: "READY" }] });
});

test("what the customer calls off rejects as cancelled", async ({ page }) => {
  const who = customer();
  const popup = await popupOf(page, munity(who.token, "hubspot"));

  await popup.close();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();

  const { error, told } = await came(page);
  expect(error).toMatchObject({ type: "connection", key: "cancelled" });
  expect(told).toEqual([{ status: "error", type: "error", message: error?.message }]);
});

test("settings become what the customer would type or what the developer decides, by their name", async ({ page }) => {
  const who = customer();
  const stripe = `, { api_key: "${apiKey("sk_test_", "sandbox")}" }`;

  await start(page, munity(who.token, "stripe", stripe));
  expect(await came(page)).toMatchObject({ value: true });
  expect(page.context().pages()).toHaveLength(1);
  const [{ id }] = await who.connections();
  await importDone(id, who.id);
  await expect.poll(() => told(page)).toHaveLength(2);
  await start(page, munity(who.token, "stripe", `, { colour: "red" }`));
  const undeclared = await came(page);

  expect(undeclared.error).toMatchObject({ key: "invalid_input", status: 400 });
  expect(Object.keys((undeclared.error?.data?.data as { fields: object }).fields)).toEqual(["connectorParameters.colour"]);
  expect(undeclared.told).toMatchObject([{ type: "error" }]);
});

test("integration_id renews that connection, and somebody else's is unknown", async ({ page }) => {
  const who = customer();
  await answer(await popupOf(page, munity(who.token, "hubspot")), { account: "alice" });
  expect(await came(page)).toMatchObject({ value: true });
  const [{ id }] = await who.connections();
  const renewing = (customer_id: string, integration_id: string) => munity(sign({ customer_id, integration_id, name: "Renewed" }), "hubspot");

  await answer(await popupOf(page, renewing(who.id, id)), { account: "alice" });
  const same = await came(page);
  await start(page, renewing(customer().id, id));
  const foreign = await came(page);
  await start(page, renewing(who.id, randomUUID()));
  const unknown = await came(page);

  expect(same).toMatchObject({ value: true, told: [{ type: "READY", message: id }] });
  expect(await who.connections()).toMatchObject([{ id, name: "Renewed" }]);
  expect(foreign.error).toMatchObject({ key: "not_found", status: 404 });
  expect(foreign.error).toEqual(unknown.error);
});

test("what cannot work rejects before a window opens", async ({ page }) => {
  const who = customer();
  const rows: [string, string, string][] = [
    [sign({ customer_id: "no spaces please" }), "jira", "invalid_input"],
    [sign({ customer_id: "" }), "jira", "invalid_input"],
    ["no token at all", "jira", "not_authenticated"],
    [`${who.token.slice(0, -8)}AAAAAAAA`, "jira", "not_authenticated"],
    [who.token, "no-such-connector", "not_found"],
  ];

  for (const [token, connector, key] of rows) {
    await start(page, munity(token, connector));
    const { error, told } = await came(page);
    expect(error, connector).toMatchObject({ name: "HitchpostError", type: "bad_request", key });
    expect(told).toEqual([{ status: "error", type: "error", message: error?.message }]);
  }
  expect(page.context().pages()).toHaveLength(1);
});

/** The samples of Munity's documents: our import, and the quotes and brackets they lack. */
const SAMPLES = {
  JavaScript: `
import { connect } from "@munityapps/sdk-frontend"

const promise = connect( connector, secret, callback)
promise
  .then((result) => {
    // Integration is ready, handle the success case
    console.log('Integration is ready:', result);
  })
  .catch((error) => {
    // Handle the error case
    console.error('Error occurred:', error);
  });
`,
  TypeScript: `
import { connect } from "@munityapps/sdk-frontend"

const cb: ((data: { status: string; message: any}) => void) = callback;
const config: { [key: string]: string } = {};
async function handleConnect() {
  try {
    const result: boolean = await connect(connector as string, secret as string, cb, config);
    console.log('Integration is ready:', result);
  } catch (error) {
    console.error('Error occurred:', error);
  }
}

handleConnect();
`,
};

for (const [language, sample] of Object.entries(SAMPLES)) {
  test(`the documented ${language} runs with another import`, async ({ page }) => {
    const who = customer();
    const said: string[] = [];
    page.on("console", (message) => void said.push(message.text()));
    const { code } = transformSync(sample.replace("@munityapps/sdk-frontend", `${sites.ours}/sdk.js`), { loader: "ts" });
    const imported = code.match(/^import .*$/m)![0];
    // A browser opens windows only after a click, so the sample runs in one.
    const address = sites.page(sites.product, `/sample-${language}`, `<h1>Settings</h1><button id="go">Go on</button><script type="module">${imported}
      const connector = "jira", secret = ${JSON.stringify(who.token)}, callback = (data) => console.log("called back", data.status, data.type);
      document.getElementById("go").onclick = () => { ${code.replace(imported, "")} };
      document.body.dataset.ready = "1";</script>`);

    await answer(await popupOf(page, address));
    await expect.poll(() => said).toContain("Integration is ready: true");
    await importDone((await who.connections())[0].id, who.id);
    await expect.poll(() => said).toContain("called back IMPORT_DONE IMPORT_DONE");
    await answer(await popupOf(page, address), { scenario: "deny" });
    await expect.poll(() => said.some((text) => text.startsWith("Error occurred:"))).toBe(true);

    expect(said.filter((text) => text.startsWith("called back"))).toEqual([
      "called back READY READY", "called back IMPORT_DONE IMPORT_DONE", "called back error error",
    ]);
  });
}

test("after close nothing more is heard", async ({ page }) => {
  const who = customer();
  const code = `const promise = Hitchpost.connect("hubspot", ${JSON.stringify(who.token)}, (data) => told.push(data)); window.connecting = promise; return promise;`;
  const streams: string[] = [];
  page.on("requestfinished", (request) => void (request.url().includes("/sse/") && streams.push(request.url())));
  page.on("requestfailed", (request) => void (request.url().includes("/sse/") && streams.push(request.url())));
  await answer(await popupOf(page, sdkPage(sites, who.token, code)));
  expect(await came(page)).toMatchObject({ value: true });
  expect(streams).toEqual([]);

  await page.evaluate(() => (window as unknown as { connecting: { close(): void } }).connecting.close());

  await expect.poll(() => streams).toHaveLength(1);
  expect(await told(page)).toHaveLength(1);
});
