// Overview: who leads and is it sure, the chosen number per task and arm with intervals, what it cost, and the table.

import { MANY_ARMS, alongAxis, axesAlong, chosenAxis, others } from "./along.js";
import { armName, arms, tasks, unfiltered } from "./controls.js";
import { EVERY, costs } from "./costs.js";
import { PERCENT, PLAIN, later, legend, place } from "./chart.js";
import { check, choice, empty, few, h, notes, plural, table } from "./dom.js";
import { coming, isComing } from "./live.js";
import { block, isPercent, payload } from "./payload.js";
import { fresh, get, lens, link, set } from "./state.js";
import { concluded, legendOfTiers } from "./study.js";
import { countsOf, to, trialsOf } from "./trials.js";

const MOST_MARKERS = 12;
const COST_NAMES = { seconds: "time (seconds)", new: "new tokens", cached: "cached tokens", generated: "generated tokens", model_seconds: "time in the model", tool_seconds: "time in tools" };

function markerName(scorer) {
  return scorer.replace(/^marker:/, "");
}

export function overview(main) {
  const data = payload();
  const results = block(data.results, lens() + (get("shared") === "1" ? "|shared" : "")) || [];
  const study = data.study && arms().length > 2 ? concluded() : null;
  main.append(h("h1", {}, data.title), ...(study || []), study ? h("details", { className: "more" }, h("summary", {}, "task by task: which arm leads"), summary()) : summary(), ...legendOfTiers());
  if (!results.length) return main.append(empty("Nothing was measured yet: the runs of this report have no tasks."));
  main.append(...measured(results), h("h2", {}, "Results"), resultTable(results));
  const more = [costs(results), markers()];
  for (const part of more) if (part) main.append(...part);
}

// The conclusion of two arms in words; with more, who leads where.
function summary() {
  const data = payload();
  const shown = arms();
  if (shown.length < 2 && data.arms.length > 1) {
    return h("p", { className: "lead", id: "hidden-arms" }, `One arm is shown, so nothing is compared: ${plural(data.arms.length - 1, "arm")} ${data.arms.length > 2 ? "are" : "is"} hidden. `, h("a", { href: link({ arms: "" }) }, "Show all arms"), ".");
  }
  if (shown.length < 2) {
    return h("p", { className: "lead" }, "One arm is shown, so nothing is compared. ",
      "Add another run to the report (`weigh report RUN OTHER`) to see whether it is better.");
  }
  if (shown.length === 2) {
    const made = block((data.pairs[shown.join(",")] || {})[""], lens());
    if (!made && isComing()) return coming();
    const [a, b] = shown.map((i) => data.arms[i].label);
    if (made && made.conclusion) {
      return h("div", {}, h("p", {}, h("b", {}, "A"), ` is ${a}, `, h("b", {}, "B"), ` is ${b}.`), h("p", { className: "lead" }, made.conclusion), unfiltered("over all tasks of the two", tasks().length < data.tasks.length),
        h("p", { className: "soft" }, "Look at ", h("a", { href: fresh({ view: "compare", a: shown[0], b: shown[1] }) }, "the evidence"), " or ",
          h("a", { href: fresh({ view: "questions", a: shown[0], b: shown[1] }) }, "the questions on which they differ"), "."));
    }
  }
  const made = block(data.matrix[""], lens() + (get("shared") === "1" ? "|shared" : ""));
  if (!made && isComing()) return coming();
  if (!made || made.missing) return h("p", { className: "lead" }, made ? `Arms are not compared: ${made.missing}.` : "");
  const specs = new Set(tasks().map((i) => data.tasks[i].spec));
  const rows = made.rows.filter((row) => row.suite || specs.has(row.task));
  const lines = rows.map((row) => {
    const scored = row.arms.filter((x) => x.score !== null);
    if (!scored.length) return h("span", {}, h("b", {}, row.task), ": no arm has a number.");
    const first = (row.tiers[0] || []).map((i) => data.arms[i].label);
    const rest = scored.length - first.length;
    const without = row.arms.length - scored.length ? ` ${plural(row.arms.length - scored.length, "arm")} ${row.arms.length - scored.length > 1 ? "have" : "has"} no number.` : "";
    const told = scored.length === 1 ? [`only ${data.arms[scored[0].arm].label} has a number.`]
      : new Set(scored.map((x) => x.score)).size === 1 ? [`all ${scored.length} arms score ${scored[0].score}${row.proportion ? " %" : ""}: the evidence cannot tell.`, without]
        : (row.best || []).length > 1 ? [few((row.best || []).map((i) => data.arms[i].label)), ` score best, all the same (${scored.find((x) => x.arm === row.best[0]).score}${row.proportion ? " %" : ""})`, rest ? `; ${plural(rest, "arm")} ${rest > 1 ? "are" : "is"} behind them.` : ": the evidence cannot tell.", without]
          : !rest ? [`${first[0]} scores best, but no arm is separated from it: the evidence cannot tell.`, without]
            : first.length > 1 ? [`${first[0]} scores best, ${plural(rest, "arm")} ${rest > 1 ? "are" : "is"} behind it; not separated from it: `, few(first.slice(1)), ".", without]
              : [`${first[0]} leads, ahead of ${rest === 1 ? "the other" : `all ${rest} others`}.`, without];
    return h("span", {}, h("b", {}, row.task), ": ", told);
  });
  // Suites say most, so they come first.
  const order = rows.map((row, i) => [row.suite ? 0 : 1, i]).sort((x, y) => x[0] - y[0] || x[1] - y[1]).map(([, i]) => lines[i]);
  return h("div", { className: "leaders" }, unfiltered(`among all ${data.arms.length} arms, suites over all their tasks`), notes(order, 5),
    h("p", { className: "soft" }, h("a", { href: fresh({ view: "compare" }) }, "Every pair of arms"), " with its evidence."));
}

