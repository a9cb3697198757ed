// Compare: every arm with every other as a matrix, then two of them with their evidence.

import { arms, swatch, tasks, unfiltered } from "./controls.js";
import { POINTS, SIGNED, later, place, verdictLegend } from "./chart.js";
import { choice, empty, few, h, notes, plural, table } from "./dom.js";
import { coming, isComing } from "./live.js";
import { block, payload } from "./payload.js";
import { fresh, get, lens, link, set } from "./state.js";

export function compare(main) {
  const data = payload();
  main.append(h("h1", {}, "Compare"));
  if (data.arms.length < 2) {
    return main.append(empty("One arm cannot be compared. Put another run into the report: weigh report RUN OTHER."));
  }
  const compared = data.metrics.filter((m) => !m.cost || m.compared);
  const metric = compared.some((m) => m.name === get("metric")) ? get("metric") : "";
  main.append(h("div", { className: "row" }, choice("by", compared.map((m) => [m.name, m.label]), metric, (value) => set({ metric: value }))));
  if (data.arms.length > 2) main.append(...(data.matrix[metric] ? matrix(metric) : []), ...asWhole());
  main.append(...two(metric));
}

// The two that are compared. A is always the one that the report has first: it holds each pair once.
function sides() {
  const data = payload();
  const known = (i) => i !== "" && data.sides[Number(i)] !== undefined;
  if (!known(get("a")) && !known(get("b"))) {
    // By a marker only some pairs are compared.
    const has = (key) => data.pairs[key] && data.pairs[key][get("metric")];
    const other = get("metric") && !has(data.first.join(",")) ? Object.keys(data.pairs).find(has) : undefined;
    return other === undefined ? data.first : other.split(",").map(Number);
  }
  const a = known(get("a")) ? Number(get("a")) : 0;
  const b = known(get("b")) && Number(get("b")) !== a ? Number(get("b")) : data.sides.findIndex((s, i) => i !== a && s.axis === data.sides[a].axis);
  return a < b ? [a, b] : [b, a];
}

function two(metric) {
  const data = payload();
  const [a, b] = sides();
  const option = (i) => [i, data.sides[i].axis ? `${data.sides[i].label} (${plural(data.sides[i].arms.length, "arm")})` : data.sides[i].label];
  const every = data.sides.map((_, i) => i);
  const held = (i) => every.filter((j) => j !== i && data.pairs[`${Math.min(i, j)},${Math.max(i, j)}`]);
  // Whoever chooses a side gets one it is compared with.
  const beside = (i, other) => (i === other || !held(i).length || held(i).includes(other) ? other : held(i).find((j) => data.sides[j].axis === data.sides[i].axis) ?? held(i)[0]);
  const chooseA = (value) => { const i = Number(value); set(i === b ? { a: b, b: a } : { a: i, b: beside(i, b) }); };
  const partners = every.filter((i) => i !== a && (i === b || !held(a).length || held(a).includes(i)));
  const left = every.length - 1 - partners.length;
  const bar = h("div", { className: "row" },
    choice("A", every.map(option), a, chooseA), choice("B", partners.map(option), b, (value) => set({ a, b: value })),
    splitChoice(metric), h("span", { className: "soft" }, `differences are B - A; A is the one that comes first in the report${left ? `; the terminal compares A with ${plural(left, "side")} more` : ""}`));
  const parts = [h("h2", {}, `${data.sides[b].label} against ${data.sides[a].label}`), bar];
  const found = data.pairs[`${a},${b}`];
  const command = `weigh compare '${data.sides[a].word}' '${data.sides[b].word}'${metric ? ` --metric ${metric}` : ""}${get("level") === "0.95" ? "" : ` --alpha ${Number((1 - get("level")).toFixed(10))}`}${get("errors") === "zero" ? " --errors zero" : ""}${get("shared") === "1" && data.sides[a].axis ? " --shared" : ""}`;
  if (metric === "" && data.markers.includes(get("by"))) return [...parts, ...paths(a, b, get("by"), command)];
  const field = data.fields[get("by")] && metric === "" ? get("by") : "";
  const shared = get("shared") === "1" && data.sides[a].axis && !field;
  const made = found && block(found[metric], lens() + (field ? `|by:${field}` : shared ? "|shared" : ""));
  if (found && !made && isComing()) return [...parts, coming()];
  if (!made && found && data.markers.includes(metric)) return [...parts, empty("By a marker this report compares the values of an axis: choose two above. The command line compares any two:"), h("pre", {}, command)];
  if (!made) return [...parts, empty("This pair is not in the report: sides of one kind are compared, and pairs that differ on fewest axes first. The command line compares any two:"), h("pre", {}, command)];
  if (made.missing) return [...parts, empty(`Not compared: ${made.missing}.`), h("pre", {}, command)];
  if (data.markers.includes(metric)) parts.push(h("p", { className: "soft" }, `${data.marker_descriptions[metric] || metric}: the share of trials in which it fired; B is "better" where that is more often, whether or not that is good.`));
  parts.push(h("p", { className: "lead", id: "conclusion" }, field ? `Subgroups by ${field}; the conclusion over whole tasks is without them.` : made.conclusion));
  const specs = new Set(tasks().map((i) => data.tasks[i].spec));
  const wanted = made.rows.filter((r) => specs.has(r.task) || !data.tasks.some((t) => t.spec === r.task));
  const shown = field ? wanted.filter((r) => r.kind === "group") : wanted;
  const part = unfiltered("over all tasks of the two", specs.size < data.tasks.length);
  if (part) parts.push(part);
  for (const group of unitGroups(shown)) parts.push(forest(group, metric));
  const all = get("shared") === "1" && !data.sides[a].axis ? ["all questions that these two have; those that every arm has are in the matrix"] : [];
  parts.push(pairTable(shown), notes([...made.notes, ...all]));
  parts.push(...forWhom(`${a},${b}`, metric, command));
  parts.push(h("p", {}, h("a", { href: fresh({ view: "questions", a, b }) }, "Question by question"), " · the same in the terminal:"), h("pre", { id: "command" }, command + (field ? data.fields[field].map((t) => ` -t ${t}`).join("") + ` --by ${field}` : "")));
  return parts;
}

