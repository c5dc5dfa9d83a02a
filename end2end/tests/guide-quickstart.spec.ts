// The quickstart, step by step as it stands there: with our own SDK, and with the public ones, whose
// import and addresses are all that differs.
import { AxeBuilder } from "@axe-core/playwright";
import { test, expect, type Page } from "../support/test.ts";
import { finish, goOn, popupOf } from "../support/flows.ts";
import { sample, start, type Program } from "../support/guide.ts";
import { freePort, Server } from "../support/server.ts";
import { callOf } from "../support/table.ts";
import { BOTH, NEW, bundle } from "../support/vendors.ts";

const GUIDE = "quickstart";
/** The steps of the script, in their order. */
const steps = (client: string, names: Record<string, string>) => [
  client,
  sample("apps", names, GUIDE),
  sample("connect", names, GUIDE),
  sample("connections", names, GUIDE),
  sample("archive", names, GUIDE),
  sample("rest", names, GUIDE),
];

/** The script with a public SDK in it: a bundle is no module, so what awaits at the top needs a function around it. */
function bundled(names: Record<string, string>, isNew: boolean): string {
  const newer = sample("client-membrane", names, GUIDE);
  const client = isNew ? newer : newer.replaceAll("MembraneClient", "IntegrationAppClient").replace("@membranehq/sdk", "@integration-app/sdk");
  const [imported, ...code] = steps(client, names).join("\n\n").split("\n\n");
  return bundle(`${imported}\n(async () => {${code.join("\n\n")}})();`);
}

const CLIENTS = [
  { name: "our own SDK", dialog: "iframe", script: (names: Record<string, string>) => steps(sample("client", names, GUIDE), names).join("\n\n") },
  ...BOTH.map((sdk) => ({ name: sdk.name, dialog: "#__integration-app-popup", script: (names: Record<string, string>) => bundled(names, sdk === NEW) })),
];

for (const { name, dialog, script } of CLIENTS) {
  test.describe(name, () => {
    let server: Server;
    let program: Program;
    let here: string;

    test.beforeAll(async () => {
      server = await Server.start();
      const port = await freePort();
      here = `http://localhost:${port}`;
      const names = { "3000": String(port), "http://localhost:7080": server.url };
      const backend = `${sample("token", {}, "README")}\n\n${sample("backend", names, GUIDE)}`;
      const files = { "index.html": sample("page", names, GUIDE), "settings.js": script(names) };
      program = await start("js", backend, port, { ACME_SECRET: server.key }, files);
    });
    test.afterAll(async () => {
      program?.stop();
      await server?.stop();
    });

    const apps = (page: Page) => page.getByRole("list", { name: "Apps" }).getByRole("listitem");
    const rows = (page: Page) => page.getByRole("list", { name: "Your connections" }).getByRole("listitem");

    // Acceptance 7, 9, 12, 14, 19, 21, 22 and 81.
    test("lists, searches, connects, reconnects and deletes", callOf("quickstart, steps 1 to 6", { name }), async ({ page }) => {
      const customer = server.customer({ id: "customer-42" });
      await page.goto(here);
      await expect(apps(page)).toHaveCount(27);
      await page.getByRole("searchbox").fill("HubS");
      await expect(apps(page)).toHaveCount(1);

      await page.getByRole("button", { name: "Connect HubSpot" }).click();
      await page.frameLocator(dialog).getByRole("button", { name: "Close", exact: true }).click();
      await expect(page.locator(dialog)).toHaveCount(0);
      expect(await customer.connections()).toEqual([]);

      await page.getByRole("button", { name: "Connect HubSpot" }).click();
      await finish(await popupOf(page, goOn(page.frameLocator(dialog), "HubSpot")), { account: "alice" });
      await expect(rows(page)).toHaveText(/^HubSpot, .*alice: works/);
      expect((await new AxeBuilder({ page }).analyze()).violations.map((violation) => violation.id)).toEqual([]);
      const [{ id }] = await customer.connections();

      await end(server, id);
      await page.reload();
      await expect(rows(page)).toHaveText(/^HubSpot, .*: has to be reconnected/);
      await page.getByRole("button", { name: "Reconnect HubSpot" }).click();
      await finish(await popupOf(page, goOn(page.frameLocator(dialog), "HubSpot")), { account: "alice" });
      await expect(rows(page)).toHaveText(/: works/);
      expect(await customer.connections()).toMatchObject([{ id, connected: true }]);

      await page.getByRole("button", { name: "Delete HubSpot" }).click();
      await expect(rows(page)).toHaveCount(0);
      expect(await customer.connections()).toEqual([]);
    });
  });
}

/** Ends a connection: HubSpot no longer knows the refresh token. */
async function end(server: Server, id: string): Promise<void> {
  const call = async (method: string, path: string, body?: unknown) =>
    fetch(`${server.bound}/connections/${id}${path}`, {
      method,
      headers: { authorization: `Bearer ${server.token({ isAdmin: true })}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const changed = await call("PATCH", "", { credentials: { accessToken: "an-access-token-of-nobody", refreshToken: "a-refresh-token-of-nobody" }, test: false });
  expect(changed.status, await changed.text()).toBe(200);
  const refused = await call("POST", "/refresh-credentials");
  expect(refused.status, await refused.text()).toBe(409);
}
