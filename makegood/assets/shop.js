// What the demo shop does beyond plain HTML: buttons for quantities, a running total, and a thanks page that
// brings itself up to date. Without this file everything still works.
"use strict";

const form = document.querySelector("form[data-basket]");
if (form) {
  const inputs = [...form.querySelectorAll("input[data-minor]")];
  const total = form.querySelector("[data-total]");
  const { currency, decimals } = form.dataset;
  const price = new Intl.NumberFormat("en-US", { style: "currency", currency });

  const pieces = (input) => (input.type === "checkbox" ? Number(input.checked) : Math.max(0, input.valueAsNumber || 0));
  const showTotal = () => {
    const minor = inputs.reduce((sum, input) => sum + pieces(input) * Number(input.dataset.minor), 0);
    total.textContent = price.format(minor / 10 ** Number(decimals));
  };

  const addStepper = (input) => {
    const box = document.createElement("span");
    box.className = "stepper";
    input.replaceWith(box);
    const button = (text, label, step) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = text;
      made.setAttribute("aria-label", `${label}: ${input.dataset.name}`);
      made.addEventListener("click", () => {
        step();
        input.dispatchEvent(new Event("input", { bubbles: true }));
      });
      return made;
    };
    const less = button("−", "One less", () => input.stepDown());
    const more = button("+", "One more", () => input.stepUp());
    box.append(less, input, more);
    const limit = () => {
      less.disabled = pieces(input) <= Number(input.min);
      more.disabled = pieces(input) >= Number(input.max);
    };
    input.addEventListener("input", limit);
    window.addEventListener("pageshow", limit);
    limit();
  };

  inputs.filter((input) => input.type === "number").forEach(addStepper);
  form.querySelector(".total").hidden = false;
  form.addEventListener("input", showTotal);
  // A browser that goes back fills the fields in again without telling.
  window.addEventListener("pageshow", showTotal);
}

const LONGEST_PAUSE_MILLIS = 5000;
const waitedBefore = Number(new URL(location.href).searchParams.get("waited")) || 0;
const bringUpToDate = (pause) => {
  const slip = document.querySelector("[data-changes]");
  if (!slip) return;
  setTimeout(async () => {
    try {
      const now = new URL(location.href);
      now.searchParams.set("waited", waitedBefore + Math.round(performance.now() / 1000));
      const answer = await fetch(now, { headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-slip]");
      if (answer.ok && fresh && fresh.dataset.state !== slip.dataset.state) {
        slip.replaceWith(fresh);
        // Whoever loads it again has still waited; whoever waits for nothing more keeps a plain address.
        if ("changes" in fresh.dataset) history.replaceState(null, "", now);
        document.title = page.title;
        document.querySelector("[data-said]").textContent = fresh.querySelector("h1").textContent;
      }
    } catch {
      // The server is away for a moment; it is asked again.
    }
    bringUpToDate(Math.min(pause * 1.5, LONGEST_PAUSE_MILLIS));
  }, pause);
};
bringUpToDate(300);