// Whether the effect differs along a further axis: for larger models, say.
function forWhom(pair, metric, command) {
  const found = metric ? {} : payload().interactions[pair] || {};
  return Object.entries(found).flatMap(([axis, places]) => {
    const made = block(places, lens());
    const cell = (key) => (r) => r[key];
    if (made.missing) return [h("h3", {}, `For whom: does it depend on ${axis}?`), empty(`Cannot be asked yet: ${made.missing}.`)];
    return [h("h3", {}, `For whom: does it depend on ${axis}?`), table([
      { title: "task", cell: cell("task") },
      { title: axis, cell: cell("level") },
      { title: "n", number: true, cell: cell("n") },
      { title: "A", number: true, cell: cell("a") },
      { title: "B", number: true, cell: cell("b") },
      { title: "B - A", number: true, cell: cell("difference") },
      { title: `${100 * get("level")} %, over questions`, number: true, cell: cell("interval"), about: "of the difference on questions like these; that on exactly these is in the table above" },
      { title: "p", number: true, cell: cell("p") },
      { title: "p corrected", number: true, cell: cell("p_corrected") },
      { title: "B is / effect", cell: (r) => h("span", { className: r.verdict }, r.verdict) },
    ], made.rows, { caption: `The effect along ${axis}`, rowClass: (r) => (made.levels.includes(r.level) ? null : "total") }),
    notes(made.notes), h("pre", { className: "small" }, `${command} --interaction ${axis}`)];
  });
}

// Values of an axis against each other: what a tier, a revision or a size changed, over all arms that have it.
function asWhole() {
  const data = payload();
  const found = Object.keys(data.pairs).map((key) => key.split(",").map(Number)).filter(([i]) => data.sides[i].axis);
  if (!found.length) return [];
  const links = found.map(([i, j]) => h("a", { className: "tag", href: link({ a: i, b: j }) }, `${data.sides[j].label} against ${data.sides[i].label.split("=")[1]}`));
  return [h("div", { className: "row", id: "as-whole" }, h("span", { className: "soft" }, "All arms of one value against those of another:"), links.slice(0, 12),
    links.length > 12 ? h("span", { className: "soft" }, `${links.length - 12} more among A and B`) : null)];
}

// What the two can be split by: subgroups of questions, or the path that trials took.
function splitChoice(metric) {
  const { fields, markers } = payload();
  const options = [...Object.keys(fields).map((f) => [f, `questions: ${f}`]), ...markers.map((m) => [m, `trials: ${m.replace(/^marker:/, "")}`])];
  if (!options.length || metric) return null;
  return choice("split by", [["", "nothing"], ...options], get("by"), (value) => set({ by: value }));
}

