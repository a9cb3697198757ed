// The page: opens the payload, draws the chosen view, listens to keys.

import { compare } from "./compare.js";
import { closeList, drawControls, listenToLists } from "./controls.js";
import { forget, isDark, librariesLoaded } from "./chart.js";
import { coverage } from "./coverage.js";
import { h, replace } from "./dom.js";
import { showKeys } from "./keys.js";
import { ask, follow, latest } from "./live.js";
import { overview } from "./overview.js";
import { config, payload, setPayload, unpack } from "./payload.js";
import { questions } from "./questions.js";
import { runView, when } from "./run.js";
import { fresh, get, set, start, tidy } from "./state.js";
import { tasksView } from "./tasks.js";
import { trace } from "./trace.js";

const VIEWS = [
  ["overview", "Overview", overview, ["arms", "tasks", "level", "errors", "shared"]],
  ["compare", "Compare", compare, ["arms", "tasks", "level", "errors", "shared"]],
  ["questions", "Questions", questions, () => (get("a") === "all" ? ["arms", "tasks", "errors"] : ["tasks", "errors"])],
  ["trace", "Trace", trace, []],
  ["coverage", "Coverage", coverage, ["arms", "tasks"]],
  ["tasks", "Tasks", tasksView, ["arms"]],
  ["run", "Run", runView, []],
];
let focused = "";

// What tells an element from others of its kind, so that focus survives when the view is drawn anew.
function keyOf(element) {
  const label = element.closest("label");
  // Without the options of a select: those may change with what is chosen.
  const own = label ? [...label.childNodes].filter((n) => n.nodeName !== "SELECT").map((n) => n.textContent).join("") : "";
  return [element.tagName, element.id, element.getAttribute("aria-label"), label ? own : element.tagName === "SELECT" ? "" : element.textContent.slice(0, 80)].join("|");
}

function sameKind(element) {
  return [...document.querySelectorAll(element.tagName)].filter((other) => keyOf(other) === keyOf(element));
}

// Remember where one is (the focus, what was opened); the answer brings it back.
function remember() {
  const active = document.activeElement;
  const key = active && active !== document.body ? keyOf(active) : null;
  const nth = key ? sameKind(active).indexOf(active) : 0;
  const opened = new Set([...document.querySelectorAll("#main details[open] > summary")].map((s) => s.textContent));
  return () => {
    for (const summary of document.querySelectorAll("#main details:not([open]) > summary")) if (opened.has(summary.textContent)) summary.parentElement.open = true;
    const again = key && [...document.querySelectorAll(active.tagName)].filter((other) => keyOf(other) === key)[nth];
    if (again) again.focus({ preventScroll: true });
  };
}

function draw() {
  const begun = performance.now();
  tidy({ level: payload().levels, errors: payload().errors, shared: ["1"] });
  const [name, title, view, controls] = VIEWS.find(([key]) => key === get("view")) || VIEWS[0];
  const main = document.getElementById("main");
  const back = remember();
  forget();
  window.weighQuestions = window.weighTrace = window.weighTasks = null;
  replace(document.getElementById("views"), VIEWS.map(([key, label], i) => h("a", { href: fresh({ view: key, a: get("a"), b: get("b") }), "aria-current": key === name ? "page" : null, "data-key": i + 1, "aria-keyshortcuts": i + 1 }, label)));
  drawControls(document.getElementById("controls"), typeof controls === "function" ? controls() : controls);
  replace(main);
  view(main);
  document.title = `${title} · ${payload().title}`;
  const same = focused === name;
  focused = name;
  if (!same && begun > 2000) window.scrollTo(0, 0);
  if (same) back();
  ask(show, draw);
  requestAnimationFrame(() => { document.documentElement.dataset.view = name; document.documentElement.dataset.took = (performance.now() - begun).toFixed(1); });
}

function theme(next) {
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem("weigh-theme", next); } catch { /* a page from a disk may have no storage */ }
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("dialog")) return;
  if (event.key === "Escape") {
    const list = closeList();
    if (list) return list.querySelector("summary").focus();
  }
  const typing = event.target.matches("select, textarea, input:not([type='checkbox'])");
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing) return;
  if (event.key === "?") return showKeys();
  const number = Number(event.key);
  if (number >= 1 && number <= VIEWS.length) { location.hash = fresh({ view: VIEWS[number - 1][0], a: get("a"), b: get("b") }); return event.preventDefault(); }
  const by = event.key === "j" || event.key === "n" ? 1 : event.key === "k" || event.key === "p" ? -1 : 0;
  if (by && window.weighQuestions) window.weighQuestions.move(by);
  else if (by && window.weighTrace) window.weighTrace.step(by);
  else if (by && window.weighTasks) window.weighTasks.step(by);
  else if (event.key === "t" && window.weighQuestions) window.weighQuestions.trace();
  else if (event.key === "/" && document.getElementById("search")) { document.getElementById("search").focus(); event.preventDefault(); }
}

function show(value) {
  setPayload(value);
  // A link may ask for the questions of all arms where there are none.
  if (!value.shared.n && get("shared")) set({ shared: "" }, { quiet: true });
  document.getElementById("title").textContent = value.title;
  document.getElementById("made").textContent = `${value.trials.id.length.toLocaleString("en")} trials · ${when(value.made)}`;
}

async function open() {
  let remembered = null;
  try { remembered = localStorage.getItem("weigh-theme"); } catch { remembered = null; }
  theme(remembered || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () => { theme(isDark() ? "light" : "dark"); draw(); });
  document.getElementById("help").addEventListener("click", showKeys);
  document.addEventListener("keydown", keys);
  listenToLists();
  const live = config().live;
  start(() => { if (payload()) draw(); });
  show(live ? await latest(live) : await unpack(document.getElementById("payload").textContent));
  draw();
  document.documentElement.dataset.ready = performance.now().toFixed(0);
  if (live) follow(live, show, draw);
}

window.addEventListener("load", librariesLoaded);
open().catch((error) => { document.getElementById("main").textContent = `The report cannot be opened: ${error.message}`; throw error; });
