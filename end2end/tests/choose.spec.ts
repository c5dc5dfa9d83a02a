// The page on which a customer says which of several things a connection is for.
import { test, expect, type Page } from "../support/test.ts";
import { answer, choices, goOn, openApp, seeConnected, signIn, tabTo } from "../support/flows.ts";
import type { Customer } from "../support/server.ts";

/** Up to the page, in one window. */
async function reach(page: Page, customer: Customer): Promise<void> {
  await page.addInitScript(() => {
    window.open = () => null;
  });
  await signIn(page, customer);
  await openApp(page, "Jira");
  await goOn(page, "Jira").click();
  await answer(page, { scenario: "several" });
  await expect(choices(page)).toHaveCount(2);
}

test("the keyboard alone chooses", async ({ page, server }) => {
  const customer = server.customer();
  await reach(page, customer);

  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to content" })).toBeFocused();
  await tabTo(page, choices(page).nth(0));
  await page.keyboard.press("Tab");
  await expect(choices(page).nth(1)).toBeFocused();
  const ring = await choices(page).nth(1).evaluate((one) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    return [outlineStyle, outlineWidth];
  });
  expect(ring).toEqual(["solid", "2px"]);
  await page.keyboard.press("Enter");

  await seeConnected(page, "Jira");
  expect(await customer.connections()).toHaveLength(1);
});

test("whoever cancels connects nothing and can begin again", async ({ page, server }) => {
  const customer = server.customer();
  await reach(page, customer);

  await page.getByRole("button", { name: "Cancel" }).click();

  await expect(page.getByRole("heading", { name: "Jira was not connected" })).toBeVisible();
  await expect(page.getByText("nothing was chosen")).toBeVisible();
  expect(await customer.connections()).toEqual([]);
  await page.getByRole("link", { name: "Try again" }).click();
  await goOn(page, "Jira").click();
  await answer(page);
  await seeConnected(page, "Jira");
});

test("what was chosen cannot be chosen a second time", async ({ page, server }) => {
  const customer = server.customer();
  await reach(page, customer);
  const address = page.url();
  await choices(page).nth(0).click();
  await seeConnected(page, "Jira");
  const [before] = await customer.connections();

  await page.goto(address);

  await expect(page.getByRole("heading", { name: "This page has done its work" })).toBeVisible();
  expect(await customer.connections()).toEqual([before]);
});

test("something that was not offered is asked for again", async ({ page, server }) => {
  const customer = server.customer();
  await reach(page, customer);

  await choices(page).nth(0).evaluate((one) => one.setAttribute("value", "somebody-elses-site"));
  await choices(page).nth(0).click();

  await expect(choices(page)).toHaveText(["Alice Example", "Alice Example 2"]);
  expect(await customer.connections()).toEqual([]);
});

test("each row is at least 40 px high and as wide as the list", async ({ page, server }) => {
  await reach(page, server.customer());

  const list = await page.locator("ul.choices").boundingBox();
  for (const one of await choices(page).all()) {
    const box = await one.boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(40);
    expect(box?.width).toBe(list?.width);
  }
});
