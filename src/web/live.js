// Shows how things stand as soon as that changes, or each so many milliseconds (data-every). Without this the
// page of an import loads itself again.
const [live, content, lost] = ["live", "content", "lost"].map((id) => document.getElementById(id));
const every = Number(live.dataset.every);
let events = null;
let last = Promise.resolve();
let nFailed = 0;
let later = null;
let isLeft = false;
const renewed = () => { last = last.then(renew).catch(failed); };
if (every) setTimeout(renewed, every); else follow();

// Where it is cut off it connects again by itself, but not after a refusal.
function follow() {
  events = new EventSource("/import/events");
  events.onmessage = renewed;
  events.onerror = () => {
    if (events?.readyState === EventSource.CLOSED) events = null;
    renewed();
  };
}

// One that fails may be chance.
function failed() {
  if (++nFailed === 2) lost.textContent = lost.dataset.says;
  later ??= setTimeout(() => { later = null; renewed(); }, 3000);
}

// Once: what was told meanwhile is looked at after it, and a page that is loaded again as it has just come
// takes from somebody what they have typed.
function leave() {
  isLeft = true;
  events?.close();
  location.reload();
}

async function renew() {
  if (isLeft) return;
  const answer = await fetch(location.href, { cache: "no-store" });
  // Whoever was let in is not any more, as after the program began anew: the page says so.
  if (answer.status === 403) { leave(); return; }
  if (!answer.ok) throw new Error(answer.status);
  nFailed = 0;
  lost.textContent = "";
  if (!every && !events) follow();
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // A page that does not follow has another form: a question, or the end.
  if (!page.querySelector("script[src='/live.js']")) { leave(); return; }
  const had = document.activeElement;
  const wasWithin = live.contains(had);
  become(live, page.getElementById("live"));
  // What had the focus may be gone: who moves by keys stays here, at what says the same. Another button would be
  // pressed for it.
  if (wasWithin && !live.contains(document.activeElement)) {
    const same = [...live.querySelectorAll("button")].find((button) => button.textContent === had.textContent);
    (same ?? content).focus();
  }
  if (every) setTimeout(renewed, every);
}

// Changes only what is another than before: the focus stays where it is, nothing is read out twice, and what a
// person has opened stays open. A form that goes elsewhere is another one: whoever is at its button would
// press that for it.
function become(old, now) {
  if (old.isEqualNode(now)) return;
  const goesElsewhere = old.nodeName === "FORM" && old.getAttribute("action") !== now.getAttribute?.("action");
  if (old.nodeName !== now.nodeName || old.childNodes.length !== now.childNodes.length || goesElsewhere) {
    if (old === live) old.replaceChildren(...now.childNodes); else old.replaceWith(now);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) { old.data = now.data; return; }
  for (const { name } of [...old.attributes]) if (name !== "open" && !now.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const pairs = [...old.childNodes].map((node, at) => [node, now.childNodes[at]]);
  for (const [node, other] of pairs) become(node, other);
}