function measures() {
  const data = payload();
  const names = new Map(data.metrics.filter((m) => m.cost).map((m) => [m.name, m]));
  const found = [["score", "score"]];
  for (const m of data.metrics) if (!m.cost && m.name && !m.marker) found.push([`metric:${m.name}`, m.label]);
  for (const [name, m] of names) {
    const title = COST_NAMES[name] || m.label;
    found.push([`median:${name}`, `median ${title}`], [`mean:${name}`, `mean ${title}`]);
  }
  found.push(["mean:failed", "trials with an error"]);
  if (data.costs.some((c) => c.measure === "unanswered")) found.push(["mean:unanswered", "trials with no answer"]);
  for (const m of data.markers) found.push([`mean:${m}`, `trials with ${markerName(m)}`]);
  return found;
}

// Whether an interval is that of one question asked again: the usual ones are over questions.
function overEpochs(row) {
  return (row.interval_method || "").includes("these epochs");
}

// Rows of a chart: {task, arm, value, low, high, shown}.
function points(wanted, results) {
  const data = payload();
  const [kind, ...rest] = wanted.split(":");
  const name = rest.join(":");
  if (kind === "score" || kind === "metric") {
    return results.filter((r) => (kind === "score" ? r.primary || r.suite : r.metric === name) && r.score !== null)
      .map((r) => ({ task: r.task, arm: r.arm, href: trialsOf({ arm: r.arm, task: r.task }), value: r.score, low: r.low, high: r.high, percent: isPercent(r), lower: r.lower_is_better, suite: r.suite, again: overEpochs(r),
        shown: `${r.shown.score}${r.shown.interval ? `, ${r.shown.interval}${overEpochs(r) ? " over its epochs" : ""}` : ""} (n ${r.n})` }));
  }
  const level = get("level");
  return data.costs.filter((c) => c.measure === name && (kind === "mean" ? c.mean !== null : c.median !== undefined && c.median !== null))
    .map((c) => {
      const at = c.at[level];
      const proportion = c.median === undefined;
      const median = kind === "median";
      const spec = c.task === EVERY ? "all tasks" : data.tasks[c.task].spec;
      return { task: spec, arm: c.arm, href: trialsOf({ arm: c.arm, task: spec, marker: data.markers.includes(name) ? name : "" }), value: median ? c.median : c.mean, suite: c.task === EVERY,
        low: median ? at.median_low ?? null : at.low, high: median ? at.median_high ?? null : at.high, percent: proportion, lower: !data.markers.includes(name),
        shown: `${median ? c.median_shown : c.mean_shown}${(median ? at.median_shown : at.shown) ? `, ${median ? at.median_shown : at.shown}` : ""} (n ${c.n})` };
    });
}

