// The API reference: it is read without a script, in both schemes, on a small and a large screen.
import { AxeBuilder } from "@axe-core/playwright";
import { test, expect } from "../support/test.ts";

const SIZES = [{ width: 390, height: 844 }, { width: 1280, height: 860 }];

for (const viewport of SIZES) {
  for (const colorScheme of ["light", "dark"] as const) {
    test.describe(`${viewport.width} px, ${colorScheme}`, () => {
      test.use({ viewport, colorScheme, javaScriptEnabled: false, contextOptions: { reducedMotion: "reduce" } });

      test("a call opens where it stands and fits the screen", async ({ page, server }) => {
        await page.goto(`${server.url}/docs`);
        await expect(page.getByRole("heading", { level: 1, name: "API reference" })).toBeVisible();
        await expect(page.locator("#createWebhook")).toBeHidden();

        await page.locator("summary", { hasText: "Make a webhook" }).click();

        await expect(page.locator("#createWebhook")).toContainText("https, at most 2048 bytes");
        await expect(page.locator("#createWebhook pre")).toContainText(`curl '${server.url}/webhooks'`);
        const box = await page.locator("main").boundingBox();
        expect(box!.x).toBeGreaterThanOrEqual(0);
        expect(box!.x + box!.width).toBeLessThanOrEqual(viewport.width);
      });
    });
  }
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`nothing on it is hard to read or reach, ${colorScheme}`, async ({ page, server }) => {
    await page.emulateMedia({ colorScheme });
    await page.goto(`${server.url}/docs`);
    await page.locator("summary", { hasText: "Make a webhook" }).click();

    const found = await new AxeBuilder({ page }).analyze();

    expect(found.violations.map((violation) => violation.id)).toEqual([]);
  });
}
