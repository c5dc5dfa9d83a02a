// The example in React: built and checked by its own scripts, run with its own backend.
import { AxeBuilder } from "@axe-core/playwright";
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test, expect, type Page } from "../support/test.ts";
import { finish, goOn, popupOf, send } from "../support/flows.ts";
import { listen, sample, type Program } from "../support/guide.ts";
import { serverFolder } from "../support/run.ts";
import { apiKey } from "../support/secrets.ts";
import { freePort, Server } from "../support/server.ts";

const END2END = join(dirname(fileURLToPath(import.meta.url)), "..");
const EXAMPLE = join(END2END, "../examples/react");

let server: Server;
let program: Program;
let here: string;

/** A script of the example's package. */
function script(folder: string, name: string): void {
  try {
    execFileSync("npm", ["run", "--silent", name], { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`npm run ${name}: ${stdout}${stderr}`);
  }
}

/** A copy of the example, with the packages of these tests. */
function copy(): string {
  const folder = join(serverFolder(), "react");
  cpSync(EXAMPLE, folder, { recursive: true, filter: (path) => !path.includes("node_modules") });
  symlinkSync(join(END2END, "node_modules"), join(folder, "node_modules"));
  return folder;
}

test.beforeAll(async () => {
  const folder = copy();
  server = await Server.start();
  const main = join(folder, "src/main.tsx");
  writeFileSync(main, readFileSync(main, "utf8").replace("http://localhost:7080", server.url));
  script(folder, "check");
  script(folder, "build");
  const port = await freePort();
  here = `http://localhost:${port}`;
  program = await listen([process.execPath, join(folder, "server.mjs")], port, { ACME_SECRET: server.key, PORT: String(port) });
});
test.afterAll(async () => {
  program?.stop();
  await server?.stop();
});

/** The dialog that the package lays over the page. */
const dialog = (page: Page) => page.frameLocator("#__integration-app-popup");

test("the guide shows the example as it is", () => {
  const files = ["main.tsx", "Catalog.tsx", "Connections.tsx", "App.tsx"];

  for (const file of files) {
    expect(`${sample(file, {}, "react")}\n`).toBe(readFileSync(join(EXAMPLE, "src", file), "utf8"));
  }

  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(EXAMPLE, "package.json"), "utf8"));
  const tested = JSON.parse(readFileSync(join(END2END, "package.json"), "utf8")).devDependencies;
  expect(tested).toMatchObject({ ...dependencies, ...devDependencies });
});

test("what does not fit its types is not built", () => {
  const folder = copy();
  const app = join(folder, "src/App.tsx");
  writeFileSync(app, readFileSync(app, "utf8").replace("connections.refresh()", "connections.reload()"));

  expect(() => script(folder, "check")).toThrow(/Property 'reload' does not exist/);
});

test("it fits the older package, too, with the names that the guide says", () => {
  const folder = copy();
  for (const name of readdirSync(join(folder, "src"))) {
    const file = join(folder, "src", name);
    const code = readFileSync(file, "utf8").replaceAll("@membranehq/react", "@integration-app/react");
    writeFileSync(file, code.replaceAll("MembraneProvider", "IntegrationAppProvider").replaceAll("useMembrane", "useIntegrationApp"));
  }

  script(folder, "check");
  script(folder, "build");
});

// Acceptance 9, 14, 19, 21 and 22, by the vendor's own hooks.
test("a customer pages, searches, connects, reconnects and deletes", async ({ page }) => {
  const customer = server.customer({ id: "customer-42" });
  const apps = page.getByRole("list", { name: "Apps" }).getByRole("listitem");
  const connected = page.getByRole("list", { name: "Connected", exact: true }).getByRole("listitem");
  await page.goto(here);

  await expect(apps).toHaveCount(9);
  const more = page.getByRole("button", { name: "Show more" });
  for (const count of [18, 27]) {
    await more.click();
    await expect(apps).toHaveCount(count);
  }
  await more.click();
  await expect(more).toHaveCount(0);
  expect(new Set(await apps.allTextContents()).size).toBe(27);

  await page.getByRole("searchbox", { name: "Search apps" }).fill("nothing at all");
  await expect(page.getByText("No app is called that.")).toBeVisible();
  await page.getByRole("searchbox", { name: "Search apps" }).fill("HUBS");
  await expect(apps).toHaveCount(1);
  await page.getByRole("button", { name: "Connect HubSpot" }).click();
  await finish(await popupOf(page, goOn(dialog(page), "HubSpot")), { account: "alice" });
  await expect(connected).toHaveText(/HubSpot.*alice/);
  await expect(apps).toHaveText(/Connected/);
  const [{ id }] = await customer.connections();

  await page.getByRole("button", { name: "Reconnect HubSpot" }).click();
  await finish(await popupOf(page, goOn(dialog(page), "HubSpot")), { account: "alice" });
  await expect(page.locator("#__integration-app-popup")).toHaveCount(0);
  expect(await customer.connections()).toMatchObject([{ id, connected: true }]);

  await page.getByRole("button", { name: "Delete HubSpot" }).click();
  await page.getByRole("button", { name: "Really delete HubSpot" }).click();
  await expect(page.getByText("Nothing yet.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Connect HubSpot" })).toBeVisible();
  expect(await customer.connections()).toEqual([]);
});

test("a dialog that is closed changes nothing, and a key is asked for in it", async ({ page }) => {
  await page.goto(here);
  await page.getByRole("searchbox", { name: "Search apps" }).fill("stripe");
  await page.getByRole("button", { name: "Connect Stripe" }).click();
  await dialog(page).getByRole("button", { name: "Close", exact: true }).click();
  await expect(page.getByText("Nothing yet.")).toBeVisible();

  await page.getByRole("button", { name: "Connect Stripe" }).click();
  await dialog(page).getByLabel("Secret or restricted key").fill(apiKey("sk_test_", "sandbox"));
  await send(dialog(page));

  await expect(page.getByRole("button", { name: "Reconnect Stripe" })).toBeVisible();
  await expect(page.getByRole("alert")).toHaveCount(0);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`it can be read and reached, ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    await page.goto(here);
    await expect(page.getByRole("button", { name: /^Connect / }).first()).toBeVisible();

    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      const found = await new AxeBuilder({ page }).analyze();

      expect(found.violations.map((violation) => violation.id), `${width} px`).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    }
  });
}
