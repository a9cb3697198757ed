// What trials cost: a box and every trial as a point, and cost against score.

import { armName, arms, tasks, unfiltered } from "./controls.js";
import { COUNT, PERCENT, PLAIN, later, legend, place } from "./chart.js";
import { check, choice, empty, few, h, table } from "./dom.js";
import { isFailed, isPercent, measure, payload } from "./payload.js";
import { fresh, get, set } from "./state.js";
import { to, trialsOf } from "./trials.js";

export const EVERY = -1;
const MOST_POINTS = 160;

export function costs(results) {
  const data = payload();
  const known = data.metrics.filter((m) => m.cost);
  if (!known.length) return [h("h2", {}, "Cost"), empty("Nobody knows what these trials cost: neither tokens nor seconds were recorded (an imported table has none).")];
  const cost = known.some((m) => m.name === get("cost")) ? get("cost") : known.some((m) => m.name === "tokens") ? "tokens" : known[0].name;
  const info = known.find((m) => m.name === cost);
  const shown = arms();
  const boxes = data.costs.filter((c) => c.measure === cost && shown.includes(c.arm));
  const specs = tasks();
  const places = [...new Set(boxes.map((c) => c.task))].filter((t) => t === EVERY || specs.includes(t)).sort((a, b) => a - b);
  const task = places.includes(Number(get("of"))) && get("of") !== "" ? Number(get("of")) : places[0];
  const here = boxes.filter((c) => c.task === task);
  const title = `${info.label}${info.unit && info.unit !== info.label ? ` (${info.unit})` : ""}`;
  const positive = here.every((c) => c.box.low > 0);
  const log = get("scale") === "log" && positive;
  const bar = h("div", { className: "row" },
    choice("cost", known.map((m) => [m.name, m.label]), cost, (value) => set({ cost: value })),
    choice("on", places.map((t) => [t, t === EVERY ? "all tasks" : data.tasks[t].spec]), task, (value) => set({ of: value })),
    positive ? check("logarithmic", log, (on) => set({ scale: on ? "log" : "" })) : null,
    h("span", { className: "soft" }, "per trial: box from quartile to quartile, whiskers within 1.5 of its width", drawnOf(here)));
  const order = here.map((c) => data.arms[c.arm].label);
  const strip = later(place(), "strip", () => ({
    rows: here.flatMap((c) => trialPoints(c.arm, task, cost, log)),
    boxes: here.map((c) => ({ row: data.arms[c.arm].label, low: c.box.low, q1: c.box.q1, median: c.box.median, q3: c.box.q3, high: c.box.high, label: `${data.arms[c.arm].label}: median ${c.box.shown}, ${c.trials} trials` })),
  }), { series: order, arms: here.map((c) => c.arm), x_title: `${title} of a trial`, scale: log ? "log" : "linear", grid: !log, format: cost === "seconds" || cost === "cost" ? PLAIN : COUNT,
    description: `${title} of every trial, by arm` });
  const numbers = table([
    { title: "arm", cell: (c) => armName(c.arm) },
    { title: "questions", number: true, cell: (c) => to(c.n, { arm: c.arm, task: task === EVERY ? "" : data.tasks[task].spec }) },
    { title: "median", number: true, cell: (c) => c.median_shown },
    { title: `${100 * get("level")} % interval`, number: true, cell: (c) => c.at[get("level")].median_shown },
    { title: "mean ± SE", number: true, cell: (c) => c.mean_shown },
    { title: "trials: median (quartiles)", number: true, cell: (c) => c.box.shown },
  ], here, { caption: `${title} by arm`, sortable: true });
  return [h("h2", {}, "Cost"), unfiltered("over all tasks", task === EVERY && specs.length < data.tasks.length), bar, strip, numbers, ...against(results, info, task, log)];
}

// How many of the trials are points, where that is not all of them.
function drawnOf(rows) {
  const cut = rows.map((c) => c.trials).filter((n) => n > MOST_POINTS);
  if (!cut.length) return "";
  const [least, most] = [Math.min(...cut), Math.max(...cut)].map((n) => n.toLocaleString("en"));
  return `; of more than ${MOST_POINTS} trials of an arm (here ${least === most ? most : `${least} to ${most}`}) ${MOST_POINTS} are drawn, the box is of all`;
}

