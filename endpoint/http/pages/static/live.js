// Every page is whole without this file. It refreshes the parts marked `data-live`, counts ticked rows, and copies text.

const PERIOD_MS = 10_000;
const TICK = "[data-select] [type=checkbox]";
const FIELD = `input:not([type=hidden], ${TICK}), select, textarea`;
const status = document.getElementById("live-status");
let busy = false;
let last = Date.now();
let pointed = -PERIOD_MS;

// `aloud`: a screen reader announces it.
function say(text, aloud = true) {
  if (!status || status.textContent === text) return;
  status.setAttribute("aria-live", aloud ? "polite" : "off");
  status.textContent = text;
}

// The only element that a selector names; null: there is none, or another one could be meant.
function only(selector) {
  const found = selector ? document.querySelectorAll(selector) : [];
  return found.length === 1 ? found[0] : null;
}

// Names the object that a control is about, whatever is above or below it by now; null: nothing does. Names and values of
// buttons do not: "cancel" is the same for a host and for the whole deployment.
function address(element) {
  const { id } = element.matches("summary") ? element.parentElement : element;
  if (id) return `#${CSS.escape(id)}${element.matches("summary") ? " > summary" : ""}`;
  if (element.matches("a[href]")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  if (element.matches("[role=region]")) return `[role=region][aria-label="${CSS.escape(element.getAttribute("aria-label"))}"]`;
  return element.matches(TICK) ? row(element) : null;
}

function row(box) {
  return `[data-select] :is(tbody, [data-kept]) [name="${CSS.escape(box.name)}"][value="${CSS.escape(box.value)}"]`;
}

function changed(field) {
  if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((one) => one.defaultSelected));
  return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
}

// What a person types, selects or is about to click stays. A pointer that rests holds nothing up.
function inUse(part) {
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return true;
  if (Date.now() - pointed < PERIOD_MS && part.querySelector(":is(a, button, summary, input):hover")) return true;
  const focus = document.activeElement;
  return (part.contains(focus) && focus.matches(FIELD)) || [...part.querySelectorAll(FIELD)].some(changed);
}

// Takes all parts of a later page or none of them: one line speaks of all. Returns why it took none.
function replace(next) {
  const parts = [...document.querySelectorAll("[data-live]")];
  const fresh = parts.map((part) => next.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`));
  if (fresh.includes(null)) return "the page has other parts by now; reload it";
  if (parts.some(inUse)) return "a field is filled in, text is selected, or the pointer is on a control";
  const focus = address(document.activeElement);
  const wasOnly = only(focus);
  const ticked = [...document.querySelectorAll(`${TICK}:checked:not([data-all])`)];
  parts.forEach((part, at) => renew(part, fresh[at]));
  tick(ticked);
  if (wasOnly && document.activeElement !== wasOnly) only(focus)?.focus({ preventScroll: true });
  reveal();
  count();
  return "";
}

// Keeps which details are open, and the places of scroll bars.
function renew(part, fresh) {
  const details = [...part.querySelectorAll("details[id]")].map((one) => [`details#${CSS.escape(one.id)}`, one.open]);
  const known = details.filter(([selector]) => only(selector));
  const scrolls = [...part.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
  part.replaceChildren(...fresh.childNodes);
  for (const [selector, open] of known) {
    const now = only(selector);
    if (now) now.open = open;
  }
  [...part.querySelectorAll(".scroll")].forEach((box, at) => {
    if (scrolls[at]) [box.scrollLeft, box.scrollTop] = scrolls[at];
  });
}

// A ticked row that is not on the page any more stays ticked, in [data-kept].
function tick(boxes) {
  const kept = document.querySelector("[data-kept]");
  kept?.replaceChildren();
  for (const box of boxes) {
    const now = document.querySelector(row(box));
    if (now) now.checked = true;
    else if (kept) {
      const label = document.createElement("label");
      label.append(box, ` ${box.getAttribute("aria-label")}`);
      kept.append(label);
    }
  }
}

async function refresh() {
  // A page without live parts, as each that was POSTed, stays what it is: as of when it was made.
  if (busy || document.visibilityState !== "visible" || !document.querySelector("main [data-live]")) return;
  busy = true;
  try {
    // An answer that never ends must not keep the page from saying that it is old.
    const signal = AbortSignal.timeout(PERIOD_MS);
    const answer = await fetch(location.href, { headers: { "Maestro-Live": "1" }, redirect: "manual", cache: "no-store", signal });
    if (answer.type === "opaqueredirect" || answer.status === 401) {
      stale("the session has ended; log in in another tab, or reload the page");
    } else if (answer.ok) {
      const why = replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      if (why) return stale(why, false);
      last = Date.now();
      say(`Refreshed every ${PERIOD_MS / 1000} s.`, false);
    } else {
      stale(`the endpoint answers ${answer.status}`);
    }
  } catch {
    stale("the endpoint does not answer");
  } finally {
    busy = false;
  }
}

// It stands behind the time of what is shown.
function stale(why, aloud = true) {
  say(`Not refreshed since: ${why}.`, aloud);
}

// <form data-select> with tick boxes, <input type=checkbox data-all>, and <output data-count>.
function count() {
  for (const form of document.querySelectorAll("form[data-select]")) {
    const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
    const ticked = boxes.filter((box) => box.checked).length;
    const kept = form.querySelectorAll("[data-kept] :checked").length;
    const text = `${ticked + kept} selected${kept ? `, ${kept} of them not on this page any more` : ""}`;
    for (const output of form.querySelectorAll("[data-count]")) output.textContent = ticked + kept ? text : "";
    for (const all of form.querySelectorAll("[data-all]")) {
      all.checked = ticked > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
    }
  }
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-select]");
  if (!form) return;
  if (event.target.matches("[data-all]")) {
    for (const box of form.querySelectorAll("tbody input[type=checkbox]")) box.checked = event.target.checked;
  }
  count();
});

// Shows what works with this script only: [data-script], and <button data-copy="ID of an element">.
function reveal() {
  for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  say("Copied.");
});

setInterval(refresh, PERIOD_MS);
document.addEventListener("pointermove", () => { pointed = Date.now(); });
document.addEventListener("visibilitychange", () => {
  if (Date.now() - last > PERIOD_MS) refresh();
});
reveal();
count();
