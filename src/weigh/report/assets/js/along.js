// Numbers along an axis: model by size, revisions, tiers ...

import { arms, distinct } from "./controls.js";
import { PERCENT, PLAIN, later, legend, place } from "./chart.js";
import { check, h } from "./dom.js";
import { payload } from "./payload.js";
import { get, set } from "./state.js";

const MOST_PANELS = 9;
export const MANY_ARMS = 6;

export function axesAlong() {
  const data = payload();
  return data.axes.filter((a) => a.values.length > 1 && a.arms.some((at) => at.length) && a.values.length < data.arms.length + 1);
}

// The axis to draw along, "" for none; with many arms a list of all of them says little, so the first axis is taken.
export function chosenAxis(along) {
  const wanted = get("over");
  if (wanted === "task" || along.some((a) => a.name === wanted)) return wanted === "task" ? "" : wanted;
  if (arms().length <= MANY_ARMS || !along.length) return "";
  return (along.find((a) => a.name === "size") || along.find((a) => a.name === "model") || along[0]).name;
}

// The axes besides one that say more: one that splits the arms as another one does is left out.
export function others(name) {
  const { axes } = payload();
  return distinct([axes.find((a) => a.name === name), ...axes.filter((a) => a.name !== name)]).slice(1);
}

// One panel a task; lines are the chosen series, and what differs besides has panels of its own: arms are never mixed.
export function alongAxis(rows, label, axis, most = MOST_PANELS) {
  const data = payload();
  const more = others(axis.name);
  const lines = more.filter((a) => a.name === get("series"));
  const named = (arm, some) => some.map((a) => data.arms[arm].axes[a.name]).filter((v) => v !== undefined && v !== null).join(" · ");
  const name = (arm) => named(arm, lines.length ? lines : more) || "all";
  const panel = (r) => [r.task, lines.length ? named(r.arm, more.filter((a) => !lines.includes(a))) : ""].filter(Boolean).join(" · ");
  const at = (arm) => axis.values[axis.arms.findIndex((list) => list.includes(arm))];
  const known = rows.filter((r) => at(r.arm) !== undefined);
  // Suites say most; of the tasks the first ones are drawn, in the order of the table.
  const panels = [...new Set(known.map(panel))];
  const first = [...new Set([...known.filter((r) => r.suite), ...known].map(panel))].slice(0, get("panels") === "all" ? panels.length : most);
  const drawn = panels.filter((one) => first.includes(one));
  const kept = known.filter((r) => drawn.includes(panel(r)));
  const ordered = drawn.flatMap((one) => axis.values.flatMap((value) => kept.filter((r) => panel(r) === one && at(r.arm) === value)));
  const series = [...new Set(ordered.map((r) => name(r.arm)))];
  const wide = window.innerWidth > 1100;
  const percent = rows[0].percent;
  const cut = panels.length > most ? h("div", { className: "row" }, h("span", { className: "soft" }, `${drawn.length} of ${panels.length} panels are drawn.`), check("all of them", get("panels") === "all", (on) => set({ panels: on ? "all" : "" }))) : null;
  return [cut, later(place(), "line", { rows: ordered.map((r) => ({
    panel: panel(r), x: at(r.arm), series: name(r.arm), value: r.value, low: r.low, high: r.high, href: r.href, label: `${data.arms[r.arm].label} on ${r.task}: ${r.shown}` })) }, {
    panels: drawn, series, legend: legend(series), x_title: axis.name, y_title: "", columns: wide ? Math.min(5, Math.floor((window.innerWidth - 96) / 296)) : window.innerWidth > 760 ? 2 : 1, width: wide ? 270 : Math.min(320, window.innerWidth - 110),
    format: percent ? PERCENT : PLAIN, zero: percent, y_scale: percent ? "shared" : "independent", description: `${label} along ${axis.name}; the table below has the numbers` })].filter(Boolean);
}