function trialPoints(arm, task, cost, log) {
  const { trials, instances, arms: all } = payload();
  const found = [];
  for (let i = 0; i < trials.id.length; i++) {
    if (trials.arm[i] !== arm || (task !== EVERY && trials.task[i] !== task) || isFailed(i)) continue;
    const value = cost === "tokens" ? sumKnown(measure("new", i), measure("cached", i), measure("generated", i)) : measure(cost, i);
    if (value !== null && (!log || value > 0)) found.push([value, i]);
  }
  // Every k-th of the ordered values: as many points as one can see, and the same ones each time.
  found.sort((a, b) => a[0] - b[0]);
  const step = Math.max(1, found.length / MOST_POINTS);
  const points = [];
  for (let k = 0; k < found.length; k += step) {
    const [value, trial] = found[Math.floor(k)];
    points.push({ row: all[arm].label, value, jitter: ((Math.floor(k) * 0.618034) % 1), href: fresh({ view: "trace", trial: trials.id[trial] }),
      label: `${Number(value.toPrecision(4)).toLocaleString("en")} ${cost}: ${all[arm].label} on ${instances[trials.instance[trial]].id}` });
  }
  return points;
}

function sumKnown(...values) {
  const known = values.filter((v) => v !== null);
  return known.length ? known.reduce((a, b) => a + b, 0) : null;
}

function against(results, info, task, log) {
  const data = payload();
  const shown = arms();
  const key = get("errors") + (get("shared") === "1" ? "|shared" : "");
  const known = ((data.fronts[key] || {})[info.name] || {})[task];
  if (!known) return [h("p", { className: "soft" }, "Score against cost needs two arms with both, on the same task or suite.")];
  const spec = known.subject;
  const level = get("level");
  const rows = shown.map((arm) => {
    const score = results.find((r) => r.arm === arm && r.task === spec && (r.primary || r.suite) && r.score !== null);
    const cost = data.costs.find((c) => c.arm === arm && c.task === task && c.measure === info.name);
    return score && cost && cost.mean !== null ? { arm, score, cost } : null;
  }).filter(Boolean);
  if (rows.length < 2) return [];
  // Which arms beat which is in the payload; on the front are those that none of the shown ones beats.
  const here = rows.map((r) => r.arm);
  const front = rows.filter((r) => !(known.beaten[r.arm] || []).some((other) => here.includes(other))).sort((a, b) => a.cost.mean - b.cost.mean);
  const series = rows.map((r) => data.arms[r.arm].label);
  const chart = later(place(), "pareto", {
    rows: rows.map((r) => ({ series: data.arms[r.arm].label, x: r.cost.mean, x_low: r.cost.at[level].low ?? r.cost.mean, x_high: r.cost.at[level].high ?? r.cost.mean,
      y: r.score.score, y_low: r.score.low, y_high: r.score.high, href: trialsOf({ arm: r.arm, task: r.score.task }), label: `${data.arms[r.arm].label}: ${r.score.shown.score} for ${r.cost.mean_shown} ${info.label}` })),
    front: front.map((r) => ({ x: r.cost.mean, y: r.score.score })),
  }, { series, arms: here, legend: legend(series), x_title: `${info.label} a question (mean)`, y_title: "score", format: isPercent(rows[0].score) ? PERCENT : PLAIN, x_format: info.name === "seconds" || info.name === "cost" ? PLAIN : COUNT,
    scale: log ? "log" : "linear", grid: !log, labels: 70, description: `score against mean ${info.label}` });
  const left = shown.filter((arm) => !here.includes(arm)).map((arm) => data.arms[arm].label);
  const level_ = new Set(rows.map((r) => r.score.score)).size === 1;
  return [h("h3", {}, `Score on ${spec} against cost`), left.length ? h("div", { className: "soft", id: "off-front" }, `Not here, for want of a number on ${spec}: `, few(left), ".") : null,
    level_ ? h("p", { className: "soft" }, `All ${rows.length} arms score ${rows[0].score.shown.score}, so the front is only the cheapest of them.`) : null,
    h("div", { className: "soft", id: "front" }, `By mean ${info.label}, on the front (no arm is both better and cheaper): `, few(front.map((r) => data.arms[r.arm].label), 5), ". ",
    "Points may lie there by luck; the intervals say how much."), chart].filter(Boolean);
}
