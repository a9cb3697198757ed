// Questions: two sides lined up question by question, flips first, with what each answered.

import { arms, tasks } from "./controls.js";
import { check, choice, empty, h, plural, replace } from "./dom.js";
import { judged, payload, primary, shownValue, status, text, valueOf } from "./payload.js";
import { question } from "./question.js";
import { fresh, get, set } from "./state.js";
import { markersScored, statuses, trialTest } from "./trials.js";

const PAGE = 200;
const MOST_VALUES = 60;
const OUTCOMES = [["flips", "flips"], ["won", "B better"], ["lost", "B worse"], ["right", "both right"], ["wrong", "both wrong"], ["tied", "same score"], ["failed", "a trial failed or gave no answer"], ["one", "only one side has it"], ["all", "all"]];

export function questions(main) {
  const data = payload();
  main.append(h("h1", {}, "Questions"));
  if (!data.instances.length) return main.append(empty("There are no trials, so there are no questions to show."));
  const [a, b] = chosenSides();
  const single = b === null;
  const test = trialTest();
  const lines = lineUp(a, b, test);
  const show = MATCH[get("show")] && (!single || SINGLE.includes(get("show"))) ? get("show") : single ? "all" : "flips";
  const own = data.sides.map((s, i) => [i, s.label]);
  const search = h("input", { type: "search", id: "search", placeholder: get("regex") === "1" ? "regular expression" : "words", value: get("q"), "aria-label": "Search in questions and outputs" });
  search.addEventListener("input", () => { set({ q: search.value, at: "" }, { quiet: true }); renew(); });
  const result = h("div", {});
  const fields = metadataFields();
  main.append(h("div", { className: "row" },
    data.sides.length < 2 ? null : choice("A", data.arms.length > 1 ? [["all", "every arm"], ...own] : own, a.key, (v) => set({ a: v, b: v === b?.key ? a.key : v === "all" ? "none" : b === null ? "none" : b.key, at: "" })),
    data.sides.length < 2 || a.key === "all" ? null : choice("B", [["none", "nothing"], ...own.filter(([i]) => i !== a.key)], single ? "none" : b.key, (v) => set({ a: a.key, b: v, at: "", show: v === "none" || single ? "" : get("show") })),
    choice("show", single ? OUTCOMES.filter(([k]) => SINGLE.includes(k)) : OUTCOMES, show, (v) => set({ show: v, at: "" })),
    data.tasks.length > 1 ? choice("task", [["", "all"], ...data.tasks.map((t, i) => [i, t.spec])], get("task"), (v) => set({ task: v, at: "" })) : null,
    markersScored().length ? choice("marker", [["", "any"], ...markersScored().flatMap((m) => [[m, `${m.slice(7)} fired`], [`!${m}`, `${m.slice(7)} did not`]])], get("marker"), (v) => set({ marker: v, at: "" })) : null,
    statuses().length > 1 ? choice("status", [["", "any"], ...statuses().map((s) => [s, s])], get("status"), (v) => set({ status: v, at: "" })) : null,
    fields.length ? choice("metadata", [["", "any"], ...fields.map((f) => [f, f])], get("meta"), (v) => set({ meta: v, at: "" })) : null,
    h("label", {}, "search", search), check("regular expression", get("regex") === "1", (on) => set({ regex: on ? "1" : "" }))), result);

  function renew() {
    const { found, problem } = filtered(lines, show);
    draw(result, found, problem, a, b, show, test);
  }
  renew();
}

// What is lined up: a side of the report, every arm that is shown, or (as B) nothing.
function chosenSides() {
  const data = payload();
  const side = (i) => ({ key: i, label: data.sides[i].label, arms: new Set(data.sides[i].arms) });
  const known = (name) => get(name) !== "" && data.sides[Number(get(name))] !== undefined;
  if (data.sides.length < 2) return [side(0), null];
  if (get("a") === "all") return [{ key: "all", label: "every arm", arms: new Set(arms()) }, null];
  const a = known("a") ? Number(get("a")) : known("b") ? 0 : data.first[0];
  if (get("b") === "none") return [side(a), null];
  const b = known("b") && Number(get("b")) !== a ? Number(get("b")) : a === data.first[0] ? data.first[1] : data.sides.findIndex((_, i) => i !== a);
  return [side(a), side(b)];
}

