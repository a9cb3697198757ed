// Tasks: how each is asked and scored, and what every arm answered to a question of it.

import { armName, arms } from "./controls.js";
import { choice, empty, few, h, replace, table } from "./dom.js";
import { marked } from "./differ.js";
import { givenKey, givenRow } from "./given.js";
import { isFailed, judged, payload, primary, record, status, text, valueOf } from "./payload.js";
import { fresh, get, set } from "./state.js";
import { promptOf } from "./steps.js";
import { media } from "./trace.js";
import { hasEpochs } from "./trials.js";

export function tasksView(main) {
  const data = payload();
  main.append(h("h1", {}, "Tasks"));
  if (!data.tasks.length) return main.append(empty("This report has no tasks."));
  const at = data.tasks[Number(get("task"))] && get("task") !== "" ? Number(get("task")) : 0;
  const task = data.tasks[at];
  const own = data.instances.map((_, i) => i).filter((i) => data.instances[i].task === at);
  const instance = own.includes(Number(get("at"))) && get("at") !== "" ? Number(get("at")) : own[0];
  main.append(h("div", { className: "row" }, choice("task", data.tasks.map((t, i) => [i, t.spec]), at, (v) => set({ task: v, at: "" }))),
    h("h2", {}, task.spec), ...about(task, own.length));
  if (!own.length) return main.append(empty("No question of this task was asked."));
  const step = (by) => set({ at: own[Math.min(own.length - 1, Math.max(0, own.indexOf(instance) + by))], task: at });
  window.weighTasks = { step };
  main.append(h("h2", {}, "What every arm answered"), h("div", { className: "row" }, h("button", { type: "button", onclick: () => step(-1), disabled: instance === own[0], "aria-label": "Previous question" }, "‹"),
    h("button", { type: "button", onclick: () => step(1), disabled: instance === own.at(-1), "aria-label": "Next question" }, "›"), h("span", {}, `question ${own.indexOf(instance) + 1} of ${own.length}: ${data.instances[instance].id}`)), ...question(instance));
}

