// The head of a study: what it concludes (as `weigh study show` does), what is missing, and what its tiers gave the agent.

import { unfiltered } from "./controls.js";
import { marked } from "./differ.js";
import { h, notes, plural, table } from "./dom.js";
import { coming, isComing } from "./live.js";
import { block, payload } from "./payload.js";
import { fresh, get, lens } from "./state.js";

const EPOCHS = "of the difference on exactly these tasks: only the luck of the epochs is in doubt";
const TASKS = "of the difference on tasks like these: which tasks were chosen is in doubt too";

// Sentences and tables; null where this report is not about one study, or nothing is compared in it.
export function concluded() {
  const { study } = payload();
  const made = block(study.conclusions, lens());
  if (!made) return isComing() ? [coming()] : null;
  if (!made.length) return null;
  return [h("div", { id: "concluded" }, unfiltered("over the whole study"), study.successes ? h("p", { className: "lead" }, study.successes) : null,
    made.map((one) => h("p", { className: "lead" }, one.told)),
    study.missing ? h("p", { className: "lead bad", id: "lacking" }, h("a", { href: fresh({ view: "coverage" }) }, study.missing)) : null,
    h("p", { className: "soft" }, "Each model by itself, over all tasks that both sides have, as ", h("code", {}, "weigh study show"), " says it. \"On exactly these tasks\": only the luck of the epochs is in doubt. \"On tasks like these\": would further tasks of this kind show it too? Below the same with intervals, and where an effect comes from.")),
  h("details", { className: "more", open: made.length < 3 }, h("summary", {}, "the verdicts with their numbers"), made.map(contrast))];
}

function contrast(one) {
  const cell = (key) => (r) => r[key];
  return h("div", {}, h("h3", {}, `${one.axis}: ${one.b} against ${one.a}`), table([
    { title: "model", cell: cell("model") },
    { title: "n", number: true, cell: cell("n"), about: "tasks (questions) that both sides have" },
    { title: one.a, number: true, cell: cell("a") },
    { title: one.b, number: true, cell: cell("b") },
    { title: "difference", number: true, cell: cell("difference"), about: "percentage points" },
    { title: `${100 * get("level")} %, over epochs`, number: true, cell: cell("over_epochs"), about: EPOCHS },
    { title: "on exactly these tasks", cell: cell("given"), about: "would it come out so again with the same tasks and new epochs?" },
    { title: `${100 * get("level")} %, over tasks`, number: true, cell: cell("over_tasks"), about: TASKS },
    { title: "on tasks like these", cell: cell("verdict"), about: "does it hold for further tasks of this kind?" },
    { title: "tokens", cell: cell("tokens"), about: "how many times as many tokens B takes" },
  ], one.rows, { caption: `Verdicts on ${one.axis} ${one.b} against ${one.a}` }), within(one), notes([one.rough, one.differ, one.note].filter(Boolean)));
}

// The same within each tier of two revisions, each revision of two tiers: where an effect comes from.
function within(one) {
  const cell = (key) => (r) => r[key];
  if (!(one.within || []).length) return null;
  return table([
    { title: "model", cell: cell("model") },
    { title: "within", cell: (r) => `${r.axis} ${r.value}` },
    { title: "n", number: true, cell: cell("n") },
    { title: one.a, number: true, cell: cell("a") },
    { title: one.b, number: true, cell: cell("b") },
    { title: "difference", number: true, cell: cell("difference") },
    { title: `${100 * get("level")} %, over epochs`, number: true, cell: cell("over_epochs"), about: EPOCHS },
    { title: "on exactly these tasks", cell: cell("given"), about: "p is corrected for the number of values" },
    { title: `${100 * get("level")} %, over tasks`, number: true, cell: cell("over_tasks"), about: TASKS },
    { title: "on tasks like these", cell: cell("verdict"), about: "p is corrected for the number of values" },
  ], one.within, { caption: `Where ${one.axis} ${one.b} against ${one.a} comes from` });
}

// What each tier means here: recorded with the run, or weigh's own words for it.
export function legendOfTiers() {
  const { study } = payload();
  if (!study || !study.tiers.length) return [];
  const known = study.tiers.filter((t) => t.recorded).length;
  return [h("details", { className: "more", id: "tiers", open: true }, h("summary", {}, "what the tiers give the agent"),
    h("dl", { className: "tierlist" }, study.tiers.flatMap((tier) => [h("dt", {}, tier.name), h("dd", {}, tierTold(tier))])),
    known < study.tiers.length ? h("p", { className: "soft" }, "This run did not record what its tiers hold; these are the usual meanings of their names.") : null)];
}

export function tierTold(tier) {
  const files = tier.files ? `${plural(tier.files.length, "file")} in the workspace: ${tier.files.slice(0, 6).join(", ")}${tier.files.length > 6 ? " ..." : ""}` : null;
  const revisions = tier.revisions || [];
  const held = revisions.length ? revisions : [tier];
  return [[tier.description || "no description", files].filter(Boolean).join("; "), ".",
    tier.varies ? h("div", { className: "bad varies" }, `It differs between revisions${revisions.length ? "" : "; this run kept only the first one's text, traces show what each agent was given"}: where revisions are compared in this tier, it and the release change together.`) : null,
    // Of several revisions that is more than one reads before the first picture.
    held.length > 1 ? h("details", { className: "more" }, h("summary", {}, `what it gives at each of ${held.length} revisions`), held.map((one, i) => given(tier, one, i ? held[0] : null))) : given(tier, held[0], null)];
}

// What a tier gives at one revision; held against the first one's, where there are several.
function given(tier, one, first) {
  const at = one.revision ? ` at ${one.revision}` : "";
  const text = (title, own, other) => whole(title + (other && other !== own ? " (differences marked)" : ""), own && other ? marked(other, own)[1] : own);
  return [(one.skills || []).map((skill, i) => h("div", {}, "Skill ", h("b", {}, skill.name), at, ways(tier, skill), `: ${skill.description} `, text("its text", skill.body, first && ((first.skills || [])[i] || {}).body))),
    one.instructions ? h("div", {}, `Told to the agent${at}: `, text("the instructions", one.instructions, first && first.instructions)) : null];
}

// Offered or loaded, as trials recorded it; by whom where agents differ.
function ways(tier, skill) {
  const found = Object.entries((tier.ways || {})[skill.name] || {});
  if (!found.length) return "";
  return ` (${found.length === 1 ? found[0][0] : found.map(([way, agents]) => `${way} by ${agents.join(", ")}`).join("; ")})`;
}

function whole(title, text) {
  return text ? h("details", {}, h("summary", {}, title), h("pre", { className: "text" }, text)) : null;
}
