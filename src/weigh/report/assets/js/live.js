// The page over a store: news come while a run goes on, and the view is drawn anew with the address as it is.

import { h, plural } from "./dom.js";
import { config, payload } from "./payload.js";
import { get } from "./state.js";

// Views that are read at length; they stay as they are, and the next one shows what is new.
const READING = ["trace", "questions"];
const FIELDS = ["level", "errors", "metric", "shared", "by"];

// The comparisons that one looks at: while a run goes on the viewer computes no others.
function wish() {
  const comparing = get("view") === "compare";
  return { level: get("level"), errors: get("errors"), metric: comparing ? get("metric") : "", shared: get("shared") === "1", by: comparing ? get("by") : "" };
}

// Whether they are still to come.
export function isComing() {
  const { wishes } = payload();
  if (!config().live || !wishes) return false;
  const key = (one) => JSON.stringify(FIELDS.map((name) => one[name]));
  return !wishes.some((one) => key(one) === key(wish()));
}

export function coming() {
  return h("p", { className: "loading" }, "Being computed ...");
}

let version = null;
let others = [];

// What names the runs of the store that are not shown.
export function otherRuns() {
  return others;
}

export async function latest(live) {
  const { shared, ...rest } = wish();
  const answer = await fetch(`${live.index}?${new URLSearchParams({ ...rest, shared: shared ? "1" : "" })}`);
  if (!answer.ok) throw new Error(`the viewer answered ${answer.status}`);
  version = Number(answer.headers.get("X-Weigh-Version"));
  return answer.json();
}

// After a view was drawn: ask for what it lacks.
let asking = false;
export async function ask(show, draw) {
  if (!isComing() || asking) return;
  asking = true;
  try {
    show(await latest(config().live));
  } finally {
    asking = false;
  }
  if (!READING.includes(get("view"))) draw();
}

export function follow(live, show, draw) {
  const bar = h("div", { id: "progress", className: "progress", role: "status" });
  document.getElementById("controls").before(bar);
  const events = new EventSource(live.events);
  events.onmessage = async (event) => {
    const told = JSON.parse(event.data);
    tell(bar, told);
    others = told.progress.others || [];
    if (told.version === version) return;
    version = told.version;
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
