// Coverage: task by arm, how much of the plan is done, and why the rest is not.

import { arms, swatch, tasks } from "./controls.js";
import { empty, few, h, notes, plural } from "./dom.js";
import { payload } from "./payload.js";
import { fresh } from "./state.js";

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
    h("div", { className: "scroll", tabindex: 0, role: "group", "aria-label": "Coverage by task and arm" }, h("table", { className: "heat" },
      h("thead", {}, h("tr", {}, h("td", {}), shown.map((i) => h("th", { scope: "col" }, swatch(i), data.arms[i].label)))),
      h("tbody", {}, specs.map((spec) => h("tr", {}, h("th", { scope: "row" }, spec), shown.map((arm) => h("td", {}, cell(rows.find((c) => c.arm === arm && c.task === spec))))))))));
  const why = rows.filter((c) => c.why);
  if (why.length) {
    const reasons = new Map();
    for (const c of why) reasons.set(`${c.task}: ${c.why}`, [...(reasons.get(`${c.task}: ${c.why}`) || []), data.arms[c.arm].label]);
    main.append(h("h2", {}, "What is missing, and why"), h("div", { id: "missing" }, notes([...reasons].map(([told, names]) => h("span", {}, told, " ", h("span", { className: "soft" }, "(", names.length === shown.length && names.length > 1 ? "every arm" : few(names), ")"))), 10)));
  }
  if (failed) main.append(h("p", {}, h("a", { href: fresh({ view: "questions", show: "failed" }) }, "The questions with failed trials")));
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
  return h("span", { className: `box ${kind}`, title: c.why }, `${c.done} / ${c.expected}`, failed ? h("span", { className: "bad" }, ` · ${failed} failed`) : "", without ? h("span", { className: "soft" }, ` · ${without} no answer`) : "");
}
