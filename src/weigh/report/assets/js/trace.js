// Trace: one trial as a timeline, or two of one question side by side.

import { armName } from "./controls.js";
import { empty, h, plural, replace } from "./dom.js";
import { givenRow } from "./given.js";
import { judged, measure, payload, primary, record, status, text } from "./payload.js";
import { verdict } from "./question.js";
import { get, link, set } from "./state.js";
import { stepsOf } from "./steps.js";
import { epochOf } from "./trials.js";

export function trace(main) {
  const data = payload();
  main.append(h("h1", {}, "Trace"));
  if (!data.trials.id.length) return main.append(empty("There are no trials to look at."));
  const first = find(get("trial"));
  if (get("trial") && first === null) return main.append(empty(`No trial of this report begins with ${get("trial")}.`), h("p", {}, h("a", { href: link({ trial: "", vs: "", step: "" }) }, "Show another one")));
  const shown = first === null ? firstWorthwhile() : first;
  const second = get("vs") ? find(get("vs")) : null;
  if (first === null) main.append(h("p", { className: "soft", id: "unasked" }, measure("tool_calls", shown) ? "No trial was chosen: this is the one with the most tool calls." : "No trial was chosen: this is the first one."));
  main.append(picker(shown, second));
  const columns = h("div", { className: second === null ? "" : "pair" });
  main.append(columns);
  for (const trial of second === null ? [shown] : [shown, second]) columns.append(one(trial, second !== null));
}

function find(prefix) {
  const data = payload();
  if (data.byId.has(prefix)) return data.byId.get(prefix);
  const found = prefix ? data.trials.id.findIndex((id) => id.startsWith(prefix)) : -1;
  return found < 0 ? null : found;
}

// Without a wish: the trial with the most tool calls, of equals that of the first question.
function firstWorthwhile() {
  const { trials } = payload();
  const calls = (i) => measure("tool_calls", i) || 0;
  let best = 0;
  for (let i = 1; i < trials.id.length; i++) if (calls(i) > calls(best) || (calls(i) === calls(best) && trials.instance[i] < trials.instance[best])) best = i;
  return best;
}

function label(trial) {
  const data = payload();
  return `${data.arms[data.trials.arm[trial]].label}${epochOf(trial)} · ${verdict(trial, primary(data.tasks[data.trials.task[trial]]))}`;
}

// The same arm's trial of another question, of the same epoch where there is one.
function alikeOn(instance, trial) {
  const { trials } = payload();
  const own = trials.id.map((_, i) => i).filter((i) => trials.instance[i] === instance && trials.arm[i] === trials.arm[trial]);
  return own.find((i) => trials.epoch[i] === trials.epoch[trial]) ?? own[0];
}

function picker(trial, second = null) {
  const data = payload();
  const instance = data.trials.instance[trial];
  const same = [];
  for (let i = 0; i < data.trials.id.length; i++) if (data.trials.instance[i] === instance) same.push(i);
  const select = (name, value, blank) => {
    const element = h("select", { onchange: () => set({ [name]: element.value, step: "" }) });
    if (blank) element.append(h("option", { value: "" }, blank));
    for (const i of same) element.append(h("option", { value: data.trials.id[i], selected: i === value }, label(i)));
    return element;
  };
  const step = (by) => {
    const next = instance + by;
    if (!data.instances[next]) return;
    const at = alikeOn(next, trial) ?? data.trials.instance.indexOf(next);
    const beside = second === null ? undefined : alikeOn(next, second);
    set({ trial: data.trials.id[at], vs: beside === undefined || beside === at ? "" : data.trials.id[beside], step: "" });
  };
  window.weighTrace = { step };
  return h("div", {}, h("div", { className: "row" }, h("button", { type: "button", onclick: () => step(-1), disabled: !data.instances[instance - 1], "aria-label": "Previous question" }, "‹"),
    h("button", { type: "button", onclick: () => step(1), disabled: !data.instances[instance + 1], "aria-label": "Next question" }, "›"),
    h("b", {}, `${data.tasks[data.instances[instance].task].spec} · ${data.instances[instance].id}`),
    h("label", {}, "trial", select("trial", trial)), same.length > 1 ? h("label", {}, "beside", select("vs", second, "nothing")) : null),
  h("pre", { className: "text" }, data.instances[instance].question || "(no text)"),
  data.instances[instance].target !== undefined ? h("p", { className: "soft" }, `target: ${data.instances[instance].target}`) : null);
}

