// The pictures of the README. `npm run screenshots` makes them anew.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test, expect } from "../support/test.ts";
import { answer, goOn, openApp, row, seeConnected } from "../support/flows.ts";
import { Server } from "../support/server.ts";

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), "../../docs/images");
const SIZES = [{ width: 1280, height: 860 }, { width: 390, height: 844 }];

for (const viewport of SIZES) {
  for (const colorScheme of ["light", "dark"] as const) {
    test.describe(`${viewport.width} px, ${colorScheme} @screenshots`, () => {
      test.use({ viewport, colorScheme, deviceScaleFactor: 1, contextOptions: { reducedMotion: "reduce" } });

      test("the demo from its link to a deleted connection", async ({ page }) => {
        mkdirSync(FOLDER, { recursive: true });
        const picture = async (name: string, fullPage = false) => {
          await page.waitForLoadState("networkidle");
          const path = join(FOLDER, `${name}-${viewport.width}-${colorScheme}.png`);
          await page.screenshot({ path, fullPage, animations: "disabled" });
        };
        // In one window, so that every picture has the size it is asked for.
        await page.addInitScript(() => {
          window.open = () => null;
        });
        const server = await Server.start({ demo: true, port: 7080 });
        try {
          await page.goto(server.demoLink());
          await expect(page.getByRole("heading", { level: 1, name: "Integrations" })).toBeVisible();
          await picture("catalog");

          await openApp(page, "HubSpot");
          await picture("connect", true);
          await goOn(page, "HubSpot").click();
          await expect(page.getByRole("button", { name: "Allow" })).toBeVisible();
          await picture("consent");
          await answer(page);
          await seeConnected(page, "HubSpot");
          await picture("connected");

          await page.reload();
          await row(page, "HubSpot").getByRole("link", { name: "Manage HubSpot" }).click();
          await page.getByRole("button", { name: "Reconnect HubSpot" }).click();
          await answer(page);
          await expect(row(page, "HubSpot")).toContainText("Connected");

          await row(page, "HubSpot").getByRole("link", { name: "Manage HubSpot" }).click();
          await page.getByText("Delete…").click();
          await page.getByRole("button", { name: "Delete connection" }).click();
          await expect(row(page, "HubSpot")).toHaveCount(0);
        } finally {
          await server.stop();
        }
      });

      // These go to test-results: they are there to be looked at.
      test("the catalog of all apps: its categories, a search, nothing found", async ({ page }, info) => {
        const picture = async (name: string, fullPage = false) => {
          await page.waitForLoadState("networkidle");
          const path = info.outputPath(`${name}.png`);
          await page.screenshot({ path, fullPage, animations: "disabled" });
        };
        const server = await Server.start({ demo: true });
        try {
          await page.goto(server.demoLink());
          await picture("all");
          await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
          await picture("all-end");
          await page.evaluate(() => scrollTo(0, 0));
          await page.locator("#chips summary").click();
          await picture("more-categories");
          await page.locator("#chips summary").click();
          await page.locator("#chips > ul").getByRole("link", { name: /^Marketing/ }).click();
          await picture("category");

          await page.goto(server.url);
          await page.getByRole("searchbox").fill("mailchmip");
          await expect(page.locator("#count")).toHaveText("1 app for “mailchmip”");
          await picture("slip");
          await page.getByRole("searchbox").fill("no such app");
          await expect(page.getByText("No apps match “no such app”.")).toBeVisible();
          await picture("nothing");
        } finally {
          await server.stop();
        }
      });
    });
  }
}
