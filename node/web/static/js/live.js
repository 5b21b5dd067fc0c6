// Live parts of a page. The stream says that something changed; the page then fetches its own address and takes the
// parts marked data-live. Without the stream it asks every second whether anything changed. Nothing under the reader's hands is replaced:
// a list (data-live="later") waits for a press of a button, a part that has the focus waits until it is left.
const TOPICS = document.body.dataset.liveTopics?.trim();
const REST_MS = 800; // at most about one fetch a second, however much changes
const POLL_MS = 1000; // without the stream: a number that says whether anything changed

const fresh = document.getElementById("fresh");
let pending = null; // the newest page that a list waits to be taken from
let busy = false;
let again = false;
let last = 0;

const keysOf = (part) => [...part.querySelectorAll("[data-key]")].map((row) => row.dataset.key).join(" ");
const used = (part) => part.contains(document.activeElement) || part.matches(":hover") || part.querySelector("[open]");

function take(part, newer) {
  const replacement = document.importNode(newer, true);
  const held = part.contains(document.activeElement) ? document.activeElement : null; // a row keeps the focus
  const row = held?.closest("[data-key]")?.dataset.key;
  const scrolled = part.scrollTop;
  part.replaceWith(replacement);
  replacement.scrollTop = scrolled;
  if (row) replacement.querySelector(`[data-key="${CSS.escape(row)}"] ${held.localName}`)?.focus({ preventScroll: true });
  window.htmx?.process?.(replacement);
  document.dispatchEvent(new CustomEvent("liandong:taken", { detail: replacement }));
}

function compare(page) {
  let waits = false;
  for (const part of document.querySelectorAll("[data-live]")) {
    const newer = part.id && page.getElementById(part.id);
    if (!newer || newer.outerHTML === part.outerHTML.replace(' class="htmx-added"', "")) continue;
    const moves = keysOf(part) && keysOf(part) !== keysOf(newer);
    if (part.dataset.live === "later" && moves && used(part)) waits = true;
    else if (part.dataset.live !== "later" && part.contains(document.activeElement)) waits = true;
    else take(part, newer);
  }
  pending = waits ? page : null;
  if (fresh) fresh.hidden = !waits;
}

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  await new Promise((done) => setTimeout(done, Math.max(0, last + REST_MS - Date.now())));
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { "X-Live": "1" }, redirect: "manual", cache: "no-store" });
    document.getElementById("ended").hidden = answer.type !== "opaqueredirect";
    document.getElementById("cut").hidden = true;
    if (answer.ok) compare(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    document.getElementById("cut").hidden = false;
  }
  busy = false;
  if (again) { again = false; refresh(); }
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-fresh]") || !pending) return;
  for (const part of document.querySelectorAll("[data-live]")) {
    const newer = part.id && pending.getElementById(part.id);
    if (newer) take(part, newer);
  }
  pending = null;
  fresh.hidden = true;
});

if (TOPICS) {
  let poll = null;
  let beat = null;
  const ask = async () => {
    try {
      const answer = await fetch(`/events/beat?topics=${encodeURIComponent(TOPICS)}`, { redirect: "manual", cache: "no-store" });
      const now = answer.ok ? await answer.text() : `${answer.type} ${answer.status}`;
      if (now !== beat) { beat = now; refresh(); }
    } catch { if (beat !== "cut") { beat = "cut"; refresh(); } }
  };
  const asks = (on) => { clearInterval(poll); poll = on ? setInterval(ask, POLL_MS) : null; };
  if (window.EventSource) {
    const stream = new EventSource(`/events?topics=${encodeURIComponent(TOPICS)}`);
    stream.onopen = () => { asks(false); refresh(); }; // what changed before it was open, it does not tell
    stream.onmessage = () => refresh();
    stream.onerror = () => { if (!poll) asks(true); };
    window.addEventListener("pagehide", () => stream.close());
  } else asks(true);
}
