// Questions: two sides lined up question by question, flips first, with what each answered.

import { tasks } from "./controls.js";
import { check, choice, empty, h, plural, replace, table } from "./dom.js";
import { marked } from "./differ.js";
import { isFailed, judged, payload, primary, record, shownValue, status, text, valueOf } from "./payload.js";
import { fresh, get, set } from "./state.js";
import { promptOf } from "./steps.js";

const PAGE = 200;
const OUTCOMES = [["flips", "flips"], ["won", "B better"], ["lost", "B worse"], ["right", "both right"], ["wrong", "both wrong"], ["tied", "same score"], ["failed", "a trial failed or gave no answer"], ["one", "only one side has it"], ["all", "all"]];

export function questions(main) {
  const data = payload();
  main.append(h("h1", {}, "Questions"));
  if (!data.instances.length) return main.append(empty("There are no trials, so there are no questions to show."));
  const single = data.sides.length < 2;
  const a = data.sides[Number(get("a"))] && get("a") !== "" ? Number(get("a")) : 0;
  const b = single ? a : data.sides[Number(get("b"))] && get("b") !== "" && Number(get("b")) !== a ? Number(get("b")) : data.sides.findIndex((_, i) => i !== a);
  const lines = lineUp(a, b);
  const show = get("show") || (single ? "all" : "flips");
  const options = data.sides.map((s, i) => [i, s.label]);
  const search = h("input", { type: "search", id: "search", placeholder: get("regex") === "1" ? "regular expression" : "words", value: get("q"), "aria-label": "Search in questions and outputs" });
  search.addEventListener("input", () => { set({ q: search.value, at: "" }, { quiet: true }); renew(); });
  const result = h("div", {});
  const fields = metadataFields();
  main.append(h("div", { className: "row" },
    single ? null : choice("A", options, a, (v) => set({ a: v, at: "" })), single ? null : choice("B", options, b, (v) => set({ b: v, at: "" })),
    choice("show", single ? OUTCOMES.filter(([k]) => ["right", "wrong", "failed", "all"].includes(k)) : OUTCOMES, show, (v) => set({ show: v, at: "" })),
    data.tasks.length > 1 ? choice("task", [["", "all"], ...data.tasks.map((t, i) => [i, t.spec])], get("task"), (v) => set({ task: v, at: "" })) : null,
    fields.length ? choice("metadata", [["", "any"], ...fields.map((f) => [f, f])], get("meta"), (v) => set({ meta: v, at: "" })) : null,
    h("label", {}, "search", search), check("regular expression", get("regex") === "1", (on) => set({ regex: on ? "1" : "" }))), result);

  function renew() {
    const { found, problem } = filtered(lines, show);
    draw(result, found, problem, a, b, single);
  }
  renew();
}

// One line an instance: the trials of both sides and their mean values (descriptive).
export function lineUp(a, b) {
  const data = payload();
  const of = (side) => new Set(data.sides[side].arms);
  const first = of(a), second = of(b);
  const lines = data.instances.map((_, i) => ({ instance: i, a: [], b: [] }));
  const { trials } = data;
  for (let t = 0; t < trials.id.length; t++) {
    if (first.has(trials.arm[t])) lines[trials.instance[t]].a.push(t);
    if (a !== b && second.has(trials.arm[t])) lines[trials.instance[t]].b.push(t);
  }
  const errors = get("errors");
  for (const line of lines) {
    line.task = data.instances[line.instance].task;
    line.valueA = mean(line.a, errors);
    line.valueB = mean(line.b, errors);
    const metric = primary(data.tasks[line.task]);
    line.gain = line.valueA === null || line.valueB === null ? null : (metric && metric.lower ? -1 : 1) * (line.valueB - line.valueA);
  }
  return lines.filter((line) => line.a.length || line.b.length);
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
  const found = new Set();
  for (const one of payload().instances) for (const [key, value] of Object.entries(one.metadata || {})) found.add(`${key}=${value}`);
  return found.size <= 60 ? [...found].sort() : [];
}

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
    return !test || test(one.question) || test(one.id) || [...line.a, ...line.b].some((t) => test(text(data.trials.output[t]) || "") || test(text(data.trials.answer[t]) || ""));
  });
  // Losses before wins of the same size: what got worse is what one has to look at.
  found.sort((x, y) => Math.abs(y.gain || 0) - Math.abs(x.gain || 0) || (x.gain > 0) - (y.gain > 0) || x.instance - y.instance);
  return { found, problem: null };
}

