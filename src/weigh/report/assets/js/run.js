// Run: what a reader needs to reproduce it, and how it went.

import { swatch } from "./controls.js";
import { append, h, notes, plural, table } from "./dom.js";
import { otherRuns } from "./live.js";
import { payload } from "./payload.js";
import { countsOf, to } from "./trials.js";

export function runView(main) {
  const data = payload();
  main.append(h("h1", {}, data.runs.length > 1 ? "Runs" : "Run"));
  for (const run of data.runs) append(main, one(run));
  const others = otherRuns();
  if (others.length) main.append(h("h2", {}, "Other runs of this store"), h("p", { className: "soft" }, "This page shows what the viewer was started with. Names after `weigh view` choose; several are shown side by side:"), h("pre", { id: "others" }, others.map((name) => `weigh view ${name}`).join("\n")));
  main.append(h("h2", {}, "This report"), h("p", { className: "soft" }, `Made by weigh ${data.weigh} on ${when(data.made)} from ${plural(data.trials.id.length, "trial")}. Traces: ${data.traces}.`,
    data.pairs_left_out ? ` ${plural(data.pairs_left_out, "pair")} of arms are not compared two by two in it (the matrix has all).` : ""));
}

export function when(seconds) {
  return new Date(1000 * seconds).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

function one(run) {
  const data = payload();
  const arms = data.arms.map((arm, i) => [arm, i]).filter(([arm]) => arm.run === run.id);
  const typed = run.invocations.map((i) => i.command).filter(Boolean);
  const commands = run.again;
  const several = new Set(typed).size > 1;
  const warnings = [...new Set(run.invocations.flatMap((i) => (i.plan || {}).warnings || []))];
  return [h("h2", {}, run.name, " ", h("span", { className: "soft" }, run.id)),
    h("h3", {}, "To run it again"), ...(commands.length ? commands.map((command) => copyable(command)) : [h("p", { className: "soft" }, "No command was recorded: the run was made from Python, or imported.")]),
    ...studyFile(commands), run.alike ? h("p", { id: "alike" }, run.alike) : null,
    commands.length ? h("p", { className: "soft" }, "Trials that a store already has are reused; in another store (", h("code", {}, "--store FOLDER"), ") all of them are run.") : null,
    h("h3", {}, "Arms"), table([
      { title: "arm", cell: ([arm, i]) => h("span", {}, swatch(i), arm.label) },
      ...[...new Set(arms.flatMap(([arm]) => Object.keys(arm.axes)))].map((axis) => ({ title: axis, cell: ([arm]) => arm.axes[axis] })),
      { title: "agent's version", cell: ([arm]) => ((arm.config || {}).scaffold || {}).version },
    ], arms, { caption: "Arms" }),
    h("h3", {}, "Times it was executed"), table([
      { title: "began", cell: (i) => when(i.started) },
      { title: "took", number: true, cell: (i) => (i.ended ? `${(i.ended - i.started).toFixed(1)} s` : "did not end") },
      { title: "planned", number: true, cell: (i) => (i.summary || {}).planned },
      { title: "executed", number: true, cell: (i) => (i.summary || {}).executed },
      { title: "reused", number: true, cell: (i) => (i.summary || {}).reused },
      { title: "failed", cell: (i) => kinds((i.summary || {}).failed) },
      { title: "no answer", cell: (i) => countsOf((i.summary || {}).outcomes, {}) },
      { title: "stopped", cell: (i) => (i.summary || {}).stopped },
      { title: "host", cell: (i) => (i.plan || {}).host_class },
      several ? { title: "command", cell: (i) => h("code", {}, i.command) } : null,
    ], run.invocations, { caption: "Invocations" }),
    warnings.length ? h("h3", {}, "Warnings") : null, warnings.length ? h("div", { id: "warnings" }, notes(warnings)) : null,
    ...failures(run), ...provenance(run),
    h("details", {}, h("summary", {}, "configuration"), h("pre", {}, JSON.stringify({ asked: (run.invocations[run.invocations.length - 1] || {}).plan, harness: run.harness, arms: arms.map(([arm]) => ({ id: arm.id, config: arm.config })), suites: run.suites, group: run.group, tags: run.tags }, null, 1)))];
}

// The study as it was written, where the run remembers it; under the name that the commands call it by.
function studyFile(commands) {
  const about = payload().study && payload().study.about;
  if (!about || !about.file) return [];
  const [, name] = /^weigh study run (\S+)/.exec(commands.find((c) => c.startsWith("weigh study run ")) || "") || [];
  const file = (name || "study.yaml").replace(/^.*\//, "");
  const text = JSON.stringify(about.file, null, 1);
  // JSON is YAML too.
  const save = h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/plain" })), download: file }, `save as ${file}`);
  return [h("p", {}, "Before that, save the study file as ", h("code", {}, file), ": ", save, ". What it names in its folder (a profile, models) has to be there too."),
    h("details", { id: "study-file" }, h("summary", {}, `the study file, ${file}`), copyable(text, "text"))];
}

function kinds(found) {
  return Object.entries(found || {}).map(([kind, n]) => `${n} ${kind}`).join(", ");
}

function failures(run) {
  const data = payload();
  const counted = new Map();
  for (let i = 0; i < data.trials.id.length; i++) {
    if (data.arms[data.trials.arm[i]].run !== run.id || data.trials.error[i] < 0) continue;
    const key = data.texts[data.trials.error[i]];
    counted.set(key, [...(counted.get(key) || []), i]);
  }
  if (!counted.size) return [];
  return [h("h3", {}, "Failures"), table([
    { title: "why", cell: ([why]) => why },
    { title: "trials", number: true, cell: ([why, list]) => to(list.length, { show: "failed", q: why.slice(0, 120) }) },
    { title: "arms", cell: ([, list]) => [...new Set(list.map((i) => data.arms[data.trials.arm[i]].label))].join(", ") },
    { title: "one of them", cell: ([, list]) => h("a", { href: `#view=trace&trial=${data.trials.id[list[0]]}` }, data.trials.id[list[0]]) },
  ], [...counted].sort((a, b) => b[1].length - a[1].length).slice(0, 30), { caption: "Failures by reason" })];
}

function provenance(run) {
  const last = run.invocations.filter((i) => i.provenance).pop();
  if (!last || !last.provenance || !Object.keys(last.provenance).length) return [];
  const { packages, ...rest } = last.provenance;
  // Each execution names the models of the arms that it ran.
  rest.models = once(Object.assign({}, ...run.invocations.map((i) => (i.provenance || {}).models || {})));
  const rows = [...flat(rest), ...Object.entries(packages || {})];
  return [h("details", {}, h("summary", {}, "provenance: models, packages, host, commit"), table([{ title: "what", cell: ([k]) => k }, { title: "is", cell: ([, v]) => String(v) }], rows, { caption: "Provenance" }))];
}

// Arms that ask the same model have it together, under the name of the model.
function once(models) {
  const named = (arm) => (payload().arms.find((a) => a.id === arm) || { axes: {} }).axes.model || arm;
  return Object.fromEntries(Object.entries(models).map(([arm, own]) => [named(arm), own, arm]).map(([name, own, arm], _, all) =>
    [all.every((o) => o[0] !== name || JSON.stringify(o[1]) === JSON.stringify(own)) ? name : arm, own]));
}

function flat(value, prefix = "") {
  return Object.entries(value).flatMap(([key, v]) => (v !== null && typeof v === "object" ? flat(v, `${prefix}${key} `) : [[`${prefix}${key}`, v]]));
}

function copyable(command, className = "run-command") {
  const button = h("button", { type: "button", onclick: () => { if (navigator.clipboard) navigator.clipboard.writeText(command).then(() => { button.textContent = "copied"; }, () => {}); } }, "copy");
  return h("div", { className: "command" }, h("pre", { className }, command), button);
}