// One line an instance: the trials of both sides and their mean values (descriptive). What is asked of trials (a marker,
// a status) leaves only those of one side; of two, whole questions on which some trial is like that.
function lineUp(a, b, test) {
  const data = payload();
  const lines = data.instances.map((_, i) => ({ instance: i, a: [], b: [] }));
  const { trials } = data;
  for (let t = 0; t < trials.id.length; t++) {
    if (a.arms.has(trials.arm[t]) && (b || !test || test(t))) lines[trials.instance[t]].a.push(t);
    if (b && b.arms.has(trials.arm[t])) lines[trials.instance[t]].b.push(t);
  }
  const errors = get("errors");
  for (const line of lines) {
    line.task = data.instances[line.instance].task;
    line.valueA = mean(line.a, errors);
    line.valueB = mean(line.b, errors);
    const metric = primary(data.tasks[line.task]);
    line.gain = line.valueA === null || line.valueB === null ? null : (metric && metric.lower ? -1 : 1) * (line.valueB - line.valueA);
  }
  return lines.filter((line) => (line.a.length || line.b.length) && (!test || [...line.a, ...line.b].some(test)));
}

function mean(trials, errors) {
  let sum = 0, n = 0;
  for (const t of trials) {
    const value = valueOf(t, errors);
    if (value !== null) { sum += value; n += 1; }
  }
  return n ? sum / n : null;
}

function metadataFields() {
  const found = new Map();
  for (const one of payload().instances) for (const [key, value] of Object.entries(one.metadata || {})) found.set(key, (found.get(key) || new Set()).add(value));
  // A key with a value of its own for almost every question is no way to choose questions.
  return [...found].filter(([, values]) => values.size <= MOST_VALUES).flatMap(([key, values]) => [...values].map((value) => `${key}=${value}`)).sort();
}

const SINGLE = ["right", "wrong", "failed", "all"];
const MATCH = {
  flips: (l) => l.gain !== null && l.gain !== 0,
  won: (l) => l.gain > 0,
  lost: (l) => l.gain !== null && l.gain < 0,
  right: (l) => l.valueA === 1 && (l.valueB === 1 || !l.b.length),
  wrong: (l) => l.valueA === 0 && (l.valueB === 0 || !l.b.length),
  tied: (l) => l.gain === 0,
  failed: (l) => [...l.a, ...l.b].some((t) => status(t) !== "ok"),
  one: (l) => !l.a.length || !l.b.length,
  all: () => true,
};

function filtered(lines, show) {
  const data = payload();
  const shown = new Set(tasks());
  const query = get("q");
  let test = null;
  if (query) {
    try {
      const pattern = get("regex") === "1" ? new RegExp(query, "iu") : null;
      const words = query.toLowerCase();
      test = pattern ? (s) => pattern.test(s) : (s) => s.toLowerCase().includes(words);
    } catch (error) {
      return { found: [], problem: `The regular expression cannot be read: ${error.message}` };
    }
  }
  const meta = get("meta");
  const found = lines.filter((line) => {
    const one = data.instances[line.instance];
    if (!shown.has(line.task) || (get("task") !== "" && line.task !== Number(get("task"))) || !MATCH[show](line)) return false;
    if (meta && !Object.entries(one.metadata || {}).some(([k, v]) => `${k}=${v}` === meta)) return false;
    return !test || test(one.question) || test(one.id) || [...line.a, ...line.b].some((t) => test(text(data.trials.output[t]) || "") || test(text(data.trials.answer[t]) || "") || test(text(data.trials.error[t]) || ""));
  });
  // Losses before wins of the same size: what got worse is what one has to look at.
  found.sort((x, y) => Math.abs(y.gain || 0) - Math.abs(x.gain || 0) || (x.gain > 0) - (y.gain > 0) || x.instance - y.instance);
  return { found, problem: null };
}

// What narrows the list, beside `show`.
const FILTERS = ["task", "marker", "status", "meta", "q"];

function nothing(show) {
  const data = payload();
  const filters = FILTERS.filter((name) => get(name) !== "");
  const all = Object.fromEntries([...FILTERS, "regex", "at"].map((name) => [name, ""]));
  const reset = (label, values) => h("p", {}, h("button", { type: "button", onclick: () => set(values) }, label));
  if (show === "flips" && !filters.length) {
    const few = tasks().length < data.tasks.length ? " of the chosen tasks" : "";
    return [empty(`There is no question${few} on which both sides have a score and the scores differ.`), reset("Show the questions without flips too", { show: "all" })];
  }
  const word = (OUTCOMES.find(([key]) => key === show) || [])[1];
  return [empty(`No question is shown by ${[show === "all" ? null : `"${word}"`, ...filters.map((name) => ({ task: "the task", marker: "the marker", status: "the status", meta: "the metadata", q: "the search" })[name])].filter(Boolean).join(", ") || "the chosen tasks and arms"}.`),
    filters.length || show !== "all" ? reset("Show all questions of these sides", { ...all, show: "all" }) : null];
}

