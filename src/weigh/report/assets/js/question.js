// One question of two sides: which trials each has, and of one trial of each the answer and the prompt.

import { swatch } from "./controls.js";
import { marked } from "./differ.js";
import { givenKey, givenRow } from "./given.js";
import { empty, h, plural, replace, table } from "./dom.js";
import { isFailed, judged, payload, primary, record, status, text, valueOf } from "./payload.js";
import { fresh } from "./state.js";
import { promptOf } from "./steps.js";
import { epochOf } from "./trials.js";

// Draws into `detail`. Returns the trials that are looked at, as {a, b}; they change when the reader chooses others.
export function question(detail, line, a, b, test) {
  const data = payload();
  const one = data.instances[line.instance];
  const single = b === null;
  const head = [h("h2", { style: { "margin-top": "0" } }, `${data.tasks[one.task].spec} · ${one.id}`), h("pre", { className: "text" }, one.question || "(no text)"),
    h("dl", { className: "facts" }, one.target !== undefined ? h("div", {}, h("dt", {}, "target"), h("dd", {}, one.target)) : null,
      Object.entries(one.metadata || {}).map(([k, v]) => h("div", {}, h("dt", {}, k), h("dd", {}, v))))];
  const looked = { a: first(line.a, line, -1, test), b: first(line.b, line, 1, test) };
  const columns = h("div", { className: single ? "" : "pair" });
  replace(detail, head, columns);
  const fill = (records) => {
    const shown = [looked.a, looked.b];
    const full = shown.map((t, i) => (t === undefined ? null : (records[i] && records[i].trajectory && records[i].trajectory.output.text) || text(data.trials.output[t]) || ""));
    const prompts = records.map((r) => (r ? promptOf(r) : null));
    const sides = both(full.map((words) => (words === null ? null : words.trimEnd()))), asked = both(prompts);
    const told = single ? null : toldOf(records, prompts);
    const part = (i) => ({ shown: sides[i], prompt: prompts[i] === null ? null : asked[i], told, whole: records[i], other: records[1 - i], single, trial: shown[i], look: (t) => { looked["ab"[i]] = t; load(); } });
    replace(columns, answer(a, "A", line.a, part(0)), single ? null : answer(b, "B", line.b, part(1)));
  };
  let asked = 0;
  async function load() {
    const mine = ++asked;
    fill([null, null]);
    try {
      const records = await Promise.all([looked.a, looked.b].map((t) => (t === undefined ? null : record(t))));
      if (columns.isConnected && mine === asked) keepingFocus(columns, () => fill(records));
    } catch (error) {
      if (columns.isConnected && mine === asked) columns.append(h("p", { className: "bad" }, error.message));
    }
  }
  load();
  return looked;
}

// Where the sides differ: the better side's best trial beside the other's worst, so that the difference can be seen.
function first(trials, line, side, test) {
  const { tasks } = payload();
  const fit = test ? trials.filter(test) : [];
  const some = fit.length ? fit : trials;
  if (!line.gain || some.length < 2) return some[0];
  const metric = primary(tasks[line.task]);
  const way = side * Math.sign(line.gain) * (metric && metric.lower ? -1 : 1);
  const known = some.filter((t) => valueOf(t, "exclude") !== null);
  return known.length ? known.reduce((best, t) => (way * (valueOf(t, "exclude") - valueOf(best, "exclude")) > 0 ? t : best)) : some[0];
}

function keepingFocus(element, work) {
  const label = element.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  work();
  const again = label && element.querySelector(`[aria-label="${label}"]`);
  if (again) again.focus({ preventScroll: true });
}

// Two texts with their differences marked, where there are two.
function both([one, other]) {
  return one && other ? marked(one, other) : [[one], [other]];
}

// How what two trials were told compares: "the same" only of all that the model was given.
function toldOf(records, prompts) {
  if (prompts.some((p) => p === null)) return { words: "prompt as rendered", open: false };
  const given = records.map(givenKey);
  const besides = given[0].key !== given[1].key;
  if (prompts[0] !== prompts[1]) return { words: `prompt as rendered (differences marked${besides ? "; what else was given differs too" : ""})`, open: true };
  if (besides) return { words: "prompt as rendered (the same for both, but what else was given differs: see below it)", open: true };
  if (given.every((one) => one.known)) return { words: "prompt as rendered (the same for both)", open: false };
  return { words: "prompt as rendered (the same for both, as far as it was recorded: the agent's own system prompt was not)", open: false };
}

// How a trial went: "match: right", "timeout".
export function verdict(trial, metric) {
  const value = valueOf(trial, "exclude");
  if (value === null) return status(trial);
  return `${metric ? metric.name : "score"}: ${judged(value, metric)}${status(trial) === "ok" ? "" : ` (${status(trial)})`}`;
}

function answer(side, letter, trials, { shown, prompt, told, whole, other, single, trial, look }) {
  const data = payload();
  const title = single ? side.label : `${letter}  ${side.label}`;
  if (!trials.length) return h("div", {}, h("h3", {}, title), empty("This side did not run this question."));
  const metric = primary(data.tasks[data.trials.task[trial]]);
  const said = text(data.trials.answer[trial]);
  const value = valueOf(trial, "exclude");
  const judgement = isFailed(trial) ? "bad" : metric && metric.percent && !metric.lower && value !== null ? (value === 1 ? "good" : value === 0 ? "bad" : null) : null;
  return h("div", {}, h("h3", {}, title), trials.length > 1 ? chooser(side, letter, trials, trial, metric, look) : null,
    h("div", { className: "facts" }, h("span", {}, side.arms.size > 1 ? h("span", {}, swatch(data.trials.arm[trial]), `${data.arms[data.trials.arm[trial]].label}${epochOf(trial)}  `) : null,
      h("a", { href: fresh({ view: "trace", trial: data.trials.id[trial] }), className: judgement, title: "its trace" }, verdict(trial, metric)), said !== null && said !== text(data.trials.output[trial]) ? h("span", { className: "soft" }, ` taken as: ${said}`) : null)),
    text(data.trials.error[trial]) ? h("p", { className: "bad" }, text(data.trials.error[trial])) : null,
    ranked(whole) || h("pre", { className: "text output" }, shown.some((s) => s !== null && s !== undefined && s !== "") ? shown : h("span", { className: "soft" }, said !== null ? "(no text: the answer was chosen among those given)" : "(no text)")),
    whole ? h("details", { className: "asked", open: Boolean(told && told.open && prompt !== null) }, h("summary", {}, told ? told.words : "prompt as rendered"), h("pre", {}, prompt || "(none)"), givenRow(whole, { other })) : null);
}

// The trials of a side, of which one is shown.
function chooser(side, letter, trials, trial, metric, look) {
  const data = payload();
  const values = trials.map((t) => valueOf(t, "exclude"));
  const right = metric && metric.percent && !metric.lower ? `${values.filter((v) => v === 1).length} of ${plural(trials.length, "trial")} right. ` : `${plural(trials.length, "trial")}. `;
  const select = h("select", { "aria-label": `Trial of ${letter}`, onchange: () => look(Number(select.value)) },
    trials.map((t) => h("option", { value: t, selected: t === trial }, `${side.arms.size > 1 ? data.arms[data.trials.arm[t]].label : `trial ${trials.indexOf(t) + 1}`}${epochOf(t)} · ${verdict(t, metric)}`)));
  return h("div", { className: "row" }, h("span", { className: "soft tally" }, right), h("label", {}, "shown", select));
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
