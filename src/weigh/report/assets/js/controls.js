// The controls that all views share: arms, tasks, confidence, failed trials, shared questions.

import { choice, check, h, replace } from "./dom.js";
import { markOf } from "./chart.js";
import { payload } from "./payload.js";
import { chosen, get, set } from "./state.js";

export function arms() {
  return chosen("arms", payload().arms.length);
}

export function tasks() {
  return chosen("tasks", payload().tasks.length);
}

// What is concluded is computed over everything: said where the reader has chosen a part.
export function unfiltered(what, filtered = arms().length < payload().arms.length || tasks().length < payload().tasks.length) {
  return filtered ? h("p", { className: "soft unfiltered" }, `Computed ${what}, whatever is filtered.`) : null;
}

const SHAPES = {
  circle: "M5 .8a4.2 4.2 0 1 0 .01 0z", square: "M1.3 1.3h7.4v7.4H1.3z", cross: "M3.6 .6h2.8v3h3v2.8h-3v3H3.6v-3h-3V3.6h3z", diamond: "M5 0l3.8 5L5 10 1.2 5z",
  "triangle-up": "M5 .8l4.6 8.2H.4z", "triangle-down": "M5 9.2L.4 1h9.2z", "triangle-right": "M9.2 5L1 9.6V.4z", "triangle-left": "M.8 5L9 .4v9.2z",
};
const SVG = "http://www.w3.org/2000/svg";

// The mark of an arm: its colour and its shape in charts.
export function swatch(arm) {
  const { colour, shape } = markOf(arm);
  const drawn = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  for (const [key, value] of [["viewBox", "0 0 10 10"], ["class", "swatch"], ["aria-hidden", "true"]]) drawn.setAttribute(key, value);
  path.setAttribute("d", SHAPES[shape]);
  path.setAttribute("fill", colour);
  drawn.append(path);
  return drawn;
}

export function armName(arm) {
  return h("span", { className: "arm" }, swatch(arm), payload().arms[arm].label);
}

// The list that is open: no part of what is shown, so the address does not have it.
let openList = "";

export function closeList() {
  const list = document.querySelector("details.choose[open]");
  openList = "";
  if (list) list.open = false;
  return list;
}

// A press anywhere else closes the list.
export function listenToLists() {
  document.addEventListener("pointerdown", (event) => {
    if (openList && !event.target.closest("details.choose[open]")) closeList();
  });
}

function choose(name, count, next) {
  const places = [...new Set(next)].sort((a, b) => a - b);
  set({ [name]: places.length === count || !places.length ? "" : places.join(".") });
}

function several(title, name, labels, colours) {
  const now = chosen(name, labels.length);
  if (labels.length < 2) return null;
  const boxes = labels.map((label, i) => h("div", { className: "one" },
    check(h("span", {}, colours ? swatch(i) : null, label), now.includes(i), (on) => choose(name, labels.length, on ? [...now, i] : now.filter((k) => k !== i))),
    only(label, () => choose(name, labels.length, [i]))));
  const byAxis = name === "arms" ? distinct(payload().axes).filter((a) => a.values.length < labels.length).map((a) => axisBoxes(a, now, labels.length)) : [];
  return h("details", { className: "choose", open: openList === name, ontoggle: (event) => {
    const list = event.target;
    if (!list.isConnected) return;
    if (!list.open) { if (openList === name) openList = ""; return; }
    openList = name;
    for (const other of document.querySelectorAll("details.choose[open]")) if (other !== list) other.open = false;
  } },
  h("summary", {}, `${title}: ${now.length === labels.length ? "all" : `${now.length} of ${labels.length}`}`),
  h("div", { className: "shaded" }, byAxis, h("div", { className: "one" }, h("b", {}, title), h("button", { type: "button", className: "only", onclick: () => set({ [name]: "" }) }, "all of them")), boxes));
}

// Axes that split the arms in different ways: of a model and its size the first.
export function distinct(axes) {
  const split = (axis) => JSON.stringify(axis.arms.map((list) => [...list].sort()).sort());
  return axes.filter((axis, i) => axes.findIndex((other) => split(other) === split(axis)) === i);
}

function only(label, change) {
  return h("button", { type: "button", className: "only", "aria-label": `only ${label}`, onclick: change }, "only");
}

// All arms of one tier, revision, model ... at once. `only` twice narrows: one model, then of that one tier.
function axisBoxes(axis, now, count) {
  return h("fieldset", {}, h("legend", {}, axis.name), axis.values.map((value, place) => {
    const own = axis.arms[place];
    const shown = own.filter((i) => now.includes(i));
    const box = check(value, shown.length === own.length, (on) => choose("arms", count, on ? [...now, ...own] : now.filter((i) => !own.includes(i))));
    box.querySelector("input").indeterminate = shown.length > 0 && shown.length < own.length;
    return h("span", { className: "one" }, box, only(`${axis.name} ${value}`, () => choose("arms", count, shown.length && shown.length < now.length ? shown : own)));
  }));
}

// Planned trials that are not there.
function lacking() {
  return payload().coverage.reduce((n, c) => n + c.expected - c.done - Object.values(c.failed).reduce((a, b) => a + b, 0), 0);
}

export function drawControls(element, wanted) {
  const data = payload();
  const parts = {
    arms: () => several("arms", "arms", data.arms.map((a) => a.label), true),
    tasks: () => several("tasks", "tasks", data.tasks.map((t) => t.spec), false),
    level: () => choice("confidence", data.levels.map((l) => [l, `${100 * l} %`]), get("level"), (level) => set({ level })),
    errors: () => data.failed
      ? choice("failed trials", [["exclude", "left out"], ["zero", "count as 0"]], get("errors"), (errors) => set({ errors }))
      : h("span", { className: "soft" }, lacking() ? `no trial failed, ${lacking().toLocaleString("en")} missing` : "no trial failed"),
    shared: () => data.arms.length < 2 ? null : data.shared.n ? check("only questions that all arms have", get("shared") === "1", (on) => set({ shared: on ? "1" : "" }))
      : h("span", { className: "soft", id: "not-shared", title: "so there is no choice of only those" }, data.shared.why),
  };
  const made = wanted.map((name) => parts[name]()).filter(Boolean);
  const list = element.querySelector("details.choose[open] > div");
  const scrolled = list ? list.scrollTop : 0;
  replace(element, made);
  const again = element.querySelector("details.choose[open] > div");
  if (again) again.scrollTop = scrolled;
}