function draw(result, found, problem, a, b, show, test) {
  const data = payload();
  const single = b === null;
  if (problem) return replace(result, empty(problem));
  if (!found.length) return replace(result, nothing(show));
  const at = Math.max(0, found.findIndex((l) => String(l.instance) === get("at")));
  const detail = h("section", { "aria-label": "The question", "aria-live": "polite" });
  const list = h("ol", { className: "list", id: "questions", "aria-label": "Questions" });
  let current = at, many = Math.max(PAGE, at + 1), looked = null;
  const items = [];

  function item(line, index) {
    const one = data.instances[line.instance];
    const word = line.gain === null ? "" : line.gain > 0 ? "won" : line.gain < 0 ? "lost" : "tied";
    return h("li", {}, h("button", { type: "button", onclick: () => { choose(index); if (isNarrow()) detail.scrollIntoView(); }, "aria-current": index === current ? "true" : null },
      h("span", { className: word === "won" ? "better" : word === "lost" ? "worse" : "soft" }, single ? value(line.valueA, one.task) : `${value(line.valueA, one.task)} → ${value(line.valueB, one.task)}`),
      h("span", {}, h("span", { className: "q" }, one.question || one.id), h("span", { className: "task" }, `${data.tasks[one.task].spec} · ${one.id}`))));
  }
  function fillList() {
    for (let i = items.length; i < Math.min(many, found.length); i++) { items.push(item(found[i], i)); list.append(items[i]); }
    if (many < found.length) {
      const more = h("li", {}, h("button", { type: "button", onclick: () => { more.remove(); many += PAGE; fillList(); } }, "", `${plural(found.length - many, "more question")} ...`));
      list.append(more);
    }
  }
  function choose(index, scroll = false) {
    if (index < 0 || index >= found.length) return;
    if (index >= items.length) { many = index + PAGE; list.lastChild.remove(); fillList(); }
    items[current].firstChild.removeAttribute("aria-current");
    current = index;
    items[current].firstChild.setAttribute("aria-current", "true");
    if (scroll) items[current].scrollIntoView({ block: "nearest" });
    set({ at: found[current].instance }, { quiet: true });
    looked = question(detail, found[current], a, b, test);
  }
  fillList();
  replace(result, h("p", { className: "soft", id: "count" }, descriptive(found, a, b)), h("div", { className: "split" }, h("div", {}, list,
    h("p", { className: "soft" }, h("kbd", {}, "j"), " ", h("kbd", {}, "k"), " next, previous · ", h("kbd", {}, "t"), " the trace · ", h("kbd", {}, "/"), " search")), detail));
  looked = question(detail, found[current], a, b, test);
  result.move = (by) => choose(current + by, true);
  result.trace = () => {
    const [first, second] = [looked.a ?? looked.b, looked.a === undefined ? undefined : looked.b];
    location.hash = fresh({ view: "trace", trial: data.trials.id[first], vs: second === undefined ? "" : data.trials.id[second] });
  };
  window.weighQuestions = result;
}

function value(number, task) {
  return judged(number, primary(payload().tasks[task]));
}

// Whether the question stands below the list and not beside it.
function isNarrow() {
  return window.matchMedia("(max-width: 760px)").matches;
}

function descriptive(found, a, b) {
  const single = b === null;
  const { cut, tasks: all } = payload();
  const metrics = [...new Set(found.map((l) => l.task))].map((task) => primary(all[task]));
  const metric = metrics.every((m) => m && m.percent) ? metrics[0] : null;
  const side = (key) => {
    const known = found.map((l) => l[key]).filter((v) => v !== null);
    return known.length ? shownValue(known.reduce((x, y) => x + y, 0) / known.length, metric) : "-";
  };
  return `${plural(found.length, "question")}; mean ${single ? side("valueA") : `of A ${side("valueA")}, of B ${side("valueB")}`}. These describe what is listed here and prove nothing: a selection made by looking is no evidence.${!single && (a.arms.size > 1 || b.arms.size > 1) ? " Compare pairs each arm with its partner, so its means may differ." : ""}${cut ? ` Outputs are searched in their first ${cut} characters.` : ""}`;
}
