// Charts: the specification of charts.json, filled in by the rule that Python uses for paper, drawn by Vega-Lite.

const VERDICTS = ["better", "worse", "equivalent", "unresolved", "withheld"];
const SHAPES = ["triangle-up", "triangle-down", "square", "circle", "cross"];
export const PERCENT = ".0%", PLAIN = ",~f", COUNT = "~s";
export const POINTS = "datum.value == 0 ? '0' : format(100 * datum.value, '+~g')";
export const SIGNED = "datum.value == 0 ? '0' : format(datum.value, '+~g')";

let templates = null;
let drawn = [];
let ready = [];
let placed = [];
let idle = [];

function charts() {
  templates = templates || JSON.parse(document.getElementById("charts").textContent);
  return templates;
}

export function isDark() {
  return document.documentElement.dataset.theme === "dark";
}

export function colours() {
  return charts().themes[isDark() ? "dark" : "light"];
}

// Colour and shape of an arm, everywhere the same; of 64 arms no two have both alike.
export function markOf(arm) {
  const all = colours().category;
  const shapes = charts().series_shapes;
  return { colour: all[arm % all.length], shape: shapes[(arm + Math.floor(arm / all.length)) % shapes.length] };
}

// Room for the points of a category: closer where there are many, by the rule of paper.
function roomOf(series) {
  const made = room("series", series);
  const between = 8 * Math.min(series, 2);
  const gap = between / (between + made.step * Math.max(series, 1));
  return { ...made, gap, margin: gap / 2 };
}

function room(of, count) {
  const rule = charts().room[of];
  return count <= rule.few ? rule.wide : rule.close;
}

function fill(template, values) {
  if (typeof template === "string" && template.startsWith("$")) {
    const name = template.slice(1);
    if (!(name in values)) throw new Error(`the chart lacks a value for ${name}`);
    return values[name];
  }
  if (Array.isArray(template)) return template.map((part) => fill(part, values));
  if (template !== null && typeof template === "object") {
    return Object.fromEntries(Object.entries(template).map(([key, part]) => [key, fill(part, values)]));
  }
  return template;
}

function specification(name, tables, values) {
  const own = colours();
  const series = values.series || [];
  const marks = (values.arms || series.map((_, place) => place)).map(markOf);
  const whole = {
    ...own, ...(name === "strip" ? room("rows", series.length) : roomOf(series.length)),
    series_colours: marks.map((m) => m.colour), series_shapes: marks.map((m) => m.shape), verdicts: VERDICTS, verdict_shapes: SHAPES, verdict_colours: VERDICTS.map((v) => own[v]),
    width: 520, zero: false, y_scale: "independent", grid: true, legend: null, format: PLAIN, ...values,
  };
  return { datasets: tables, config: fill(charts().config, whole), ...fill(charts().charts[name], whole) };
}

export function legend(series) {
  return series.length > 1 ? { columns: window.innerWidth < 760 ? 1 : Math.min(3, series.length) } : null;
}

export function verdictLegend(rows) {
  return { values: VERDICTS.filter((v) => rows.some((row) => row.verdict === v)) };
}

// Draw into an element. The libraries come after the page's own script, so the first charts wait for them.
function draw(element, name, tables, values, measured) {
  if (!element.isConnected) return;  // another view was chosen meanwhile
  if (!window.vega || !window.vega.expressionInterpreter) {
    ready.push(() => draw(element, name, tables, values, measured));
    return;
  }
  const room = Math.max(220, measured || 520);
  // The names of rows stand left of the plot; what is left is the plot's.
  const width = values.width || Math.max(180, Math.min(680, room) - (values.labels || 190));
  const made = window.vegaLite.compile(specification(name, typeof tables === "function" ? tables() : tables, { ...values, width })).spec;
  const view = new window.vega.View(window.vega.parse(made, null, { ast: true }), {
    renderer: "svg", expr: window.vega.expressionInterpreter, container: element, hover: false, tooltip: () => {},
  });
  drawn.push(view);
  pointing(view, element);
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", values.description);
  view.runAsync().then(() => {
    // One picture with one description: the numbers are in a table beside it, which a screen reader can walk.
    for (const part of element.querySelectorAll("[role], [aria-roledescription]")) {
      for (const name of ["role", "aria-roledescription", "aria-label"]) part.removeAttribute(name);
    }
    element.style.minHeight = "";
    element.setAttribute("data-drawn", "yes");
  });
}

// A mark that has a `label` says it where the pointer is; one that has an `href` leads there.
function pointing(view, element) {
  const datum = (item) => (item && item.datum && item.datum.label ? item.datum : null);
  view.addEventListener("mousemove", (event, item) => {
    const found = datum(item);
    if (!found) return tip(null);
    element.style.cursor = found.href ? "pointer" : "";
    tip(event, `${found.label}${found.href ? "\n(click to look closer)" : ""}`);
  });
  element.addEventListener("mouseleave", () => tip(null));
  view.addEventListener("click", (_, item) => {
    const found = datum(item);
    if (found && found.href) location.hash = found.href;
  });
}

function tip(event, told = "") {
  const box = document.getElementById("tip") || document.body.appendChild(Object.assign(document.createElement("div"), { id: "tip" }));
  box.hidden = !event;
  if (!event) return;
  box.textContent = told;
  box.style.left = `${Math.max(4, Math.min(event.clientX + 14, window.innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${event.clientY + 18 + box.offsetHeight > window.innerHeight ? event.clientY - box.offsetHeight - 10 : event.clientY + 18}px`;
}

export function librariesLoaded() {
  const todo = ready;
  ready = [];
  for (const work of todo) work();
}

export function forget() {
  tip(null);
  for (const view of drawn) view.finalize();
  drawn = [];
  ready = [];
  placed = [];
  idle = [];
}

export function place(className = "chart") {
  const element = document.createElement("div");
  element.className = className;
  return element;
}

// Draw once the element is in the page, so that its width is known: at once what can be seen, the rest when there is
// time, one after the other, so that a filter never waits for what lies below. `tables` may be a function that makes them.
export function later(element, name, tables, values) {
  element.style.minHeight = "160px";
  element.dataset.chart = name;
  placed.push([element, name, tables, values]);
  if (placed.length === 1) queueMicrotask(begin);
  return element;
}

// All places are measured before the first is drawn into: each drawing makes the browser lay out the page anew.
function begin() {
  const measured = placed.filter(([element]) => element.isConnected)
    .map((todo) => [...todo, todo[0].clientWidth || todo[0].parentElement.clientWidth, todo[0].getBoundingClientRect().top]);
  placed = [];
  const seen = measured.filter((todo) => todo.at(-1) <= window.innerHeight);
  idle.push(...measured.filter((todo) => !seen.includes(todo)));
  for (const todo of seen) draw(...todo);
  if (idle.length) setTimeout(drawNext, 60);
}

function drawNext() {
  const todo = idle.shift();
  if (todo) draw(...todo);
  if (idle.length) setTimeout(drawNext, 15);
}