// Trials of both sides by whether a marker fired; tasks that both have, as `weigh compare --by marker:NAME` lists them.
function paths(a, b, marker, command) {
  const data = payload();
  if (!data.paths[marker]) return [isComing() ? coming() : empty("This report was made without it.")];
  const of = (side) => block(data.paths[marker][side], get("errors")) || [];
  const [first, second] = [of(a), of(b)];
  const shared = [...new Set(first.map((r) => r.task))].filter((task) => second.some((r) => r.task === task));
  const rows = shared.flatMap((task) => [...first, ...second].filter((r) => r.task === task));
  const name = marker.replace(/^marker:/, "");
  const about = data.marker_descriptions[marker];
  if (!rows.length) return [empty(`These two have no task in common on which trials were looked through for ${name}.`)];
  return [h("p", { className: "lead" }, `Trials by whether the marker "${name}" fired${about ? ` (${about})` : ""}.`),
    table([
      { title: "task", cell: (r) => r.task },
      { title: "arm", cell: (r) => r.arm },
      { title: name, cell: (r) => r.path },
      { title: "trials", number: true, cell: (r) => r.trials },
      { title: "share", number: true, cell: (r) => r.share },
      { title: "questions", number: true, cell: (r) => r.questions },
      { title: "score ± SE", number: true, cell: (r) => r.score },
      ...["tokens", "turns", "seconds"].map((cost) => ({ title: `${cost}, median`, number: true, cell: (r) => r[cost] })),
    ], rows, { caption: "Trials by the path they took" }),
    h("p", { className: "soft", id: "path-note" }, data.path_notes[marker]),
    h("p", {}, "The same in the terminal:"), h("pre", { id: "command" }, `${command} --by ${marker}`)];
}

