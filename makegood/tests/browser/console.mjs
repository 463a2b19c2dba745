// What operators do in the console, in a real browser: `node console.mjs SHOP TOKEN PASSWORD SCREENSHOTS CHROMIUM`.
// Prints one line a story; the first thing that is not as it must be ends it with status 1.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [shop, token, password, shots, executablePath] = process.argv.slice(2);
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE_MILLIS = 10_000;
const EVIL = `<script>document.title="taken"</script><img src=x onerror=alert(1)>"'`;

const browser = await chromium.launch({
  executablePath,
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
  ],
});

/** A browser window; whatever its console calls an error fails the story, except answers with an honest status. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MILLIS);
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("console", (line) => {
    const honest = /responded with a status of (401|403|404|409|422|429)/.test(line.text());
    if (line.type() === "error" && !honest) page.complaints.push(line.text());
  });
  return page;
}

async function leave(page) {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}

async function signIn(page, name = "dev", secret = password) {
  await page.goto(`${shop}/_/sign-in`);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(secret);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

async function signedIn(options) {
  const page = await open(options);
  await signIn(page);
  await page.waitForURL(`${shop}/_/`);
  return page;
}

async function api(method, path, body) {
  const answer = await fetch(`${shop}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const told = await answer.json();
  assert.ok(answer.ok, JSON.stringify(told));
  return told;
}

/** Breaks what the sandbox sends, or lets it be whole again. */
async function fault(method, body) {
  const answer = await fetch(`${shop}/sandbox/control/faults`, {
    method,
    headers: { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, await answer.text());
}

/** Somebody buys, through the sandbox's own pages. */
async function buy(email, pay = true) {
  const page = await open({ javaScriptEnabled: false });
  await page.goto(shop);
  await page.getByLabel(/Add Rust/).check();
  await page.getByLabel("Pieces of Field notebook").fill("1");
  await page.getByLabel("Email").fill(email);
  await page.getByRole("button", { name: "Continue to payment" }).click();
  await page.waitForURL(/\/checkout\/cs_test_/);
  const session = page.url().match(/cs_test_\w+/)[0];
  if (pay) {
    await page.getByLabel("Card number").fill("4242 4242 4242 4242");
    await page.getByLabel("Name on card").fill("Ada Lovelace");
    await page.getByRole("button", { name: /^Pay / }).click();
    await page.waitForURL(/\/thanks\?session_id=/);
  }
  await page.context().close();
  const { data } = await api("GET", `/api/v1/admin/orders?session=${session}`);
  return data[0].id;
}

async function until(what, isSo) {
  for (let tries = 0; tries < 100; tries += 1) {
    if (await isSo()) return;
    await new Promise((go) => setTimeout(go, 100));
  }
  assert.fail(`never: ${what}`);
}

/** Faults of weight, by the rules of axe. */
async function faults(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const grave = violations.filter((one) => ["serious", "critical"].includes(one.impact));
  return grave.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" ")}`);
}

async function isAccessible(page, what) {
  assert.deepEqual(await faults(page), [], `${what} has faults`);
}

/** Presses Tab until `locator` has the focus; everything on the way shows that it has it. */
async function tabTo(page, locator) {
  for (let presses = 0; presses < 120; presses += 1) {
    await page.keyboard.press("Tab");
    const visible = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return document.activeElement === document.body || style.outlineStyle !== "none";
    });
    assert.ok(visible, "the focus cannot be seen");
    if (await locator.evaluate((element) => element === document.activeElement)) return;
  }
  assert.fail("the keyboard does not reach it");
}

const reads = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();

const paid = await buy("ada@example.com");
const open_ = await buy("grace@example.com", false);
await until("the order is confirmed", async () =>
  (await api("GET", `/api/v1/admin/orders/${paid}`)).status === "confirmed");
const events = (await api("GET", `/api/v1/admin/events?order=${paid}`)).data;
await api("POST", "/api/v1/admin/users/invite", { name: "vera", role: "viewer", reason: "she looks" });

/** Every page that there is, by a name for its picture. */
const PAGES = {
  home: "/_/",
  checks: "/_/checks",
  check: "/_/checks/orders_in_review",
  findings: "/_/findings",
  finding: `/_/findings/orders_in_review:${open_}`,
  reviews: "/_/reviews",
  runbooks: "/_/runbooks",
  runbook: "/_/runbooks/stuck-paid-orders",
  "runbook-explained": `/_/runbooks/stuck-paid-orders?subject=${paid}`,
  orders: "/_/orders",
  "orders-filtered": "/_/orders?status=refunded",
  order: `/_/orders/${paid}`,
  "order-open": `/_/orders/${open_}`,
  customers: "/_/customers",
  case: "/_/people/ada@example.com",
  "case-not-paid": `/_/people/${open_}`,
  access: "/_/entitlements",
  "access-check": "/_/entitlements/check",
  products: "/_/products",
  stock: "/_/inventory",
  reservations: "/_/reservations",
  refunds: "/_/refunds",
  disputes: "/_/disputes",
  events: "/_/events",
  event: `/_/events/${events[0].id}`,
  gaps: "/_/events/gaps",
  reconciliations: "/_/reconciliations",
  reconcile: "/_/reconcile",
  jobs: "/_/jobs",
  drills: "/_/drills",
  runs: "/_/runs",
  audit: "/_/audit-logs",
  "audit-entry": `/_/audit-logs/${(await api("GET", "/api/v1/admin/audit-logs")).data[0].id}`,
  users: "/_/users",
  tokens: "/_/tokens",
  settings: "/_/settings",
  search: "/_/search?q=ada@example.com",
  "search-empty": "/_/search",
  "ship-preview": `/_/orders/${paid}/ship`,
  "cancel-refused": `/_/orders/${paid}/cancel`,
  grant: "/_/entitlements/grant",
  "catalog-import": "/_/catalog/import",
  adjust: "/_/inventory/notebook-a5/adjust",
  invite: "/_/users/invite",
  "token-create": "/_/tokens/create",
  "nothing-here": "/_/nothing/here",
};

const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  narrow: { colorScheme: "light", viewport: { width: 360, height: 800 } },
};

const stories = {
  "whoever is not known is told nothing, and signs in with the right password": async () => {
    const page = await open();
    await page.goto(`${shop}/_/orders/${paid}`);
    await reads(page, "Sign in");
    await page.screenshot({ path: join(shots, "console-sign-in-light.png") });
    await isAccessible(page, "the sign-in page");
    await signIn(page, "dev", "not the password");
    await page.getByRole("alert").getByText("That is not right").waitFor();
    await isAccessible(page, "the sign-in page with a trouble");
    await signIn(page);
    await page.waitForURL(`${shop}/_/`);
    await leave(page);
  },

  "an operator finds an order, looks at what an operation would do, applies exactly that, and reads the audit log": async () => {
    const page = await signedIn({ javaScriptEnabled: false });
    await page.getByLabel("Search by any id, an email or a name").fill(paid);
    await page.getByRole("button", { name: "Search" }).click();
    await page.waitForURL(`${shop}/_/orders/${paid}`);
    await page.getByRole("link", { name: "Why has the buyer (no) access?" }).click();
    await page.getByText("has access").first().waitFor();
    await page.goBack();
    await page.getByRole("link", { name: "Flag review" }).click();
    await page.getByRole("heading", { name: "What would change" }).waitFor();
    await page.getByLabel("Reason").fill(`a letter from the bank ${EVIL}`);
    await page.getByRole("button", { name: "Apply exactly this" }).click();
    await page.getByText("Done, and read back.").waitFor();
    await page.screenshot({ path: join(shots, "console-receipt-light.png"), fullPage: true });
    await page.goto(`${shop}/_/reviews`);
    await page.getByRole("link", { name: paid }).waitFor();
    await page.goto(`${shop}/_/audit-logs`);
    await page.getByText("a letter from the bank").first().waitFor();
    assert.doesNotMatch(await page.title(), /taken/);
    await leave(page);
  },

  "a finding that somebody knows of is put off until a day, and says who said so": async () => {
    await api("POST", `/api/v1/admin/orders/${open_}/review/flag`, { reason: "the name is odd" });
    const page = await signedIn({ javaScriptEnabled: false });
    await page.goto(`${shop}/_/checks/orders_in_review`);
    const row = page.getByRole("row").filter({ hasText: open_ });
    await row.getByRole("link", { name: "Snooze" }).click();
    await page.getByLabel("Until").fill(new Date(Date.now() + 5 * 86_400_000).toISOString().slice(0, 10));
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("heading", { name: "What would change" }).waitFor();
    await page.getByLabel("Reason").fill("Bo asks the buyer");
    await page.getByRole("button", { name: "Apply exactly this" }).click();
    await page.getByText("Done, and read back.").waitFor();
    await page.goto(`${shop}/_/checks/orders_in_review`);
    await row.getByText("because Bo asks the buyer").waitFor();
    const gauge = await (await fetch(`${shop}/api/v1/admin/alerts/test`, { headers: { authorization: `Bearer ${token}` } })).json();
    assert.ok(gauge.data.some((alert) => alert.alert === "MakegoodCheckOrdersInReview"), "the alert knows nothing of it");
    for (const drill of [{ failure: "verify holds: it does not" }, { on: "PostgreSQL", steps: 14 }]) {
      await api("POST", "/api/v1/admin/drills/record", { runbook: "stuck-paid-orders", on: "SQLite", reason: "a drill", ...drill });
    }
    await leave(page);
  },

  "a plan that is no longer what would happen is refused, and the new one is shown": async () => {
    const page = await signedIn();
    await page.goto(`${shop}/_/inventory/notebook-a5/adjust?change=5`);
    await page.getByRole("heading", { name: "What would change" }).waitFor();
    await api("POST", "/api/v1/admin/inventory/notebook-a5/adjust", { change: 1, reason: "meanwhile" });
    await page.getByLabel("Reason").fill("counted");
    await page.getByRole("button", { name: "Apply exactly this" }).click();
    await page.getByRole("alert").getByText("has changed since you looked").waitFor();
    await page.screenshot({ path: join(shots, "console-stale-light.png"), fullPage: true });
    await isAccessible(page, "a stale plan");
    await page.getByRole("button", { name: "Apply exactly this" }).click();
    await page.getByText("Done, and read back.").waitFor();
    await leave(page);
  },

  "webhooks are lost: it is found, explained, mended by exactly the plan that was seen, and proven": async () => {
    await fault("POST", { kind: "drop" });
    const lost = await buy("lost@example.com");
    await fault("DELETE");
    const page = await signedIn({ javaScriptEnabled: false });
    await page.goto(`${shop}/_/orders/${lost}`);
    await page.getByRole("heading", { level: 1 }).getByText("pending").waitFor();
    await page.getByRole("link", { name: "Why has the buyer (no) access?" }).click();
    await page.getByText("no access: event not received").waitFor();
    await page.screenshot({ path: join(shots, "console-loop-case-light.png"), fullPage: true });
    await page.goto(`${shop}/_/runbooks/paid-no-access`);
    await page.getByLabel("Subject").fill(lost);
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByRole("heading", { name: /^Cause: / }).waitFor();
    await page.getByRole("heading", { name: "What to tell the customer" }).waitFor();
    await page.screenshot({ path: join(shots, "console-loop-plan-light.png"), fullPage: true });
    await page.getByLabel("Reason").fill("the endpoint was away");
    await page.getByRole("button", { name: "Apply exactly this" }).click();
    await page.getByText("Done, and read back.").waitFor();
    await page.screenshot({ path: join(shots, "console-loop-done-light.png"), fullPage: true });
    await page.getByRole("link", { name: "Verify: look at it again" }).click();
    await page.getByText("is confirmed; payment paid").waitFor();
    await page.goto(`${shop}/_/orders/${lost}`);
    await page.getByRole("heading", { level: 1 }).getByText("confirmed").waitFor();
    await page.goto(`${shop}/_/audit-logs`);
    await page.getByText("the endpoint was away").first().waitFor();
    await leave(page);
  },

  "a comparison with Stripe runs, and its page says how it ended": async () => {
    const page = await signedIn({ javaScriptEnabled: false });
    await page.goto(`${shop}/_/reconcile`);
    await page.getByLabel("Reason").fill("every morning");
    await page.getByRole("button", { name: "Only look" }).click();
    await page.getByText(/Nothing was found|finding/).first().waitFor();
    await page.goto(`${shop}/_/events/backfill`);
    await page.getByLabel("Reason").fill("the endpoint was down");
    await page.getByRole("button", { name: "Run" }).click();
    await page.waitForURL(/\/_\/runs\/run_/);
    await page.getByText("done", { exact: true }).first().waitFor();
    await page.screenshot({ path: join(shots, "console-run-light.png"), fullPage: true });
    await leave(page);
  },

  "a viewer sees no button, and the form of another's page is refused": async () => {
    const invited = await api("POST", "/api/v1/admin/users/invite", { name: "vera", reason: "her link was lost" });
    const page = await open();
    await page.goto(invited.link);
    await reads(page, "Welcome, vera");
    await isAccessible(page, "the welcome page");
    await page.getByLabel("Password").fill("vera looks at everything");
    await page.getByLabel("The same again").fill("vera looks at everything");
    await page.getByRole("button", { name: "Choose it and sign in" }).click();
    await page.waitForURL(`${shop}/_/`);
    await page.goto(`${shop}/_/orders/${paid}`);
    assert.equal(await page.getByRole("link", { name: "Ship" }).count(), 0);
    const status = await page.evaluate(async (path) => (await fetch(path)).status, `/_/orders/${paid}/ship`).catch(() => 403);
    assert.equal(status, 403);
    const answer = await page.goto(`${shop}/_/orders/${paid}/ship`);
    assert.equal(answer.status(), 403);
    await page.screenshot({ path: join(shots, "console-forbidden-light.png") });
    await page.context().close();
  },

  "everything works with the keyboard alone": async () => {
    const page = await open();
    await page.goto(`${shop}/_/sign-in`);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
    await tabTo(page, page.getByLabel("Name"));
    await page.keyboard.type("dev");
    await tabTo(page, page.getByLabel("Password"));
    await page.keyboard.type(password);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${shop}/_/`);
    await tabTo(page, page.getByLabel("Search by any id, an email or a name"));
    await page.keyboard.type(paid);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${shop}/_/orders/${paid}`);
    await tabTo(page, page.getByRole("link", { name: "Clear review", exact: true }));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "What would change" }).waitFor();
    await tabTo(page, page.getByLabel("Reason"));
    await page.keyboard.type("the bank was wrong");
    await tabTo(page, page.getByRole("button", { name: "Apply exactly this" }));
    await page.keyboard.press("Enter");
    await page.getByText("Done, and read back.").waitFor();
    await leave(page);
  },

  "every page is without serious faults in light, dark and narrow": async () => {
    const found = [];
    for (const [look, options] of Object.entries(LOOKS)) {
      const page = await signedIn(options);
      for (const [name, path] of Object.entries(PAGES)) {
        await page.goto(`${shop}${path}`);
        await page.screenshot({ path: join(shots, `console-${name}-${look}.png`), fullPage: true });
        found.push(...(await faults(page)).map((fault) => `${path} (${look}): ${fault}`));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (over > 0) found.push(`${path} (${look}) is ${over} pixels too wide`);
        if (look !== "narrow") continue;
        const beside = await page.evaluate(() =>
          [...document.querySelectorAll("td")].filter((cell) => cell.getBoundingClientRect().right > innerWidth).length);
        if (beside > 0) found.push(`${path}: ${beside} cells stand beside the screen`);
      }
      await leave(page);
    }
    assert.deepEqual(found, []);
  },

  "whoever signs out is out": async () => {
    const page = await signedIn();
    await page.getByRole("button", { name: "Sign out" }).click();
    await reads(page, "Sign in");
    await page.goto(`${shop}/_/orders`);
    await reads(page, "Sign in");
    await leave(page);
  },
};

for (const [name, story] of Object.entries(stories)) {
  const began = performance.now();
  try {
    await story();
    console.log(`ok      ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    console.log(`failed  ${name}\n${error.stack}`);
    const page = browser.contexts().at(-1)?.pages().at(-1);
    if (page) {
      await page.screenshot({ path: join(shots, "console-failed.png"), fullPage: true });
      console.log(`at ${page.url()} (${join(shots, "console-failed.png")})`);
    }
    process.exitCode = 1;
    break;
  }
}
await browser.close();
