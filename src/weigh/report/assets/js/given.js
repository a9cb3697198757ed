// What a trial's model was given besides the question: one line in front of its steps, the texts when somebody opens it.

import { h, replace } from "./dom.js";
import { givenTexts, payload } from "./payload.js";

const NAMES = { "system.txt": "system prompt", "context.txt": "context around the question" };

export function givenRow(whole) {
  const made = whole.trajectory;
  if (!made) return null;
  const { agent, given } = plain(made.metadata || {});
  const facts = told(whole, agent, given);
  if (!facts.length) return null;
  const sizes = given.texts || {};
  const line = [h("b", {}, "given"), `: ${facts.join("; ")}`];
  if (!Object.keys(sizes).length && !given.instructions) return h("p", { className: "given" }, line);
  const body = h("div", {});
  const row = h("details", { className: "given" }, h("summary", {}, line), body);
  row.addEventListener("toggle", () => { if (row.open && !body.childNodes.length) open(whole, given, sizes, body); });
  return row;
}

// A scaffold of one's own may put anything under these names.
function plain(metadata) {
  const object = (value) => (value && typeof value === "object" ? value : {});
  return { agent: object(metadata.agent), given: object(metadata.given) };
}

function open(whole, given, sizes, body) {
  replace(body, h("p", { className: "loading" }, "Opening the texts ..."));
  givenTexts(whole).then((texts) => replace(body, given.instructions ? section("instructions", given.instructions) : null,
    Object.keys(sizes).map((name) => section(NAMES[name] || name, texts[name]))), (error) => replace(body, h("p", { className: "bad" }, error.message)));
}

function section(title, text) {
  return h("section", { "aria-label": title }, h("h3", {}, title), text === undefined ? h("p", { className: "soft" }, "The store has lost this text.") : h("pre", { className: "text", tabindex: 0 }, text));
}

// As `weigh trial` says it.
function told(whole, agent, given) {
  const facts = [agent.name ? `${agent.name} ${agent.version || ""}`.trim() : null];
  const skills = Object.entries(given.skills || {}).map(([name, way]) => `Skill ${name} (${way})`);
  const tools = toolsOf(whole, agent);
  const texts = Object.entries(NAMES).filter(([name]) => (given.texts || {})[name]).map(([name, title]) => `${title} ${size(given.texts[name])}`);
  return [...facts, workspace(whole), ...skills, given.instructions ? "instructions" : null,
    tools.length ? `${tools.length} tool${tools.length === 1 ? "" : "s"}: ${tools.join(", ")}${agent.tools_withheld ? ", withheld from a model that cannot call any" : ""}` : null, ...texts].filter(Boolean);
}

function workspace(whole) {
  const { arms } = payload();
  const arm = arms.find((one) => one.run === whole.run && one.id === whole.arm);
  return ["tier", "revision"].filter((name) => arm && arm.axes[name] !== undefined && arm.axes[name] !== null).map((name) => `${name} ${arm.axes[name]}`).join(", ");
}

function toolsOf(whole, agent) {
  const { metadata = {}, request } = whole.trajectory;
  const named = [request && request.tools, metadata.tools, agent.tools].filter(Array.isArray).flat();
  return [...new Set(named.map((tool) => (typeof tool === "string" ? tool : tool.name)))].sort();
}

function size(bytes) {
  return bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`;
}
