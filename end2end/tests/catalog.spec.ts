import { test, expect } from "../support/test.ts";
import { APPS } from "../support/server.ts";
import { answer, card, connectByPopup, finish, goOn, openApp, popupOf, row, seeConnected, signIn } from "../support/flows.ts";

test.describe("the catalog", () => {
  test("it shows all apps and nothing connected", async ({ page, server }) => {
    await signIn(page, server.customer());

    await expect(page.locator("#results .grid > li")).toHaveCount(APPS.length);
    await expect(page.getByRole("heading", { name: "Connected", exact: true })).toHaveCount(0);
    await expect(page.locator("#count")).toHaveText(`${APPS.length} apps`);
  });

  test("the token leaves the address at the first step", async ({ page, server }) => {
    await signIn(page, server.customer());

    expect(new URL(page.url()).search).toBe("");
  });

  test("a search narrows while typing, with at most one request per 150 ms", async ({ page, server }) => {
    await signIn(page, server.customer());
    const asked: string[] = [];
    page.on("request", (request) => {
      const query = new URL(request.url()).searchParams;
      if (query.has("q")) asked.push(query.get("q") ?? "");
    });
    const word = "hubspot";

    const began = Date.now();
    await page.getByRole("searchbox").pressSequentially(word, { delay: 60 });
    await expect(page.locator("#results .grid > li")).toHaveCount(1);
    const took = Date.now() - began;

    await expect(card(page, "HubSpot")).toBeVisible();
    await expect(page.locator("#count")).toHaveText("1 app for “hubspot”");
    expect(asked.at(-1)).toBe(word);
    expect(asked.length).toBeLessThanOrEqual(Math.ceil(took / 150));
    expect(asked.length).toBeLessThan(word.length);
  });

  test("a slip of the finger is forgiven while typing", async ({ page, server }) => {
    await signIn(page, server.customer());

    await page.getByRole("searchbox").pressSequentially("hubspto", { delay: 60 });

    await expect(page.locator("#count")).toHaveText("1 app for “hubspto”");
    await expect(card(page, "HubSpot")).toBeVisible();
    await expect(page.getByRole("navigation", { name: "Categories" }).getByRole("link", { name: "All 1" })).toBeVisible();
  });

  test("categories without a chip stand below More, by mouse and by keyboard", async ({ page, server }) => {
    await signIn(page, server.customer());
    const chips = page.getByRole("navigation", { name: "Categories" });
    await expect(chips.locator("> ul > li")).toHaveCount(7);
    const hidden = chips.locator("details li").first();
    await expect(hidden).toBeHidden();

    await chips.getByText("More").click();
    await expect(hidden).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(hidden).toBeHidden();
    await page.keyboard.press("Enter");
    await expect(hidden).toBeVisible();
    const name = await hidden.getByRole("link").textContent();
    await hidden.getByRole("link").click();

    // The chosen one has a chip like the others.
    await expect(chips.locator("> ul [aria-current]")).toHaveText(name ?? "");
  });

  test("a search without a result says what was searched and clears", async ({ page, server }) => {
    await signIn(page, server.customer());

    await page.getByRole("searchbox").fill("no such <app>");
    await expect(page.getByText("No apps match “no such <app>”.")).toBeVisible();
    await page.getByRole("link", { name: "Clear search" }).click();

    await expect(page.locator("#results .grid > li")).toHaveCount(APPS.length);
  });

  test("a category chip shows its apps and says how many", async ({ page, server }) => {
    await signIn(page, server.customer());
    const chip = page.getByRole("navigation", { name: "Categories" }).getByRole("link", { name: /^CRM/ });
    const count = Number(await chip.locator("span").textContent());

    await chip.click();

    await expect(page.locator("#results .grid > li")).toHaveCount(count);
    await expect(card(page, "HubSpot")).toBeVisible();
    await expect(page.getByRole("navigation", { name: "Categories" }).locator("[aria-current]")).toContainText("CRM");
  });

  test("a slash puts the focus into the search field", async ({ page, server }) => {
    await signIn(page, server.customer());

    await page.keyboard.press("/");

    await expect(page.getByRole("searchbox")).toBeFocused();
    await expect(page.getByRole("searchbox")).toHaveValue("");
  });
});