function measured(results) {
  const data = payload();
  const all = measures();
  const wanted = all.some(([key]) => key === get("measure")) ? get("measure") : "score";
  const label = all.find(([key]) => key === wanted)[1];
  const specs = new Set(tasks().map((i) => data.tasks[i].spec));
  const shown = arms();
  const rows = points(wanted, results).filter((r) => shown.includes(r.arm) && (r.suite || specs.has(r.task)));
  const along = axesAlong();
  const over = chosenAxis(along);
  const bar = h("div", { className: "row" },
    choice("show", all, wanted, (value) => set({ measure: value })),
    data.axes.length ? choice("over", [["task", "task"], ...along.map((a) => [a.name, a.name])], over || "task", (value) => set({ over: value, series: "" })) : null,
    over && others(over).length > 1 ? choice("series", [["", "all that differs"], ...others(over).map((a) => [a.name, a.name])], get("series"), (value) => set({ series: value })) : null,
    h("span", { className: "soft" }, `points with ${100 * get("level")} % intervals`, rows.some((r) => r.again) ? `: of a task of one question over its epochs${rows.some((r) => !r.again) ? ", else over questions" : ""}` : ""));
  const missing = shown.filter((arm) => !rows.some((r) => r.arm === arm)).map((arm) => data.arms[arm].label);
  const parts = [h("h2", {}, `${label[0].toUpperCase()}${label.slice(1)} by ${over || "task"}`), bar];
  if (!rows.length) return [...parts, empty(`No arm has a number for this${wanted === "score" ? ": no trial was scored" : ""}.`)];
  const kinds = [true, false].map((percent) => rows.filter((r) => r.percent === percent)).filter((part) => part.length);
  for (const part of kinds) parts.push(...(over ? alongAxis(part, label, data.axes.find((a) => a.name === over)) : [dots(part, label)]));
  if (missing.length) parts.push(h("div", { className: "soft" }, "No number for ", few(missing), "."));
  return parts;
}

function dots(rows, label) {
  const data = payload();
  const order = [...new Set(rows.map((r) => r.task))].sort((a, b) => (rows.find((r) => r.task === a).suite ? 1 : 0) - (rows.find((r) => r.task === b).suite ? 1 : 0));
  const series = arms().map((i) => data.arms[i].label);
  const table_ = order.flatMap((task) => rows.filter((r) => r.task === task).map((r) => ({
    row: r.task, series: data.arms[r.arm].label, value: r.value, low: r.low, high: r.high, href: r.href, label: `${data.arms[r.arm].label} on ${r.task}: ${r.shown}` })));
  return later(place(), "dots", { rows: table_ }, {
    series, arms: arms(), legend: legend(series), x_title: label + (rows[0].lower ? " (lower is better)" : ""), format: rows[0].percent ? PERCENT : PLAIN,
    description: `${label} of ${series.join(", ")} by task; the table below has the numbers` });
}

function resultTable(results) {
  const data = payload();
  const specs = new Set(tasks().map((i) => data.tasks[i].spec));
  const shown = arms();
  const every = results.filter((r) => (r.primary || r.suite || get("every") === "1") && shown.includes(r.arm) && (r.suite || specs.has(r.task)));
  // Of many arms the suites are shown, of all of them; a suite of which no arm has a number says so below.
  const whole = new Set(every.filter((r) => r.suite && r.shown.score).map((r) => r.task));
  const brief = shown.length > MANY_ARMS && whole.size > 0;
  const rows = every.filter((r) => (r.suite ? whole.has(r.task) : !brief || get("tasks_too") === "1"));
  const kinds = (found) => Object.entries(found).map(([kind, n]) => `${n} ${kind}`).join(", ");
  const made = table([
    { title: "task", who: true, cell: (r) => r.task },
    { title: "arm", who: true, cell: (r) => armName(r.arm) },
    { title: "metric", cell: (r) => r.metric },
    { title: "n", number: true, cell: (r) => to(r.n, { arm: r.arm, task: r.task }) },
    { title: "epochs", number: true, cell: (r) => r.epochs > 1 ? r.epochs : null },
    { title: "score ± SE", number: true, lead: true, cell: (r) => h("span", { "data-number": `${r.task}|${data.arms[r.arm].id}|${r.metric}` }, r.shown.score || "-") },
    { title: `${100 * get("level")} % interval`, number: true, cell: (r) => r.shown.interval },
    // A smallest difference belongs to two arms: with several, Compare has it pair by pair.
    shown.length === 1 ? { title: "MDE80", number: true, cell: (r) => r.shown.mde80, about: "about the smallest difference to another such arm that would show 4 times in 5, taken alone" } : null,
    { title: "failed", number: true, cell: (r) => Object.keys(r.failed).length ? h("span", { className: "bad" }, to(kinds(r.failed), { arm: r.arm, task: r.task, show: "failed" })) : "0" },
    { title: "no answer", number: true, cell: (r) => countsOf(r.outcomes, { arm: r.arm, task: r.task }) },
    { title: "tokens, total", number: true, about: "of all trials; Cost has them by trial", cell: (r) => r.suite || r.tokens === null ? null : r.tokens.toLocaleString("en") },
    { title: "wall seconds", number: true, about: "how long trials of the task were in flight, several at once; Cost has the seconds of one trial", cell: (r) => r.suite || r.seconds === null ? null : r.seconds.toFixed(1) },
  ], rows, { rowClass: (r) => r.suite ? "total" : null, caption: "Results", sortable: true });
  const why = new Map();
  for (const r of results) {
    if (!r.missing || !(r.primary || r.suite) || !shown.includes(r.arm)) continue;
    const told = `${r.task}: ${r.missing}`;
    why.set(told, [...(why.get(told) || []), data.arms[r.arm].label]);
  }
  const missing = [...why].map(([told, names]) => h("span", {}, told, names.length < shown.length ? [" (", few(names), ")"] : ""));
  return h("div", {}, unfiltered("over all tasks of a suite in its rows", tasks().length < data.tasks.length && rows.some((r) => r.suite)), made, notes([get("errors") === "zero" ? "failed trials count as the worst value" : null,
    get("shared") === "1" ? "only questions on which every arm has a value" : null,
    rows.some(overEpochs) ? "of a task with one question (n 1) the interval is that of its epochs: how it comes out when it is asked again, not how other questions would" : null,
    "score ± SE: the mean over questions and its standard error", ...missing].filter(Boolean)),
  brief ? check("every task", get("tasks_too") === "1", (on) => set({ tasks_too: on ? "1" : "" })) : null,
  data.tasks.some((t) => t.metrics.length > 1) ? check("every metric", get("every") === "1", (on) => set({ every: on ? "1" : "" })) : null);
}