function about(task, asked) {
  const d = task.definition;
  const formatter = d.formatter && typeof d.formatter === "object" ? d.formatter : null;
  const fact = (name, value) => (value === null || value === undefined || value === "" ? null : h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  const scored = task.metrics.map((m) => `${m.name}${m.scorer !== m.name ? ` from ${m.scorer}` : ""}${m.reduce !== "mean" ? `, epochs by ${m.reduce}` : ""}${m.lower ? ", lower is better" : ""}`).join("; ");
  return [h("dl", { className: "facts" }, fact("scored by", scored || "nothing: this task has no scorer"), fact("asked as", formatter ? formatter.formatter : null), ...Object.entries(task.meanings || {}).map(([name, told]) => fact(`:${name}`, told)), fact("examples before the question", d.num_fewshot),
    fact("questions", task.num_instances !== null && task.num_instances !== asked ? `${asked} of ${task.num_instances}` : asked), fact("data", task.source), fact("licence", task.licence), fact("instruction", d.instruction)),
  h("details", {}, h("summary", {}, "the whole definition"), h("pre", {}, JSON.stringify(d, null, 1)))];
}

function question(instance) {
  const data = payload();
  const one = data.instances[instance];
  const shown = new Set(arms());
  const trials = [];
  for (let i = 0; i < data.trials.id.length; i++) if (data.trials.instance[i] === instance && shown.has(data.trials.arm[i])) trials.push(i);
  trials.sort((a, b) => data.trials.arm[a] - data.trials.arm[b] || data.trials.epoch[a] - data.trials.epoch[b]);
  const prompt = h("div", {});
  const metric = primary(data.tasks[one.task]);
  if (trials.length) {
    Promise.all(oneOfEachArm(trials).map(record)).then((found) => {
      const records = found.filter(Boolean);
      if (!records.length) return replace(prompt, h("p", { className: "soft" }, "The prompt as rendered is in the traces, which this report was written without."));
      replace(prompt, inputs(records[0]), ...prompts(records));
    }, (error) => replace(prompt, h("p", { className: "bad" }, error.message)));
  }
  return [h("h3", {}, "Question"), h("pre", { className: "text" }, one.question || "(no text)"), one.target !== undefined ? h("p", {}, h("span", { className: "soft" }, "target "), one.target) : h("p", { className: "soft" }, "This question has no target of its own."),
    table([
      { title: "arm", cell: (t) => armName(data.trials.arm[t]) },
      { title: "epoch", number: true, cell: (t) => (hasEpochs() ? data.trials.epoch[t] + 1 : null) },
      { title: metric ? metric.name : "score", number: true, cell: (t) => (isFailed(t) || valueOf(t, "exclude") === null ? null : ticked(valueOf(t, "exclude"), metric)) },
      { title: "status", cell: (t) => h("span", { className: status(t) === "ok" ? "" : "bad" }, status(t)) },
      { title: "taken as", className: "taken", cell: (t) => (same(t) ? null : folded(text(data.trials.answer[t]), 60)) },
      { title: "output", className: "wide", cell: (t) => folded(told(t)) },
      { title: "", cell: (t) => h("a", { href: fresh({ view: "trace", trial: data.trials.id[t] }), "aria-label": `trace of ${data.trials.id[t]}` }, "trace") },
    ], trials, { caption: "Answers of every arm" }), prompt];
}

// Of each arm the first trial that came to something.
function oneOfEachArm(trials) {
  const { trials: all } = payload();
  const places = [...new Set(trials.map((t) => all.arm[t]))];
  return places.map((arm) => trials.find((t) => all.arm[t] === arm && !isFailed(t)) ?? trials.find((t) => all.arm[t] === arm));
}

// What the arms were told, each text once with the arms that read it; the later ones held against the first.
function prompts(records) {
  const { arms: all } = payload();
  const groups = new Map();
  for (const whole of records) {
    const key = JSON.stringify([promptOf(whole), givenKey(whole).key]);
    groups.set(key, [...(groups.get(key) || []), whole]);
  }
  const label = (whole) => all.find((arm) => arm.run === whole.run && arm.id === whole.arm).label;
  const [first] = [...groups.values()][0];
  return [...groups.values()].map((group, i) => {
    const [whole] = group;
    const shown = promptOf(whole), other = promptOf(first);
    const names = groups.size === 1 ? (group.length > 1 ? [`${group.length} arms alike`] : [label(whole)]) : group.map(label);
    return h("section", { className: "told" }, h("h3", {}, "The prompt as rendered: ", few(names), i ? (shown === other ? " (as the first; what else was given differs)" : " (held against the first)") : ""),
      h("pre", { className: "prompt" }, shown === null ? "(the trial failed before there was any)" : i && other !== null ? marked(other, shown)[1] : shown), givenRow(whole, { other: i ? first : null, apart: group.length > 1 }));
  });
}

// "right" and "wrong", so that the eye finds them.
function ticked(value, metric) {
  const word = judged(value, metric);
  return h("span", { className: word === "right" ? "good" : word === "wrong" ? "bad" : null }, word === "right" ? "✓ " : word === "wrong" ? "✗ " : "", word);
}

// Whether the whole output was taken as the answer: then it is told once.
function same(trial) {
  const { trials } = payload();
  return (text(trials.answer[trial]) || "").trim() === (text(trials.output[trial]) || "").trim();
}

// A long text by its beginning, the rest when somebody asks for it.
function folded(words, most = 140) {
  const flat = (words || "").replace(/\s+/g, " ").trim();
  return flat.length <= most ? flat : h("details", {}, h("summary", {}, `${flat.slice(0, most - 20)} ...`), words);
}

// What a trial said, cut; why it failed, where it said nothing.
function told(trial) {
  const { trials } = payload();
  return (text(trials.output[trial]) || text(trials.error[trial]) || "").slice(0, 400);
}

// What the question came with: images and sounds of the request, files of the instance.
function inputs(whole) {
  const request = whole.trajectory && whole.trajectory.request;
  const parts = request && request.kind === "chat" ? request.messages.flatMap((m) => (typeof m.content === "string" ? [] : m.content)) : [];
  const files = Object.entries((whole.instance.inputs || {}).files || {});
  const made = [media(parts), files.map(([name, file]) => fileInput(name, file))].flat().filter(Boolean);
  return made.length ? [h("h3", {}, "Inputs"), made] : null;
}

function fileInput(name, file) {
  if (typeof file === "string") return h("details", {}, h("summary", {}, name), h("pre", {}, file));
  const kind = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", wav: "audio/wav", mp3: "audio/mpeg", flac: "audio/flac", ogg: "audio/ogg" }[name.split(".").pop().toLowerCase()];
  const data = file && file.base64;
  if (data && kind && kind.startsWith("image/")) return h("figure", { style: { margin: "6px 0" } }, h("img", { className: "input", src: `data:${kind};base64,${data}`, alt: name }), h("figcaption", { className: "soft" }, name));
  if (data && kind) return h("p", {}, name, " ", h("audio", { controls: true, src: `data:${kind};base64,${data}` }));
  return h("p", { className: "soft" }, data ? `${name} (a file)` : `${name}: lay at ${file && file.path} and is not in this report`);
}
