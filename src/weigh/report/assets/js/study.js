// The head of a study: what it concludes (as `weigh study show` does), what is missing, and what its tiers gave the agent.

import { h, notes, plural, table } from "./dom.js";
import { unfiltered } from "./controls.js";
import { coming, isComing } from "./live.js";
import { block, payload } from "./payload.js";
import { get, lens } from "./state.js";

// Sentences and tables; null where this report is not about one study, or nothing is compared in it.
export function concluded() {
  const { study } = payload();
  const made = block(study.conclusions, lens());
  if (!made) return isComing() ? [coming()] : null;
  if (!made.length) return null;
  return [h("div", { id: "concluded" }, unfiltered("over the whole study"), study.successes ? h("p", { className: "lead" }, study.successes) : null,
    made.map((one) => h("p", { className: "lead" }, one.told)),
    study.missing ? h("p", { className: "lead bad", id: "lacking" }, study.missing) : null,
    h("p", { className: "soft" }, "Each model by itself, over all tasks that both sides have; A to B, as `weigh study show` has it. Below the same with intervals.")),
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
    { title: `${100 * get("level")} % interval`, number: true, cell: cell("interval") },
    { title: "on exactly these tasks", cell: cell("given"), about: "would it come out so again with the same tasks and new epochs?" },
    { title: "on tasks like these", cell: cell("verdict"), about: "does it hold for further tasks of this kind?" },
    { title: "tokens", cell: cell("tokens"), about: "how many times as many tokens B takes" },
  ], one.rows, { caption: `Verdicts on ${one.axis} ${one.b} against ${one.a}` }), notes([one.differ, one.note].filter(Boolean)));
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
  return [[tier.description || "no description", files].filter(Boolean).join("; "), tier.varies ? "; it differs between revisions, the first one's is shown" : "", ".",
    (tier.skills || []).map((skill) => h("div", {}, "Skill ", h("b", {}, skill.name), ways(tier, skill), `: ${skill.description} `, whole("its text", skill.body))),
    tier.instructions ? h("div", {}, "Told to the agent: ", whole("the instructions", tier.instructions)) : null];
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
