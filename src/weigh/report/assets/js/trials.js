// From a number to its trials: addresses of them, and what may be asked of a trial.

import { h } from "./dom.js";
import { payload, status } from "./payload.js";
import { fresh, get } from "./state.js";

// Markers that some trial was looked through for.
export function markersScored() {
  const data = payload();
  return data.markers.filter((m) => (data.scores[m] || []).some((value) => value !== null && value !== undefined));
}

// Of all trials, the commonest first.
export function statuses() {
  const { trials, texts } = payload();
  const counted = new Map();
  for (const place of trials.status) counted.set(place, (counted.get(place) || 0) + 1);
  return [...counted].sort((x, y) => y[1] - x[1]).map(([place]) => texts[place]);
}

// What the address asks of single trials: a marker that fired (`marker:NAME`) or did not (`!marker:NAME`), a status.
export function trialTest() {
  const data = payload();
  const marker = get("marker").replace(/^!/, "");
  const fired = !get("marker").startsWith("!");
  const values = data.markers.includes(marker) ? data.scores[marker] || [] : null;
  const wanted = statuses().includes(get("status")) ? get("status") : null;
  if (!values && wanted === null) return null;
  return (t) => (!values || (values[t] !== null && values[t] !== undefined && Boolean(values[t]) === fired)) && (wanted === null || status(t) === wanted);
}

// The address of the trials of one arm (of every arm without one); `task` is a task's spec, a suite's for all tasks.
export function trialsOf({ arm = "all", task = "", marker = "", state = "", show = "all", q = "" }) {
  const data = payload();
  const place = data.tasks.findIndex((t) => t.spec === task);
  return fresh({ view: "questions", a: data.sides.length > 1 ? arm : "", b: "none", show, task: place < 0 ? "" : place, marker, status: state, q });
}

// A number that leads to its trials.
export function to(told, wanted) {
  return told === null || told === undefined || told === "" ? told : h("a", { className: "to", href: trialsOf(wanted) }, told);
}

// Counts by status, each of which leads to its trials.
export function countsOf(found, wanted) {
  const all = Object.entries(found || {});
  return all.length ? h("span", {}, all.map(([state, n], i) => [i ? ", " : "", to(`${n} ${state}`, { ...wanted, state })])) : "";
}

// " · epoch 2" where questions were asked more than once.
export function epochOf(trial) {
  const { trials } = payload();
  return hasEpochs() ? ` · epoch ${trials.epoch[trial] + 1}` : "";
}

let counted = [null, false];

export function hasEpochs() {
  const { trials } = payload();
  if (counted[0] !== trials) counted = [trials, trials.epoch.some((e) => e > 0)];
  return counted[1];
}
