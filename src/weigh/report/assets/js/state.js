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

// Places that are chosen; all when nothing is.
export function chosen(name, count) {
  const text = get(name);
  const all = [...Array(count).keys()];
  if (!text) return all;
  const places = new Set(text.split(".").map(Number));
  return all.filter((i) => places.has(i));
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