// What trials did: how many of them took each path.
function markers() {
  const data = payload();
  if (!data.markers.length) return null;
  const shown = arms();
  const level = get("level");
  const here = data.costs.filter((c) => data.markers.includes(c.measure) && shown.includes(c.arm));
  const all = here.filter((c) => c.task === EVERY || !here.some((o) => o.arm === c.arm && o.measure === c.measure && o.task === EVERY));
  const fired = new Set(all.filter((c) => c.mean > 0).map((c) => c.measure));
  const silent = data.markers.filter((m) => !fired.has(m) && all.some((c) => c.measure === m));
  const whole = all.filter((c) => fired.has(c.measure));
  const series = shown.map((i) => data.arms[i].label);
  const name = markerName;
  const axis = axesAlong().find((a) => a.name === chosenAxis(axesAlong()));
  const chart = () => axis
    ? alongAxis(whole.map((c) => ({ task: name(c.measure), arm: c.arm, href: trialsOf({ arm: c.arm, marker: c.measure }), value: c.mean, low: c.at[level].low, high: c.at[level].high, percent: true, shown: `${c.mean_shown} %` })), "share of trials", axis, MOST_MARKERS)
    : [later(place(), "dots", { rows: whole.map((c) => ({ row: name(c.measure), series: data.arms[c.arm].label, value: c.mean, low: c.at[level].low, high: c.at[level].high, href: trialsOf({ arm: c.arm, marker: c.measure }),
      label: `${data.arms[c.arm].label}, ${name(c.measure)}: ${c.mean_shown} %` })) },
    { series, arms: shown, legend: legend(series), x_title: "share of trials", format: PERCENT, zero: true, description: "Marker adoption by arm" })];
  const said = [h("h2", {}, "What they did"), h("p", { className: "soft" }, "Share of trials in which each marker fired, over all tasks; a marker is a behaviour that every trial is looked through for. Intervals are over questions, of which there are fewer than trials.",
    silent.length ? ` Never: ${silent.map(name).join(", ")}.` : "")];
  if (!whole.length) return said;
  return [...said, ...chart(), table([
      { title: "marker", who: true, cell: (c) => name(c.measure) },
      { title: "arm", who: true, cell: (c) => armName(c.arm) },
      { title: "questions", number: true, cell: (c) => c.n },
      { title: "trials", number: true, cell: (c) => c.trials },
      { title: "share ± SE, %", number: true, lead: true, cell: (c) => to(c.mean_shown, { arm: c.arm, marker: c.measure }), about: "the mean over questions; the epochs of a question are averaged first" },
      { title: `${100 * level} % interval`, number: true, cell: (c) => c.at[level].shown },
      { title: "what it means", cell: (c) => (data.marker_descriptions || {})[c.measure] },
    ], shown.length > MANY_ARMS ? whole.filter((c) => c.mean > 0) : whole, { caption: "Markers by arm", sortable: true })];
}