test.describe("reconnecting and deleting", () => {
  test("reconnecting keeps the connection and its id", async ({ page, server }) => {
    const customer = server.customer();
    await signIn(page, customer);
    await openApp(page, "GitLab");
    await connectByPopup(page, "GitLab");
    await seeConnected(page, "GitLab");
    const [before] = await customer.connections();

    await row(page, "GitLab").getByRole("link", { name: "Manage GitLab" }).click();
    await finish(await popupOf(page, page.getByRole("button", { name: "Reconnect GitLab" })));

    await expect(page.getByRole("status").filter({ hasText: "GitLab is connected again." })).toBeVisible();
    const after = await customer.connections();
    expect(after.map((one) => one.id)).toEqual([before.id]);
  });

  test("reconnecting as another account is refused and the old one stays", async ({ page, server }) => {
    const customer = server.customer();
    await signIn(page, customer);
    await openApp(page, "GitLab");
    await connectByPopup(page, "GitLab", { account: "alice" });
    await seeConnected(page, "GitLab", "alice");
    const [before] = await customer.connections();
    const revoked = (await server.stats()).connectors.gitlab.revoke;

    await row(page, "GitLab").getByRole("link", { name: "Manage GitLab" }).click();
    const popup = await popupOf(page, page.getByRole("button", { name: "Reconnect GitLab" }));
    await answer(popup, { account: "bob" });

    await expect(page.getByRole("alert").filter({ hasText: "another GitLab account" })).toBeVisible();
    // What is said leaves the account's name its place: one line of it.
    const name = await page.getByRole("heading", { level: 3 }).first().boundingBox();
    expect(name?.height).toBeLessThan(40);
    const [after] = await customer.connections();
    expect(after).toMatchObject({ id: before.id, name: before.name, connected: true });
    // The tokens of the account that was not wanted are given back.
    expect((await server.stats()).connectors.gitlab.revoke).toBeGreaterThan(revoked);
  });

  test("connecting again after a delete makes a new connection", async ({ page, server }) => {
    const customer = server.customer();
    await signIn(page, customer);
    await openApp(page, "HubSpot");
    await connectByPopup(page, "HubSpot");
    await seeConnected(page, "HubSpot");
    const [before] = await customer.connections();

    await row(page, "HubSpot").getByRole("link", { name: "Manage HubSpot" }).click();
    await page.getByText("Delete…").click();
    await page.getByRole("button", { name: "Delete connection" }).click();
    await expect(page.getByText("HubSpot is no longer connected")).toBeVisible();
    expect(await customer.connections()).toEqual([]);
    await expect(row(page, "HubSpot")).toHaveCount(0);

    await openApp(page, "HubSpot");
    await connectByPopup(page, "HubSpot");
    await seeConnected(page, "HubSpot");
    const [after] = await customer.connections();
    expect(after.id).not.toBe(before.id);
  });

  test("another tab shows what changed as soon as somebody looks at it", async ({ page, context, server }) => {
    await signIn(page, server.customer());
    const other = await context.newPage();
    await other.goto(`${server.url}/apps/hubspot`);
    await connectByPopup(other, "HubSpot");
    await seeConnected(other, "HubSpot");
    await expect(row(page, "HubSpot")).toHaveCount(0);

    // Headless pages are always visible, so the event stands for the customer's look.
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

    await expect(row(page, "HubSpot")).toContainText("Connected");
  });
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("connect, search, reconnect and delete all work", async ({ page, server }) => {
    const customer = server.customer();
    await signIn(page, customer);
    await page.getByRole("searchbox").fill("hubspot");
    await page.getByRole("button", { name: "Search" }).click();
    await expect(page.locator("#results .grid > li")).toHaveCount(1);

    await openApp(page, "HubSpot");
    await goOn(page, "HubSpot").click();
    await answer(page);
    await seeConnected(page, "HubSpot");
    const [before] = await customer.connections();

    await row(page, "HubSpot").getByRole("link", { name: "Manage HubSpot" }).click();
    await page.getByRole("button", { name: "Reconnect HubSpot" }).click();
    await answer(page);
    await expect(row(page, "HubSpot")).toContainText("Connected");
    expect((await customer.connections()).map((one) => one.id)).toEqual([before.id]);

    await row(page, "HubSpot").getByRole("link", { name: "Manage HubSpot" }).click();
    await page.getByText("Delete…").click();
    await page.getByRole("button", { name: "Delete connection" }).click();
    await expect(row(page, "HubSpot")).toHaveCount(0);
    expect(await customer.connections()).toEqual([]);
  });

  test("a refusal comes back with a way to try again", async ({ page, server }) => {
    await signIn(page, server.customer());
    await openApp(page, "HubSpot");
    await goOn(page, "HubSpot").click();

    await answer(page, { scenario: "deny" });
    await page.getByRole("link", { name: "Try again" }).click();

    await expect(goOn(page, "HubSpot")).toBeVisible();
  });
});
