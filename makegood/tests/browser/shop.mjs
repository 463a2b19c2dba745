// What people do in the demo shop, in a real browser: `node shop.mjs SHOP TOKEN SCREENSHOTS CHROMIUM`.
// Prints one line a story; the first thing that is not as it must be ends it with status 1.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [shop, token, shots, executablePath] = process.argv.slice(2);
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE_MILLIS = 10_000;
const GOOD = "4242 4242 4242 4242";
const DECLINED = "4000 0000 0000 0002";
const SECURE = "4000 0025 0000 3155";

const browser = await chromium.launch({
  executablePath,
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
  ],
});

/** A browser window; whatever its console calls an error fails the story, except answers with an honest status. */
async function visit(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MILLIS);
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("console", (line) => {
    const honest = /responded with a status of (402|403|404|409|410|422|423)/.test(line.text());
    if (line.type() === "error" && !honest) page.complaints.push(line.text());
  });
  await page.goto(shop);
  return page;
}

async function leave(page) {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}

const heading = (page) => page.getByRole("heading", { level: 1 });
const reads = (page, text) => page.getByRole("heading", { level: 1, name: text }).waitFor();

async function chooseCourse(page) {
  await page.getByLabel(/Add Rust/).check();
  await page.getByLabel("Email").fill("ada@example.com");
}

async function toPayment(page) {
  await page.getByRole("button", { name: "Continue to payment" }).click();
  await page.waitForURL(/\/checkout\/cs_test_/);
}

async function pay(page, card) {
  await page.getByLabel("Card number").fill(card);
  await page.getByLabel("Name on card").fill("Ada Lovelace");
  await page.getByRole("button", { name: /^Pay / }).click();
}

async function shot(page, name) {
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

/** No fault of weight, by the rules of axe. */
async function isAccessible(page, what) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const grave = violations.filter((one) => ["serious", "critical"].includes(one.impact));
  const told = grave.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(told, [], `${what} has faults`);
}

/** Presses Tab until `locator` has the focus; everything on the way shows that it has it. */
async function tabTo(page, locator) {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const visible = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return document.activeElement === document.body || style.outlineStyle !== "none" || style.boxShadow !== "none";
    });
    assert.ok(visible, "the focus cannot be seen");
    if (await locator.evaluate((element) => element === document.activeElement)) return;
  }
  assert.fail("the keyboard does not reach it");
}