function one(trial, beside) {
  const data = payload();
  const { trials } = data;
  const scores = Object.entries(data.scores).filter(([, values]) => values[trial] !== null && values[trial] !== undefined);
  const fact = (name, value) => (value === null || value === undefined ? null : h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  const facts = h("dl", { className: "facts" }, fact("trial", trials.id[trial]), fact("status", h("span", { className: status(trial) === "ok" ? "" : "bad" }, status(trial))),
    scores.filter(([name]) => !isMarker(name)).map(([name, values]) => fact(name, scoreText(name, values[trial], data.tasks[trials.task[trial]]))), fact("seconds", measure("seconds", trial) === null ? null : measure("seconds", trial).toFixed(2)),
    [["new", "new"], ["cached", "cached"], ["generated", "generated"], ["turns", "turns"], ["tool_calls", "tool calls"], ["tool_errors", "tool errors"], ["files_written", "files written"]].map(([name, label]) => fact(label, measure(name, trial))),
    fact("did not", scores.filter(([name, values]) => isMarker(name) && !values[trial]).map(([name]) => name.slice(7)).join(", ") || null));
  const body = h("div", { className: "trace" }, h("p", { className: "loading" }, "Opening the trace ..."));
  record(trial).then((whole) => {
    if (whole) replace(body, timeline(whole, beside, data.tasks[trials.task[trial]]));
    else replace(body, empty(data.traces === "none" ? "This report was written without traces (--traces none); what the index holds is above." : "This report holds the traces of failed trials only (--traces failed)."),
      h("pre", { className: "text" }, text(trials.output[trial]) || "(no text)"));
    const here = body.querySelector(".here");
    if (here) here.scrollIntoView({ block: "center" });
  }, (error) => replace(body, h("p", { className: "bad" }, error.message)));
  return h("section", { "aria-label": `Trial ${trials.id[trial]}` }, h("h2", {}, armName(trials.arm[trial]), epochOf(trial)), facts,
    text(trials.error[trial]) ? h("p", { className: "bad" }, text(trials.error[trial])) : null, body);
}

function isMarker(name) {
  return name.startsWith("marker:");
}

// A score as a person says it: markers fired or did not, shares are right or wrong.
function scoreText(name, value, task) {
  if (isMarker(name)) return value ? "yes" : "no";
  return judged(value, task.metrics.find((m) => m.scorer === name));
}

function timeline(whole, beside, task) {
  const steps = stepsOf(whole);
  const hits = hitsOf(whole);
  const raw = h("details", {}, h("summary", {}, "raw record"));
  raw.addEventListener("toggle", () => { if (raw.open && raw.children.length === 1) raw.append(h("pre", { className: "raw" }, JSON.stringify(whole, null, 1))); });
  return [scoresOf(whole, task), hits.length ? h("p", {}, "Markers: ", places(hits).map(([name, steps]) => h("span", { className: "tag" }, name, " in step ", steps.flatMap((step, i) => [i ? ", " : "", h("a", { href: link({ trial: whole.id, step }) }, step)]))).flatMap((t) => [t, " "])) : null,
    timeBar(steps), givenRow(whole), steps.length ? steps.map((step, i) => drawStep(whole, step, i, hits.filter((hit) => hit.step === i), beside)) : empty(whole.error ? `There are no steps: ${whole.error.kind}: ${whole.error.message}.` : whole.status === "ok" ? "Nobody recorded what happened: this score came without its trace (an imported table)." : "There are no steps: the trial ended before a request was made."),
    whole.trajectory && whole.trajectory.stop_reason ? h("p", {}, `It was ended: ${whole.trajectory.stop_reason}.`) : null, attempts(whole), raw];
}

function scoresOf(whole, task) {
  const told = Object.entries(whole.scores || {}).filter(([name, s]) => !name.startsWith("marker:") && (s.explanation || s.error || s.answer !== undefined));
  return told.length ? h("ul", { className: "notes" }, told.map(([name, s]) => h("li", {}, h("b", {}, name), s.value !== undefined ? ` ${scoreText(name, s.value, task)}` : "", s.answer !== undefined ? `, taken as: ${s.answer}` : "", s.explanation ? `, ${s.explanation}` : "", s.error ? `, failed: ${s.error.message}` : ""))) : null;
}

function hitsOf(whole) {
  const found = [];
  for (const [name, score] of Object.entries(whole.scores || {})) {
    if (name.startsWith("marker:")) for (const hit of (score.metadata || {}).hits || []) found.push({ ...hit, name: name.slice(7) });
  }
  return found;
}

// Each marker with the steps in which it fired.
function places(hits) {
  const found = new Map();
  for (const { name, step } of hits) found.set(name, (found.get(name) || new Set()).add(step + 1));
  return [...found].map(([name, steps]) => [name, [...steps]]);
}

// Where the time went: one piece a step, tools after the model.
function timeBar(steps) {
  const pieces = steps.flatMap((step) => [[step.seconds || 0, "", step.source], ...(step.observations || []).map((o) => [o.seconds || 0, "tool", o.tool])]).filter(([s]) => s > 0);
  const total = pieces.reduce((a, [s]) => a + s, 0);
  if (pieces.length < 2) return null;
  const tools = pieces.filter(([, kind]) => kind).reduce((a, [s]) => a + s, 0);
  return h("div", {}, h("div", { className: "bar", role: "img", "aria-label": `${total.toFixed(1)} seconds, ${tools.toFixed(1)} of them in tools` },
    pieces.map(([s, kind, who]) => h("i", { className: kind, style: { flex: String(s / total) }, title: `${who}: ${s.toFixed(2)} s` }))),
  h("p", { className: "soft" }, `${(total - tools).toFixed(1)} s in the model, ${tools.toFixed(1)} s in tools`));
}

function drawStep(whole, step, index, hits, beside) {
  const usage = step.usage || {};
  const observations = step.observations || [];
  const failed = observations.some((o) => o.is_error);
  const number = index + 1;
  const facts = [step.at !== undefined ? `at ${step.at.toFixed(1)} s` : null, step.seconds !== undefined && step.seconds !== null ? `${step.seconds.toFixed(2)} s` : null,
    usage.new !== undefined ? `${usage.new} new` : null, usage.cached ? `${usage.cached} cached` : null, usage.generated !== undefined ? `${usage.generated} generated` : null].filter(Boolean);
  const here = Number(get("step")) === number && (!beside || get("trial") === whole.id);
  const copy = h("button", { type: "button", className: "quiet", title: "Copy a link to this step", "aria-label": `Copy a link to step ${number}`, onclick: () => {
    set({ trial: whole.id, vs: !beside ? "" : get("vs") === whole.id ? get("trial") : get("vs"), step: number }, { quiet: true });
    const address = location.href;
    const told = (word) => { copy.textContent = word; setTimeout(() => { copy.textContent = "#"; }, 2000); };
    // Without a clipboard (a page over plain HTTP) the address bar has it.
    if (navigator.clipboard) navigator.clipboard.writeText(address).then(() => told("copied"), () => told("see the address bar"));
    else told("see the address bar");
  } }, "#");
  const texts = (scope) => hits.filter((hit) => scope(hit)).map((hit) => hit);
  return h("article", { className: `step ${step.source}${failed ? " error" : ""}${here ? " here" : ""}`, "data-step": number },
    h("header", {}, h("span", { className: "who" }, h("a", { href: link({ trial: whole.id, step: number }) }, `${number}  ${step.source}`)), h("span", { className: "soft" }, facts.join(" · ")),
      places(hits).map(([name]) => h("span", { className: "tag" }, name)), copy),
    step.reasoning ? h("details", { open: true }, h("summary", { className: "soft" }, "reasoning"), h("pre", { className: "reasoning" }, step.reasoning)) : null,
    step.message && step.message.trim() ? long(highlight(step.message.trimEnd(), texts((hit) => hit.scope === "answer" || hit.call === undefined)), step) : null, media(step.parts),
    step.continuations ? h("ul", {}, step.continuations.map((c) => h("li", {}, h("code", {}, c.text), ` ${c.logprob.toFixed(2)}`))) : null,
    (step.tool_calls || []).map((call, i) => {
      const seen = observations.find((o) => o.call_id === call.id);
      const own = texts((hit) => hit.call === i);
      const shown = argumentsOf(call);
      // A match that spans the call's name, or that is written otherwise than it is shown, marks the call itself.
      const unseen = own.some((hit) => !shown.includes(hit.text) && !(seen && (seen.content || "").includes(hit.text)));
      return h("div", {}, h("div", {}, h("span", { className: "tag" }, unseen ? h("mark", {}, `calls ${call.name}`) : `calls ${call.name}`)), h("pre", { className: "call" }, highlight(shown, own)),
        seen ? observation(seen, own) : h("p", { className: "soft" }, "No result came back."));
    }),
    observations.filter((o) => !(step.tool_calls || []).some((c) => c.id === o.call_id)).map((o) => observation(o, [])));
}

function long(content, step) {
  const box = h("pre", { className: "message" }, content);
  if (step.source === "model" || step.message.length < 1500) return box;
  return h("details", { open: false }, h("summary", {}, `${step.message.slice(0, 160).replace(/\s+/g, " ")} ... (${plural(step.message.length, "character")})`), box);
}

function observation(seen, hits) {
  const exit = (seen.metadata || {}).exit_code;
  return h("div", {}, h("div", { className: "soft" }, [seen.is_error ? "error" : "result", seen.seconds !== undefined ? `${seen.seconds.toFixed(2)} s` : null, exit !== undefined ? `exit code ${exit}` : null].filter(Boolean).join(" · ")),
    h("pre", { className: `observation${seen.is_error ? " error" : ""}` }, highlight((seen.content || "").trimEnd() || "(nothing)", hits.filter((hit) => hit.scope === "results"))));
}

function argumentsOf(call) {
  if (call.raw) return call.raw;
  const entries = Object.entries(call.arguments || {});
  // One text argument is shown as it was written: a command reads better without JSON's quotes.
  if (entries.length === 1 && typeof entries[0][1] === "string") return entries[0][1];
  return entries.map(([key, value]) => (typeof value === "string" && value.includes("\n") ? `${key}:\n${value}` : `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`)).join("\n");
}

function highlight(content, hits) {
  const words = [...new Set(hits.map((hit) => hit.text).filter((t) => t && content.includes(t)))];
  if (!words.length) return content;
  const parts = [];
  let rest = content;
  while (rest) {
    const next = words.map((w) => [rest.indexOf(w), w]).filter(([at]) => at >= 0).sort((x, y) => x[0] - y[0])[0];
    if (!next) break;
    parts.push(rest.slice(0, next[0]), h("mark", {}, next[1]));
    rest = rest.slice(next[0] + next[1].length);
  }
  return [...parts, rest];
}

// Images and sounds that a request carried itself; anything that would have to be fetched is named, not fetched.
export function media(parts) {
  if (!parts) return null;
  return parts.map((part) => {
    const address = part.type === "image_url" ? (part.image_url || {}).url || "" : part.type === "input_audio" ? `data:audio/${(part.input_audio || {}).format || "wav"};base64,${(part.input_audio || {}).data || ""}` : "";
    if (/^data:image\/(png|jpe?g|gif|webp);base64,/.test(address)) return h("img", { className: "input", src: address, alt: "an image of the request" });
    if (/^data:audio\/[\w.+-]+;base64,/.test(address)) return h("audio", { controls: true, src: address });
    return part.type === "text" || !address ? null : h("p", { className: "soft" }, `(${part.type}: ${address.slice(0, 120)})`);
  });
}

function attempts(whole) {
  const failed = (whole.attempts || []).filter((a) => a.error);
  return failed.length ? h("p", { className: "soft" }, `Earlier tries: ${failed.map((a) => `${a.error.kind} after ${a.seconds.toFixed(1)} s`).join(", ")}.`) : null;
}
