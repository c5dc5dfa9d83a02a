// What a customer does, step by step, by the words and roles that a customer goes by.
import { expect, type Frame, type FrameLocator, type Locator, type Page } from "@playwright/test";
import type { Customer } from "./server.ts";

type Place = Page | Frame | FrameLocator;

export type Scenario =
  | "allow" | "deny" | "error" | "slow" | "coop" | "no_refresh" | "wrong_iss" | "token_500" | "token_429" | "several" | "nowhere";

/** Signs in by link. */
export async function signIn(page: Page, customer: Customer): Promise<void> {
  await page.goto(customer.link);
  await expect(page.getByRole("heading", { level: 1, name: "Integrations" })).toBeVisible();
}

/** The card of an app in the catalog. */
export function card(place: Place, app: string): Locator {
  return place.locator("#results .grid > li").filter({ has: heading(place, app) });
}

/** The row of an app's connection. */
export function row(place: Place, app: string): Locator {
  return place.locator(".rows .row").filter({ has: heading(place, app) });
}

function heading(place: Place, app: string): Locator {
  return place.getByRole("heading", { level: 3, name: app, exact: true });
}

/** From the catalog to an app's dialog. */
export async function openApp(page: Page, app: string): Promise<void> {
  await card(page, app).getByRole("link").click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(app);
}

/** The button that leaves for a provider. */
export function goOn(place: Place, app: string): Locator {
  return place.getByRole("button", { name: `Continue to ${app}` });
}

/** Answers the consent page; `scenario` decides what happens then. */
export async function answer(page: Page, given: { account?: "alice" | "bob"; scenario?: Scenario; press?: "Allow" | "Cancel" } = {}): Promise<void> {
  await expect(page.getByRole("button", { name: "Allow" })).toBeVisible();
  if (given.account) await page.locator(`input[name=account][value=${given.account}]`).check();
  if (given.scenario) await page.getByLabel("What should happen").selectOption(given.scenario);
  await page.getByRole("button", { name: given.press ?? "Allow" }).click();
}

/** Presses a button that opens a window, and hands the window over. */
export async function popupOf(page: Page, button: Locator): Promise<Page> {
  const [popup] = await Promise.all([page.waitForEvent("popup"), button.click()]);
  return popup;
}

/** Answers in a popup, up to its end: its closing gives the focus back to the page below. */
export async function finish(popup: Page, given: Parameters<typeof answer>[1] = {}): Promise<void> {
  const closed = popup.waitForEvent("close");
  await answer(popup, given);
  await closed;
}

/** Connects in a popup from an app's dialog. */
export async function connectByPopup(page: Page, app: string, given: Parameters<typeof answer>[1] = {}): Promise<void> {
  await finish(await popupOf(page, goOn(page, app)), given);
}

/** What the catalog says after a success. */
export async function seeConnected(place: Place, app: string, account?: string): Promise<void> {
  await expect(place.getByRole("status").filter({ hasText: `${app} is connected.` })).toBeVisible();
  await expect(row(place, app)).toContainText("Connected");
  if (account) await expect(row(place, app)).toContainText(account);
}

/** Presses the one primary button of a form that leads to no provider. */
export async function send(place: Place): Promise<void> {
  await place.locator("form.connect button.primary").click();
}

/** The buttons of the page that lets choose. */
export function choices(place: Place): Locator {
  return place.locator("form.choose li").getByRole("button");
}

/** Moves the focus to a control, by the keyboard alone. */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  await expect(target).toBeVisible();
  for (let i = 0; i < 60; i += 1) {
    if (await target.evaluate((one) => one === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error("the keyboard does not get there");
}