async function ship(page) {
  const order = await page.locator(".facts code").first().textContent();
  const answer = await fetch(`${shop}/api/v1/admin/orders/${order}/ship`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ reason: "the parcel was handed in", tracking: "RR 123 456 785 GB" }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** Opens the newest mail to somebody with this subject, once it has come. */
async function openMail(page, email, subject) {
  await page.goto(`${shop}/dev/mailbox`);
  const mail = page.locator("li", { hasText: email }).getByRole("link", { name: subject }).first();
  for (let looks = 0; looks < 40 && (await mail.count()) === 0; looks += 1) {
    await page.waitForTimeout(250);
    await page.reload();
  }
  await isAccessible(page, "the mailbox");
  await mail.click();
  await reads(page, subject);
}

/** What an operator does beside the browser. */
async function operate(path, body) {
  const answer = await fetch(`${shop}/api/v1/admin/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** Saves what a link leads to: what it is called, what is in it, and where it came from. */
async function saved(page, link) {
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8"), url: download.url() };
}

const stories = {
  "a planted fault is found, and so is a fault of the console": async () => {
    const page = await visit();
    await page.evaluate(() => document.querySelector("label[for=email]").remove());
    await page.evaluate(() => document.querySelector("#email").removeAttribute("placeholder"));
    await page.evaluate(() => (document.querySelector(".foot").style.color = "#ccc"));
    await assert.rejects(isAccessible(page, "the planted page"), /color-contrast|label/);
    await page.evaluate(() => document.body.append(Object.assign(document.createElement("script"), { text: "1" })));
    await page.waitForTimeout(50);
    assert.match(page.complaints.join(), /Content Security Policy/);
    await page.context().close();
  },

  "a person buys with 4242, lands on the confirmed order, and sees it being shipped": async () => {
    const page = await visit();
    assert.equal(await page.getByText("Sold out").count(), 1);
    await shot(page, "shop-light");
    await chooseCourse(page);
    const more = page.getByRole("button", { name: "One more: Field notebook" });
    await more.click();
    await more.click();
    assert.equal(await page.locator("[data-total]").textContent(), "$78.00");
    await shot(page, "shop-chosen-light");
    await toPayment(page);
    await shot(page, "pay-light");
    await pay(page, GOOD);
    await reads(page, "Thank you, it is yours");
    assert.match(page.url(), /\/thanks\?session_id=cs_test_/);
    await page.getByText("Unlocked", { exact: true }).waitFor();
    await page.getByText("Will be shipped").waitFor();
    await page.getByText("$78.00").waitFor();
    await shot(page, "thanks-confirmed-light");
    await ship(page);
    await reads(page, "Your parcel is on its way");
    await page.getByText("RR 123 456 785 GB").waitFor();
    await shot(page, "thanks-shipped-light");
    await leave(page);
  },

  "a guest claims what they bought by the mailed link, and signs in again by mail": async () => {
    const email = "grace@example.com";
    const page = await visit();
    await page.getByLabel(/Add Rust/).check();
    await page.getByLabel("Email").fill(email);
    await toPayment(page);
    await pay(page, GOOD);
    await reads(page, "Thank you, it is yours");
    const mailed = (subject) => openMail(page, email, subject);
    await mailed(/Your order at/);
    await isAccessible(page, "a mail");
    await shot(page, "mail-light");
    await page.locator("pre").getByRole("link").click();
    await reads(page, "Add your purchase to your account");
    await shot(page, "claim-light");
    await isAccessible(page, "the page to claim");
    await tabTo(page, page.getByRole("button", { name: "Add it to my account" }));
    await page.keyboard.press("Enter");
    await reads(page, "My account");
    await shot(page, "my-light");
    await isAccessible(page, "the account");
    await page.goBack();
    await page.reload();
    await reads(page, "This purchase is in an account already");
    await page.getByRole("link", { name: "To my account" }).click();
    await page.getByRole("list").getByRole("link", { name: /Rust/ }).first().click();
    await shot(page, "my-course-light");
    await isAccessible(page, "the course");
    await page.goto(`${shop}/my`);
    await page.locator("section", { hasText: "My orders" }).getByRole("link").first().click();
    await shot(page, "my-order-light");
    await isAccessible(page, "the order");
    await page.getByRole("button", { name: "Sign out" }).click();
    await reads(page, "Sign in");
    await page.goto(`${shop}/my`);
    await reads(page, "Sign in");
    await isAccessible(page, "the page to sign in");
    await shot(page, "login-light");
    await page.getByLabel("Email").fill(email);
    await page.getByRole("button", { name: "Send me a link" }).click();
    await reads(page, "Look into your mailbox");
    await isAccessible(page, "the answer");
    await mailed(/Sign in at/);
    await page.locator("pre").getByRole("link").click();
    await page.getByRole("button", { name: "Sign in" }).click();
    await reads(page, "My account");
    for (const [name, options] of Object.entries({
      dark: { colorScheme: "dark" },
      narrow: { viewport: { width: 360, height: 740 } },
    })) {
      const state = await page.context().storageState();
      const other = await visit({ ...options, storageState: state });
      for (const path of ["/my", "/my/downloads", "/my/courses/rust-course", "/login"]) {
        await other.goto(`${shop}${path}`);
        await isAccessible(other, `${path} in ${name}`);
        const wide = await other.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!wide, `${path} scrolls sideways in ${name}`);
      }
      await other.goto(`${shop}/my`);
      await shot(other, `my-${name}`);
      await leave(other);
    }
    await leave(page);
  },
  "a guest claims a course, watches a lesson and keeps its file; a link ends and a fresh one works; a switch and a review are told":
    async () => {
      const email = "mary@example.com";
      const page = await visit();
      await page.getByLabel(/Add Rust/).check();
      await page.getByLabel("Email").fill(email);
      await toPayment(page);
      await pay(page, GOOD);
      await reads(page, "Thank you, it is yours");
      const order = await page.locator(".facts code").first().textContent();
      await openMail(page, email, /Your order at/);
      await page.locator("pre").getByRole("link").click();
      await page.getByRole("button", { name: "Add it to my account" }).click();
      await reads(page, "My account");
      await page.getByRole("list").getByRole("link", { name: /Rust/ }).first().click();
      await isAccessible(page, "a course with lessons");
      await shot(page, "my-lessons-light");
      await page.getByRole("link", { name: "A program that says hello" }).click();
      await reads(page, "A program that says hello");
      const lesson = page.url();
      const film = page.frameLocator("iframe").locator("video");
      await film.waitFor();
      await film.evaluate((video) => video.play());
      const played = (video) => new Promise((resolve) => (video.ontimeupdate = () => video.currentTime > 0.5 && resolve()));
      await film.evaluate(played);
      await isAccessible(page, "a lesson");
      await shot(page, "my-lesson-light");

      const notes = () => page.getByRole("link", { name: "Download Notes" });
      const first = await saved(page, notes());
      assert.equal(first.name, "Notes.txt");
      assert.match(first.text, /cargo run/);
      assert.match(first.url, /\/files\/rust-course\/hello\.txt\?expires=/);
      assert.equal((await fetch(first.url)).status, 200);
      assert.equal((await fetch(first.url.replace("hello", "hallo"))).status, 403, "an altered link opens nothing");
      const ends = Number(new URL(first.url).searchParams.get("expires")) * 1000;
      await page.waitForTimeout(Math.max(0, ends - Date.now()) + 1_100);
      assert.equal((await fetch(first.url)).status, 410, "the link has ended");
      const second = await saved(page, notes());
      assert.equal((await fetch(second.url)).status, 200, "and the same button makes another");

      const refused = async (text, name) => {
        await notes().click();
        await reads(page, text);
        await isAccessible(page, name);
        await shot(page, `${name}-light`);
      };
      await operate("downloads/disable", { reason: "a file was mixed up" });
      await refused("Downloads and videos are paused", "my-switched-off");
      await operate("downloads/enable", { reason: "the right file is there" });
      await page.goto(lesson);
      await operate(`orders/${order}/review/flag`, { reason: "the bank warns of it" });
      await refused("We are looking at your order", "my-under-review");
      await operate(`orders/${order}/review/clear`, { reason: "the bank was wrong" });
      await page.goto(lesson);
      assert.equal((await saved(page, notes())).name, "Notes.txt");
      await leave(page);
    },

  "a card is declined, the next one succeeds": async () => {
    const page = await visit();
    await chooseCourse(page);
    await toPayment(page);
    await pay(page, DECLINED);
    await page.getByRole("alert").getByText("Your card was declined.").waitFor();
    await shot(page, "pay-declined-light");
    const thanks = `${shop}/thanks?session_id=${page.url().match(/cs_test_\w+/)[0]}`;
    await pay(page, GOOD);
    await reads(page, "Thank you, it is yours");
    assert.equal(page.url(), thanks);
    await leave(page);
  },

  "a card that asks for 3-D Secure pays when the bank says yes": async () => {
    const page = await visit();
    await chooseCourse(page);
    await toPayment(page);
    await pay(page, SECURE);
    await page.getByRole("button", { name: "Fail" }).click();
    await page.getByRole("alert").getByText("unable to authenticate").waitFor();
    await pay(page, SECURE);
    await isAccessible(page, "the bank's page");
    await shot(page, "bank-light");
    await page.getByRole("button", { name: "Complete" }).click();
    await reads(page, "Thank you, it is yours");
    await leave(page);
  },

  "everything works without JavaScript": async () => {
    const page = await visit({ javaScriptEnabled: false });
    assert.equal(await page.getByRole("button", { name: /One more/ }).count(), 0);
    await chooseCourse(page);
    await page.getByLabel("Pieces of Field notebook").fill("1");
    await toPayment(page);
    await pay(page, GOOD);
    await reads(page, "Thank you, it is yours");
    await leave(page);
  },

  "everything works with the keyboard alone": async () => {
    const page = await visit();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
    await page.keyboard.press("Enter");
    await tabTo(page, page.getByLabel(/Add Rust/));
    await page.keyboard.press("Space");
    await tabTo(page, page.getByLabel("Email"));
    await page.keyboard.type("ada@example.com");
    await tabTo(page, page.getByRole("button", { name: "Continue to payment" }));
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/checkout\/cs_test_/);
    await tabTo(page, page.getByLabel("Card number"));
    await page.keyboard.type(GOOD);
    await tabTo(page, page.getByLabel("Name on card"));
    await page.keyboard.type("Ada Lovelace");
    await page.keyboard.press("Enter");
    await reads(page, "Thank you, it is yours");
    await leave(page);
  },

  "a basket that is refused says why and keeps what was chosen": async () => {
    const page = await visit({ javaScriptEnabled: false });
    await page.getByLabel("Email").fill("ada@example.com");
    await page.getByRole("button", { name: "Continue to payment" }).click();
    await page.getByRole("alert").getByText("choose at least one thing").waitFor();
    assert.equal(await page.getByLabel("Email").inputValue(), "ada@example.com");
    await leave(page);

    const greedy = await visit();
    await greedy.getByLabel("Email").fill("ada@example.com");
    // The browser would not let a person ask for more than there are; the stock may shrink under their hands.
    await greedy.getByLabel("Pieces of Ownership mug").evaluate((input) => input.removeAttribute("max"));
    await greedy.getByLabel("Pieces of Ownership mug").fill("9999");
    await greedy.getByRole("button", { name: "Continue to payment" }).click();
    await greedy.getByRole("alert").getByText("not as many left").waitFor();
    await isAccessible(greedy, "the shop with a refusal");
    await shot(greedy, "shop-refused-light");
    await leave(greedy);
  },

  "a bank debit is explained politely, and succeeds later": async () => {
    const page = await visit();
    await chooseCourse(page);
    await toPayment(page);
    await page.getByLabel("Bank debit that succeeds later").check();
    await page.getByLabel("Name on card").fill("Ada Lovelace");
    await page.getByRole("button", { name: /^Pay / }).click();
    await reads(page, "Your payment is on its way");
    await isAccessible(page, "the thanks page of a slow payment");
    await shot(page, "thanks-processing-light");
    await fetch(`${shop}/sandbox/control/clock`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ advance_seconds: 25 }),
    });
    await reads(page, "Thank you, it is yours");
    await fetch(`${shop}/sandbox/control/clock`, { method: "DELETE" });
    await leave(page);
  },

  "whoever turns back is told that nothing was charged": async () => {
    const page = await visit();
    await page.getByLabel("Pieces of Ownership mug").fill("1");
    await page.getByLabel("Email").fill("ada@example.com");
    await toPayment(page);
    const session = page.url().match(/cs_test_\w+/)[0];
    await page.getByRole("link", { name: /Back to/ }).click();
    await page.getByText("nothing was charged").waitFor();
    await shot(page, "shop-turned-back-light");
    await page.goto(`${shop}/thanks?session_id=${session}`);
    await reads(page, "Waiting for your payment");
    await isAccessible(page, "the thanks page that waits");
    await shot(page, "thanks-waiting-light");
    await page.getByRole("link", { name: "Not paid yet?" }).click();
    await page.waitForURL(/\/checkout\/cs_test_/);
    await page.goBack();
    await page.goto(`${shop}/thanks?session_id=${session}&waited=20`);
    await page.getByText("nothing is lost").waitFor();
    await isAccessible(page, "the thanks page that has waited for long");
    await shot(page, "thanks-waiting-long-light");
    // Nobody pays: the session ends and the page says so by itself.
    const ended = await fetch(`${shop}/sandbox/v1/checkout/sessions/${session}/expire`, {
      method: "POST",
      headers: { authorization: "Bearer sk_test_123" },
    });
    assert.equal(ended.status, 200);
    await reads(page, "Nothing was bought");
    await shot(page, "thanks-cancelled-light");
    await leave(page);
  },

  "an unknown session and an unknown page are answered kindly": async () => {
    const page = await visit();
    for (const path of ["/thanks?session_id=cs_test_unknown", "/thanks", "/thanks?session_id=%00'--"]) {
      const answer = await page.goto(shop + path);
      assert.equal(answer.status(), 404, path);
      await reads(page, "We do not know this order");
    }
    await isAccessible(page, "the page of an unknown order");
    await shot(page, "thanks-unknown-light");
    await leave(page);
  },

  "prices are written as their currency is": async () => {
    const page = await visit();
    for (const [code, price] of [["JPY", "¥7,200"], ["EUR", "€45.00"], ["USD", "$49.00"]]) {
      await page.getByRole("link", { name: code }).click();
      await page.getByText(price).waitFor();
    }
    await page.getByRole("link", { name: "JPY" }).click();
    await chooseCourse(page);
    assert.equal(await page.locator("[data-total]").textContent(), "¥7,200");
    await toPayment(page);
    await page.getByRole("button", { name: "Pay ¥7,200" }).waitFor();
    await leave(page);
  },
};

// The same pages in the dark, on a small screen, and for everybody.
for (const [look, options] of Object.entries({
  light: {},
  dark: { colorScheme: "dark" },
  narrow: { viewport: { width: 360, height: 740 }, hasTouch: true },
  "narrow-dark": { viewport: { width: 360, height: 740 }, colorScheme: "dark" },
})) {
  stories[`shop, payment and thanks pages are accessible: ${look}`] = async () => {
    const page = await visit(options);
    const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
    await isAccessible(page, "the shop");
    assert.ok(await fits(), "the shop is wider than the screen");
    await shot(page, `shop-${look}`);
    await chooseCourse(page);
    await page.getByLabel("Pieces of Field notebook").fill("1");
    await toPayment(page);
    await isAccessible(page, "the payment page");
    assert.ok(await fits(), "the payment page is wider than the screen");
    await shot(page, `pay-${look}`);
    await pay(page, GOOD);
    await reads(page, "Thank you, it is yours");
    await isAccessible(page, "the thanks page");
    assert.ok(await fits(), "the thanks page is wider than the screen");
    await shot(page, `thanks-${look}`);
    await leave(page);
  };
}

for (const [name, story] of Object.entries(stories)) {
  const began = performance.now();
  try {
    await story();
    console.log(`ok      ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    console.log(`failed  ${name}\n${error.stack}`);
    const page = browser.contexts().at(-1)?.pages().at(-1);
    if (page) {
      await shot(page, "failed");
      console.log(`at ${page.url()}: ${await heading(page).allTextContents()} (${join(shots, "failed.png")})`);
    }
    process.exitCode = 1;
    break;
  }
}
await browser.close();