// Rows whose differences can share an axis: the same unit, or ratios.
function unitGroups(rows) {
  const groups = new Map();
  for (const row of rows) {
    if (row.difference === undefined && row.ratio === undefined) continue;
    const key = row.ratio !== undefined ? "ratio" : row.unit || "plain";
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  return [...groups.values()];
}

function forest(rows) {
  const ratio = rows[0].ratio !== undefined;
  const points = rows[0].unit === "proportion";
  // The smaller claim, about exactly these questions, has a line below its task's.
  const name = (r) => (r.kind === "group" ? `${r.task}: ${r.group}` : r.kind === "given" ? `- these questions, ${r.task}` : r.task);
  const [a, b] = sides();
  const taskOf = (r) => payload().tasks.findIndex((t) => t.spec === r.task);
  const marks = rows.map((r) => ({
    row: name(r), value: ratio ? r.ratio : r.difference, low: (ratio ? r.ratio_low : r.low) ?? null, high: (ratio ? r.ratio_high : r.high) ?? null, verdict: r.verdict,
    band_low: !ratio && r.mde80 !== undefined ? -r.mde80 : null, band_high: !ratio && r.mde80 !== undefined ? r.mde80 : null,
    href: taskOf(r) < 0 ? "" : fresh({ view: "questions", a, b, task: taskOf(r) }),
    label: `${name(r)}: ${ratio ? `${r.cells.ratio} times` : r.cells.difference}, ${(ratio ? r.cells.ratio_interval : r.cells.interval) || "no interval"}; B is ${r.verdict}`,
  }));
  const lower = rows[0].lower_is_better;
  const title = ratio ? "B / A (below 1: B is cheaper)" : `B - A${points ? ", percentage points" : ""}${lower ? " (below 0: B is better)" : ""}`;
  return h("figure", { style: { margin: "0" } },
    later(place(), "forest", { rows: marks }, { order: [...new Set(marks.map((m) => m.row))], null: ratio ? 1 : 0, label_expr: ratio ? "format(datum.value, '~g')" : points ? POINTS : SIGNED, x_title: title, legend: verdictLegend(marks),
      description: "Differences with intervals, task by task; the table below has the numbers" }),
    marks.some((m) => m.band_low !== null) ? h("figcaption", { className: "soft" }, "Grey band: differences too small to show 4 times in 5, taken alone, with this many questions (MDE80).") : null);
}

function pairTable(rows) {
  const level = `${100 * get("level")} %`;
  const cell = (key) => (r) => r.cells[key];
  return table([
    { title: "task", cell: (r) => r.cells.task },
    { title: "metric", cell: cell("metric") },
    { title: "n", number: true, cell: cell("n") },
    { title: "A", number: true, cell: cell("a") },
    { title: "B", number: true, cell: cell("b") },
    { title: "B - A", number: true, cell: cell("difference") },
    { title: `${level} interval`, number: true, cell: cell("interval") },
    { title: "B / A", number: true, cell: cell("ratio") },
    { title: `${level} of it`, number: true, cell: cell("ratio_interval") },
    { title: "shift", number: true, cell: cell("shift") },
    { title: `${level} of it`, number: true, cell: cell("shift_interval") },
    { title: "p", number: true, cell: cell("p") },
    { title: "p Holm", number: true, cell: cell("p_corrected") },
    { title: "won / lost / tied", number: true, cell: cell("wins") },
    { title: "MDE80", number: true, cell: cell("mde80"), about: "about the smallest difference that would have shown 4 times in 5, taken alone; none where too few questions are contested" },
    { title: "q", number: true, cell: cell("q"), about: "questions there were / questions needed to show a difference like the one seen" },
    { title: "B is", cell: (r) => h("span", { className: r.verdict, title: r.reason }, r.verdict) },
  ], rows, { rowClass: (r) => (r.kind === "given" || r.kind === "group" ? "sub" : r.kind === "suite" || r.kind === "total" ? "total" : null), caption: "The paired comparison" });
}

function matrix(metric) {
  const data = payload();
  const made = block(data.matrix[metric], lens() + (get("shared") === "1" ? "|shared" : ""));
  if (!made) return isComing() ? [coming()] : [];
  if (made.missing) return [empty(`No matrix: ${made.missing}.`)];
  const row = made.rows.find((r) => r.task === get("task")) || made.rows[data.first_row[metric] || 0];
  const shown = arms();
  // Arms in the order of their tiers; those without a number have no cell to show.
  const scored = row.arms.filter((x) => x.score !== null).map((x) => x.arm);
  const order = [...row.tiers.flat(), ...scored.filter((i) => !row.tiers.flat().includes(i))].filter((i) => shown.includes(i));
  const without = shown.filter((i) => !order.includes(i)).map((i) => data.arms[i].label);
  const pairOf = (i, j) => row.pairs.find((p) => (p.a === i && p.b === j) || (p.a === j && p.b === i));
  const [a, b] = sides();
  // The names of many arms have no room above the columns: there they have the numbers that stand before them.
  const numbered = order.length > 8;
  const head = h("tr", {}, h("td", {}), h("th", { scope: "col", className: "score" }, "score"),
    order.map((j, k) => h("th", { scope: "col", "aria-label": data.arms[j].label, title: data.arms[j].label }, numbered ? k + 1 : data.arms[j].label)));
  const body = order.map((i, k) => h("tr", {}, h("th", { scope: "row" }, numbered ? `${k + 1} ` : "", swatch(i), data.arms[i].label),
    h("td", { className: "n" }, (row.arms.find((x) => x.arm === i) || {}).score || "-"),
    order.map((j) => h("td", {}, i === j ? h("span", { className: "cell self", "aria-hidden": "true" }, "") : matrixCell(pairOf(i, j), i, j, a, b, row)))));
  const chosen = pairOf(a, b);
  return [h("div", { className: "row" }, choice("on", made.rows.map((r) => [r.task, r.suite ? `${r.task} (suite)` : r.task]), row.task, (value) => set({ task: value }))),
    row.reach ? h("p", { className: "lead", id: "reach" }, `${row.reach}. What is sure on exactly these questions, a smaller claim, stands with each pair below`, data.study ? [" and ", h("a", { href: fresh({ view: "overview" }) }, "in the conclusions"), " of the study"] : "", ".") : null,
    h("div", { className: "scroll", tabindex: 0, role: "group", "aria-label": "Matrix of arms" }, roving(h("table", { className: "matrix" }, h("thead", {}, head), h("tbody", {}, body)))),
    h("p", { className: "soft" }, "Each cell: the arm of its row minus that of its column, on the questions that both have. Blue: the row leads; orange: the column; stronger: better resolved. Hatched: the evidence cannot tell. \"-\": no question that both have. Choose a cell for its evidence; arrow keys walk through them."),
    without.length ? h("div", { className: "soft" }, `No number on ${row.task}: `, few(without), ".") : null,
    row.tiers.length ? h("div", {}, "Ranks: arms that the evidence does not separate are on one line:", h("ol", { className: "tiers" }, row.tiers.map((t) => t.filter((i) => shown.includes(i)).map((i) => data.arms[i].label)).filter((t) => t.length).map((t) => h("li", {}, few(t, 4))))) : null,
    chosen ? matrixEvidence(chosen, row) : null].filter(Boolean);
}

// One stop of the Tab key for the whole matrix: the chosen cell, or the first; arrows walk from there.
function roving(matrix) {
  const lines = [...matrix.querySelectorAll("tbody tr")].map((line) => [...line.querySelectorAll("td")].slice(1).map((cell) => cell.querySelector("button")));
  const all = lines.flat().filter(Boolean);
  const stop = (chosen) => { for (const button of all) button.tabIndex = button === chosen ? 0 : -1; };
  stop(all.find((button) => button.getAttribute("aria-pressed") === "true") || all[0]);
  const ways = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  matrix.addEventListener("keydown", (event) => {
    const way = ways[event.key];
    let y = lines.findIndex((line) => line.includes(event.target));
    if (!way || y < 0) return;
    event.preventDefault();
    let x = lines[y].indexOf(event.target);
    do { y += way[0]; x += way[1]; } while (lines[y] && x >= 0 && x < lines[y].length && !lines[y][x]);
    const next = lines[y] && lines[y][x];
    if (next) { stop(next); next.focus(); }
  });
  return matrix;
}

function matrixCell(pair, i, j, a, b, row) {
  const data = payload();
  if (!pair || pair.cells.n === "0") return h("span", { className: "cell none" }, "-");
  const flipped = pair.b !== i;
  const sure = pair.verdict === "better" || pair.verdict === "worse";
  const leads = (pair.verdict === "better") !== flipped;
  // Strength from the corrected p: at its threshold just visible, at a ten-thousandth full.
  const p = pair.p === null ? 1 : Math.max(pair.p, 1e-5);
  const strength = Math.round(16 + 44 * Math.min(1, -Math.log10(p) / 5));
  const word = pair.cells.ratio !== undefined ? `${pair.cells.difference ?? "-"}` : flipped ? pair.cells.flipped : pair.cells.difference;
  const shown = pair.cells.ratio !== undefined && flipped ? pair.cells.flipped : word;
  const told = pair.verdict === "withheld" ? "no verdict" : !sure ? "cannot tell" : leads ? "leads" : "trails";
  return h("button", {
    type: "button", className: `cell ${sure ? (leads ? "lead-b" : "lead-a") : "unsure"}`, style: sure ? { "--strength": `${strength}%` } : {},
    "aria-pressed": (i === a && j === b) || (i === b && j === a) ? "true" : "false",
    "aria-label": `${data.arms[i].label} against ${data.arms[j].label} on ${row.task}: ${shown || "no number"}, ${told}`,
    onclick: () => {
      set({ a: Math.min(i, j), b: Math.max(i, j) }, { keep: false });
      // The sentence is what one wants to read; the row of numbers stands right above it.
      const told = document.getElementById("conclusion") || document.getElementById("evidence");
      if (told) told.scrollIntoView({ block: "nearest" });
    },
  }, shown || "-", h("small", {}, told));
}

function matrixEvidence(pair, row) {
  const data = payload();
  return h("div", { id: "evidence" }, h("h3", {}, `${data.arms[pair.b].label} against ${data.arms[pair.a].label} on ${row.task}`), table([
    { title: "n", number: true, cell: (p) => p.cells.n },
    { title: data.arms[pair.a].label, number: true, cell: (p) => p.cells.a },
    { title: data.arms[pair.b].label, number: true, cell: (p) => p.cells.b },
    { title: pair.cells.ratio ? "shift" : "difference", number: true, cell: (p) => p.cells.difference },
    { title: `${100 * get("level")} % interval`, number: true, cell: (p) => p.cells.interval, about: "~: it disagrees with the test about zero; the verdict follows the test, corrected" },
    { title: "ratio", number: true, cell: (p) => p.cells.ratio, about: "of geometric means; ~: its interval disagrees with the test about 1, and the verdict follows the test, to which the shift belongs" },
    { title: "p", number: true, cell: (p) => p.cells.p },
    { title: "p corrected", number: true, cell: (p) => p.cells.p_corrected, about: "for all pairs of all tasks" },
    { title: "won / lost / tied", number: true, cell: (p) => p.cells.wins },
    { title: "MDE80", number: true, cell: (p) => p.cells.mde80 },
    { title: "verdict", cell: (p) => h("span", { className: p.verdict }, p.verdict) },
    { title: "why", cell: (p) => p.reason },
  ], [pair], { caption: "Evidence of the chosen cell" }));
}