function draw(result, found, problem, a, b, single) {
  const data = payload();
  if (problem) return replace(result, empty(problem));
  if (!found.length) {
    const flips = (get("show") || "flips") === "flips" && !single;
    return replace(result, empty(flips ? "No question matches: where nothing else is chosen, both sides scored the same everywhere." : "No question matches."),
      flips ? h("p", {}, h("button", { type: "button", onclick: () => set({ show: "all" }) }, "Show the questions without flips too")) : null);
  }
  const at = Math.max(0, found.findIndex((l) => String(l.instance) === get("at")));
  const detail = h("section", { "aria-label": "The question", "aria-live": "polite" });
  const list = h("ol", { className: "list", id: "questions", "aria-label": "Questions" });
  let current = at, many = Math.max(PAGE, at + 1);
  const items = [];

  function item(line, index) {
    const one = data.instances[line.instance];
    const word = line.gain === null ? "" : line.gain > 0 ? "won" : line.gain < 0 ? "lost" : "tied";
    return h("li", {}, h("button", { type: "button", onclick: () => choose(index), "aria-current": index === current ? "true" : null },
      h("span", { className: word === "won" ? "better" : word === "lost" ? "worse" : "soft" }, single ? show(line.valueA, one.task) : `${show(line.valueA, one.task)} → ${show(line.valueB, one.task)}`),
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
    question(detail, found[current], a, b, single);
  }
  fillList();
  replace(result, h("p", { className: "soft", id: "count" }, descriptive(found, single)), h("div", { className: "split" }, h("div", {}, list,
    h("p", { className: "soft" }, h("kbd", {}, "j"), " ", h("kbd", {}, "k"), " next, previous · ", h("kbd", {}, "t"), " the trace · ", h("kbd", {}, "/"), " search")), detail));
  question(detail, found[current], a, b, single);
  result.move = (by) => choose(current + by, true);
  result.trace = () => { const t = found[current].a[0] ?? found[current].b[0]; location.hash = fresh({ view: "trace", trial: data.trials.id[t], vs: found[current].b.length && found[current].a.length ? data.trials.id[found[current].b[0]] : "" }); };
  window.weighQuestions = result;
}

function show(value, task) {
  return judged(value, primary(payload().tasks[task]));
}

function descriptive(found, single) {
  const { cut, tasks: all } = payload();
  const metrics = [...new Set(found.map((l) => l.task))].map((task) => primary(all[task]));
  const metric = metrics.every((m) => m && m.percent) ? metrics[0] : null;
  const side = (key) => {
    const known = found.map((l) => l[key]).filter((v) => v !== null);
    return known.length ? shownValue(known.reduce((x, y) => x + y, 0) / known.length, metric) : "-";
  };
  return `${plural(found.length, "question")}; mean ${single ? side("valueA") : `of A ${side("valueA")}, of B ${side("valueB")}`}. These describe what is listed here and prove nothing: a selection made by looking is no evidence.${cut ? ` Outputs are searched in their first ${cut} characters.` : ""}`;
}

async function question(detail, line, a, b, single) {
  const data = payload();
  const one = data.instances[line.instance];
  const head = [h("h2", { style: { "margin-top": "0" } }, `${data.tasks[one.task].spec} · ${one.id}`), h("pre", { className: "text" }, one.question || "(no text)"),
    h("dl", { className: "facts" }, one.target !== undefined ? h("div", {}, h("dt", {}, "target"), h("dd", {}, one.target)) : null,
      Object.entries(one.metadata || {}).map(([k, v]) => h("div", {}, h("dt", {}, k), h("dd", {}, v))))];
  const first = line.a[0], second = line.b[0];
  const outputs = [first, second].map((t) => (t === undefined ? null : text(data.trials.output[t]) || ""));
  const columns = h("div", { className: single ? "" : "pair" });
  replace(detail, head, columns);
  const fill = (records) => {
    const full = records.map((r, i) => (r && r.trajectory ? r.trajectory.output.text || outputs[i] : outputs[i]));
    const prompts = records.map((r) => (r ? promptOf(r) : null));
    const sides = both(full), asked = both(prompts);
    const alike = !single && prompts[0] !== null && prompts[0] === prompts[1];
    const part = (i) => ({ shown: sides[i], prompt: prompts[i] === null ? null : asked[i], alike, whole: records[i], single });
    replace(columns, answer(data.sides[a], "A", line.a, part(0)), single ? null : answer(data.sides[b], "B", line.b, part(1)));
  };
  fill([null, null]);
  try {
    const records = await Promise.all([first, second].map((t) => (t === undefined ? null : record(t))));
    if (columns.isConnected) fill(records);
  } catch (error) {
    columns.after(h("p", { className: "bad" }, error.message));
  }
}

// Two texts with their differences marked, where there are two.
function both([one, other]) {
  return one && other ? marked(one, other) : [[one], [other]];
}

function answer(side, letter, trials, { shown, prompt, alike, whole, single }) {
  const data = payload();
  if (!trials.length) return h("div", {}, h("h3", {}, `${letter}  ${side.label}`), empty("This side did not run this question."));
  const metric = primary(data.tasks[data.trials.task[trials[0]]]);
  return h("div", {}, h("h3", {}, single ? side.label : `${letter}  ${side.label}`),
    h("div", { className: "facts" }, trials.map((t, i) => {
      const value = valueOf(t, "exclude");
      const known = value === null ? status(t) : `${metric ? metric.name : "score"}: ${judged(value, metric)}`;
      return h("span", {}, trials.length > 1 ? `${data.trials.epoch[t] + 1}. ` : "", h("a", { href: fresh({ view: "trace", trial: data.trials.id[t] }), className: isFailed(t) ? "bad" : null }, known), i === 0 && text(data.trials.answer[t]) !== null ? h("span", { className: "soft" }, ` taken as: ${text(data.trials.answer[t])}`) : null);
    })),
    text(data.trials.error[trials[0]]) ? h("p", { className: "bad" }, text(data.trials.error[trials[0]])) : null,
    ranked(whole) || h("pre", { className: "text output" }, shown.some((s) => s !== null && s !== "") ? shown : h("span", { className: "soft" }, text(data.trials.answer[trials[0]]) !== null ? "(no text: the answer was chosen among those given)" : "(no text)")),
    whole ? h("details", { className: "asked", open: !alike && !single && prompt !== null }, h("summary", {}, alike ? "prompt as rendered (the same for both)" : single ? "prompt as rendered" : "prompt as rendered (differences marked)"), h("pre", {}, prompt || "(none)")) : null);
}

// Answers that were given and ranked by how likely the model finds each.
function ranked(whole) {
  const { request, output } = (whole && whole.trajectory) || {};
  if (!output || !output.continuations || !request.continuations) return null;
  const best = Math.max(...output.continuations.map((c) => c.logprob));
  return table([
    { title: "answers given", cell: ([words, one]) => (one.logprob === best ? h("b", {}, words, " (likeliest)") : words) },
    { title: "log-probability", number: true, cell: ([, one]) => one.logprob.toFixed(2) },
    { title: "tokens", number: true, cell: ([, one]) => one.num_tokens },
  ], request.continuations.map((words, i) => [words, output.continuations[i]]), { caption: "Answers given, with log-probabilities" });
}
