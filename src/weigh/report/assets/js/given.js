// What a trial's model was given besides the question: one line in front of its steps, the texts when somebody opens it.

import { marked } from "./differ.js";
import { h, replace } from "./dom.js";
import { givenTexts, payload } from "./payload.js";

const NAMES = { "system.txt": "system prompt", "context.txt": "context around the question" };

// `other` is a trial whose texts these are held against; `apart` leaves out the tier and revision of the arm.
export function givenRow(whole, { other = null, apart = false } = {}) {
  const made = whole.trajectory;
  if (!made) return null;
  const { agent, given } = plain(made.metadata || {});
  const facts = told(whole, agent, given, apart);
  if (!facts.length) return null;
  const sizes = given.texts || {};
  const line = [h("b", {}, "given"), `: ${facts.join("; ")}`];
  if (!Object.keys(sizes).length && !given.instructions) return h("p", { className: "given" }, line);
  const body = h("div", {});
  const row = h("details", { className: "given" }, h("summary", {}, line), body);
  row.addEventListener("toggle", () => { if (row.open && !body.childNodes.length) open(whole, given, sizes, body, other); });
  return row;
}

// A scaffold of one's own may put anything under these names.
function plain(metadata) {
  const object = (value) => (value && typeof value === "object" ? value : {});
  return { agent: object(metadata.agent), given: object(metadata.given) };
}

// What tells two trials apart in what they were given; `known` is false of an agent program of which nobody recorded it.
export function givenKey(whole) {
  const made = whole.trajectory || {};
  const { agent, given } = plain(made.metadata || {});
  const texts = Object.entries(made.artifacts || {}).filter(([name]) => name.startsWith("given/")).map(([name, reference]) => [name, reference.slice(reference.lastIndexOf("/") + 1)]);
  const key = JSON.stringify([Object.entries(given.skills || {}).sort(), given.instructions || "", made.request ? toolsOf(whole, agent) : [], texts.sort()]);
  return { key, known: !agent.name || Boolean((made.metadata || {}).given) };
}

function open(whole, given, sizes, body, other) {
  replace(body, h("p", { className: "loading" }, "Opening the texts ..."));
  const held = other && other.trajectory ? givenTexts(other) : Promise.resolve({});
  Promise.all([givenTexts(whole), held]).then(([texts, others]) => replace(body, given.instructions ? section("instructions", given.instructions) : null,
    Object.keys(sizes).map((name) => section(NAMES[name] || name, texts[name], others[name]))), (error) => replace(body, h("p", { className: "bad" }, error.message)));
}

function section(title, text, other) {
  const shown = text !== undefined && other !== undefined ? marked(other, text)[1] : text;
  return h("section", { "aria-label": title }, h("h3", {}, title), text === undefined ? h("p", { className: "soft" }, "The store has lost this text.") : h("pre", { className: "text", tabindex: 0 }, shown));
}

// As `weigh trial` says it.
function told(whole, agent, given, apart) {
  const facts = [agent.name ? `${agent.name} ${agent.version || ""}`.trim() : null];
  const skills = Object.entries(given.skills || {}).map(([name, way]) => `Skill ${name} (${way})`);
  const tools = toolsOf(whole, agent);
  const texts = Object.entries(NAMES).filter(([name]) => (given.texts || {})[name]).map(([name, title]) => `${title} ${size(given.texts[name])}`);
  return [...facts, apart ? null : workspace(whole), ...skills, given.instructions ? "instructions" : null,
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
