// Coverage: task by arm, how much of the plan is done, and why the rest is not.

import { arms, swatch, tasks } from "./controls.js";
import { empty, few, h, notes, plural } from "./dom.js";
import { payload } from "./payload.js";
import { to, trialsOf } from "./trials.js";

const MANY = 6;

export function coverage(main) {
  const data = payload();
  const shown = arms();
  const planned = new Set(tasks().map((i) => data.tasks[i].spec));
  const known = new Set(data.tasks.map((t) => t.spec));
  const specs = [...new Set(data.coverage.map((c) => c.task))].filter((spec) => planned.has(spec) || !known.has(spec));
  const rows = data.coverage.filter((c) => shown.includes(c.arm) && specs.includes(c.task));
  main.append(h("h1", {}, "Coverage"));
  if (!rows.length) return main.append(empty("No task was planned."));
  const done = rows.reduce((n, c) => n + c.done, 0), expected = rows.reduce((n, c) => n + c.expected, 0);
  const failed = rows.reduce((n, c) => n + sum(c.failed), 0);
  main.append(h("p", { className: "lead" }, done === expected ? `All ${plural(expected, "planned trial")} are done.` : `${done.toLocaleString("en")} of ${plural(expected, "planned trial")} are done${failed ? `, ${failed.toLocaleString("en")} failed` : ""}.`),
    h("p", { className: "soft" }, "Done / expected. A trial that ended without an answer (a timeout, a limit) is done; one that failed is not, and is run again next time."),
    heat(rows, specs, shown));
  const reasons = reasonsOf(rows);
  if (reasons.length) {
    const names = (own, all, every, name) => (own.length === all && all > 1 ? every : few(own.map(name)));
    main.append(h("h2", {}, "What is missing, and why"), h("div", { id: "missing" }, notes(reasons.map(({ n, what, why, tasks: own, arms: of }) => h("span", {}, n ? `${n.toLocaleString("en")} ${what}` : "", why && n ? `: ${why} ` : `${why || ""} `,
      h("span", { className: "soft" }, "(", names([...of], shown.length, "every arm", (i) => data.arms[i].label), "; ", names([...own], specs.length, "every task", (spec) => spec), ")"))), 10)));
  }
  if (failed) main.append(h("p", {}, h("a", { href: trialsOf({ show: "failed" }) }, "The questions with trials that failed or gave no answer")));
}

// The map; many arms go down the page, where there is room for their names.
function heat(rows, specs, shown) {
  const arm = (i, scope) => h("th", { scope }, swatch(i), payload().arms[i].label);
  // What all tasks begin with is said once: their names stand beside each other.
  const begun = specs.length > 1 ? specs[0].slice(0, specs[0].lastIndexOf(".") + 1) : "";
  const prefix = specs.every((spec) => spec.startsWith(begun)) ? begun : "";
  const task = (spec, scope) => h("th", { scope, title: spec }, spec.slice(prefix.length));
  const at = (spec, i) => h("td", {}, cell(rows.find((c) => c.arm === i && c.task === spec)));
  const down = shown.length > MANY && shown.length > specs.length;
  const head = down ? specs.map((spec) => task(spec, "col")) : shown.map((i) => arm(i, "col"));
  const body = down ? shown.map((i) => h("tr", {}, arm(i, "row"), specs.map((spec) => at(spec, i)))) : specs.map((spec) => h("tr", {}, task(spec, "row"), shown.map((i) => at(spec, i))));
  return h("div", { className: "scroll", tabindex: 0, role: "group", "aria-label": "Coverage by task and arm" },
    h("table", { className: "heat" }, h("thead", {}, h("tr", {}, h("td", { className: "soft" }, prefix ? `tasks: ${prefix}` : ""), head)), h("tbody", {}, body)));
}

// Why trials are missing or failed: what has the same reason is counted together, whatever the arm and the task.
function reasonsOf(rows) {
  const found = new Map();
  const add = (c, what, n, why) => {
    const key = `${what}|${why}`;
    if (!found.has(key)) found.set(key, { n: 0, what, why, tasks: new Set(), arms: new Set() });
    const one = found.get(key);
    one.n += n;
    one.tasks.add(c.task);
    one.arms.add(c.arm);
  };
  for (const c of rows) {
    if (c.missing) add(c, "missing", c.missing, c.reason);
    for (const [kind, n] of Object.entries(c.failed)) add(c, `failed (${kind})`, n, "");
    if (!c.expected && c.why) add(c, "", 0, c.why);
  }
  return [...found.values()];
}

function sum(kinds) {
  return Object.values(kinds).reduce((a, b) => a + b, 0);
}

function cell(c) {
  if (!c) return h("span", { className: "box none" }, "not in this run");
  if (!c.expected) return h("span", { className: "box none", title: c.why }, "left out");
  const failed = sum(c.failed);
  const kind = failed ? "fails" : c.done < c.expected ? "part" : "full";
  const without = sum(c.outcomes);
  const wanted = { arm: c.arm, task: c.task };
  return h("span", { className: `box ${kind}`, title: c.why }, c.done ? to(`${c.done} / ${c.expected}`, wanted) : `${c.done} / ${c.expected}`,
    failed ? h("span", { className: "bad" }, " · ", to(`${failed} failed`, { ...wanted, show: "failed" })) : "", without ? h("span", { className: "soft" }, " · ", to(`${without} no answer`, { ...wanted, show: "failed" })) : "");
}
