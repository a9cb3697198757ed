// The page over a store: news come while a run goes on, and the view is drawn anew with the address as it is.

import { h, plural } from "./dom.js";
import { get } from "./state.js";

// Views that are read at length; they stay as they are, and the next one shows what is new.
const READING = ["trace", "questions"];

export async function latest(live) {
  const answer = await fetch(live.index);
  if (!answer.ok) throw new Error(`the viewer answered ${answer.status}`);
  return answer.json();
}

export function follow(live, show, draw) {
  const bar = h("div", { id: "progress", className: "progress", role: "status" });
  document.getElementById("controls").before(bar);
  const events = new EventSource(live.events);
  let version = null;
  events.onmessage = async (event) => {
    const told = JSON.parse(event.data);
    tell(bar, told);
    if (told.version === version) return;
    const first = version === null;
    version = told.version;
    if (first) return;
    show(await latest(live));
    if (READING.includes(get("view"))) return;
    const top = window.scrollY;
    draw();
    window.scrollTo(0, top);
  };
  events.onerror = () => { bar.dataset.running = "false"; bar.textContent = "The viewer has ended; this is what it knew last."; };
}

function tell(bar, told) {
  const runs = told.progress.runs || [];
  const total = (name) => runs.reduce((sum, run) => sum + run[name], 0);
  const running = runs.some((run) => run.running);
  bar.dataset.done = total("done");
  bar.dataset.running = running;
  bar.hidden = !running && !told.problem;
  const texts = runs.filter((run) => run.running).map(oneRun);
  if (told.problem) texts.push(told.problem);
  bar.replaceChildren(h("progress", { max: Math.max(1, total("expected")), value: total("done"), "aria-label": "trials done" }), " ", texts.join("; "));
}

function oneRun(run) {
  const parts = [`${run.name}: ${run.done.toLocaleString("en")} of ${plural(run.expected, "trial")}`];
  if (run.rate) parts.push(run.rate >= 0.5 ? `${run.rate.toFixed(run.rate < 10 ? 1 : 0)}/s` : `${(60 * run.rate).toFixed(1)}/min`);
  if (run.left) parts.push(`about ${time(run.left)} left`);
  const failed = Object.entries(run.failed);
  if (failed.length) parts.push(`${failed.reduce((sum, [, n]) => sum + n, 0)} failed (${failed.map(([kind, n]) => `${n} ${kind}`).join(", ")})`);
  for (const [status, n] of Object.entries(run.outcomes)) parts.push(`${n} ${status}`);
  return parts.join(", ");
}

function time(seconds) {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
