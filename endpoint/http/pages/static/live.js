// Every page is whole without this file. It refreshes the parts marked `data-live`, counts ticked rows, and copies text.

const PERIOD_MS = 10_000;
const status = document.getElementById("live-status");
let busy = false;
let last = Date.now();

// `aloud`: a screen reader announces it.
function say(text, aloud = true) {
  if (!status || status.textContent === text) return;
  status.setAttribute("aria-live", aloud ? "polite" : "off");
  status.textContent = text;
}

// Keeps what a person has done in a part: ticked boxes, opened details, the place of its scroll bars.
function keep(part) {
  const boxes = new Set([...part.querySelectorAll("input[type=checkbox]:checked")].map((box) => `${box.name}=${box.value}`));
  const open = new Set([...part.querySelectorAll("details[open]")].map(place));
  const scrolls = [...part.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
  return (fresh) => {
    for (const box of fresh.querySelectorAll("input[type=checkbox]")) box.checked = boxes.has(`${box.name}=${box.value}`);
    for (const details of fresh.querySelectorAll("details")) if (open.has(place(details))) details.open = true;
    [...fresh.querySelectorAll(".scroll")].forEach((box, at) => {
      if (scrolls[at]) [box.scrollLeft, box.scrollTop] = scrolls[at];
    });
  };
}

function place(details) {
  return details.id || details.querySelector("summary")?.textContent;
}

// A part in use stays: text is selected there, or a control other than a tick box has the focus.
function inUse(part) {
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return true;
  const focus = document.activeElement;
  return part.contains(focus) && focus.matches("input:not([type=checkbox]), select, textarea");
}

function replace(next) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = next.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (!fresh || inUse(part) || fresh.innerHTML === part.dataset.seen) continue;
    const seen = fresh.innerHTML;
    const restore = keep(part);
    const focus = part.contains(document.activeElement) ? address(document.activeElement) : null;
    part.replaceChildren(...fresh.childNodes);
    part.dataset.seen = seen;
    restore(part);
    if (focus) part.querySelector(focus)?.focus({ preventScroll: true });
  }
  reveal();
  count();
}

function address(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  if (element.matches("a[href]")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  return element.name ? `[name="${CSS.escape(element.name)}"][value="${CSS.escape(element.value)}"]` : null;
}

async function refresh() {
  if (busy || document.visibilityState !== "visible" || !document.querySelector("[data-live]")) return;
  busy = true;
  try {
    // An answer that never ends must not keep the page from saying that it is old.
    const signal = AbortSignal.timeout(PERIOD_MS);
    const answer = await fetch(location.href, { headers: { "Maestro-Live": "1" }, redirect: "manual", cache: "no-store", signal });
    if (answer.type === "opaqueredirect" || answer.status === 401) {
      say("The session has ended: reload the page to log in.");
      clearInterval(timer);
    } else if (answer.ok) {
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      last = Date.now();
      say(`Refreshed ${new Date(last).toISOString().slice(11, 19)} UTC, every ${PERIOD_MS / 1000} s.`, false);
    } else {
      stale(`the endpoint answers ${answer.status}`);
    }
  } catch {
    stale("the endpoint does not answer");
  } finally {
    busy = false;
  }
}

// What is shown may be old by now, and says so.
function stale(why) {
  say(`Not refreshed since ${new Date(last).toISOString().slice(11, 19)} UTC: ${why}.`);
}

// <form data-select> with tick boxes, <input type=checkbox data-all>, and <output data-count>.
function count() {
  for (const form of document.querySelectorAll("form[data-select]")) {
    const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
    const ticked = boxes.filter((box) => box.checked).length;
    for (const output of form.querySelectorAll("[data-count]")) output.textContent = ticked ? `${ticked} selected` : "";
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

const timer = setInterval(refresh, PERIOD_MS);
document.addEventListener("visibilitychange", () => {
  if (Date.now() - last > PERIOD_MS) refresh();
});
reveal();
count();
