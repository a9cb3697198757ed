// What is shown, kept in the address after `#`, so that a link shows what its sender saw.

const DEFAULTS = { view: "overview", level: "0.95", errors: "exclude", shared: "", arms: "", tasks: "" };
let state = {};
let listener = () => {};

export function get(name) {
  return state[name] !== undefined ? state[name] : DEFAULTS[name] !== undefined ? DEFAULTS[name] : "";
}

// Change some values; empty ones leave the address. `quiet` does not draw again; `keep` leaves no step in the history.
export function set(values, { quiet = false, keep = true } = {}) {
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || String(value) === "" || String(value) === DEFAULTS[name]) delete state[name];
    else state[name] = String(value);
  }
  const hash = "#" + new URLSearchParams(state).toString();
  if (hash !== location.hash) history[keep ? "replaceState" : "pushState"](null, "", hash);
  if (!quiet) listener();
}

export function link(values) {
  const next = { ...state };
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || String(value) === "" || String(value) === DEFAULTS[name]) delete next[name];
    else next[name] = String(value);
  }
  return "#" + new URLSearchParams(next).toString();
}

// A link that keeps only the controls that all views share.
export function fresh(values) {
  const next = {};
  for (const name of ["level", "errors", "shared", "arms", "tasks"]) if (state[name]) next[name] = state[name];
  for (const [name, value] of Object.entries(values)) if (value !== "" && value !== null) next[name] = String(value);
  return "#" + new URLSearchParams(next).toString();
}

export function lens() {
  return `${get("level")}|${get("errors")}`;
}

// Places that are chosen; all when nothing is, or nothing that there is: an address may be typed, or be another report's.
export function chosen(name, count) {
  const all = [...Array(count).keys()];
  const places = new Set(get(name).split(/[.,]/).filter(Boolean).map(Number));
  const found = all.filter((i) => places.has(i));
  return found.length ? found : all;
}

// What the address asks for and no report has is forgotten; `known` holds the values that a name may have.
export function tidy(known) {
  const bad = Object.keys(known).filter((name) => state[name] !== undefined && !known[name].includes(state[name]));
  if (bad.length) set(Object.fromEntries(bad.map((name) => [name, ""])), { quiet: true });
}

function read() {
  state = Object.fromEntries(new URLSearchParams(location.hash.replace(/^#/, "")));
}

export function start(draw) {
  listener = draw;
  read();
  window.addEventListener("hashchange", () => { read(); draw(); });
  window.addEventListener("popstate", () => { read(); draw(); });
}
