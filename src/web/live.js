// Shows how the import stands as soon as that changes. Without this the page loads itself again.
const live = document.getElementById("live");
const events = new EventSource("/import/events");
let last = Promise.resolve();
events.onmessage = () => { last = last.then(renew).catch(() => setTimeout(events.onmessage, 3000)); };

async function renew() {
  const answer = await fetch("/import", { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.status);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = page.getElementById("live");
  // A page that does not follow has another form: a question, or the end.
  if (!page.querySelector("script[src='/live.js']")) { events.close(); location.reload(); return; }
  live.replaceChildren(...now.childNodes);
}
