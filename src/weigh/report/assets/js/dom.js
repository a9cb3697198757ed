// Elements from data. Text is only ever set as text: nothing a model wrote is read as HTML.

export function h(name, props, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else element.setAttribute(key === "className" ? "class" : key, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export function replace(element, ...children) {
  element.textContent = "";
  append(element, children);
}

// A select whose options are [value, label]; `change` gets the chosen value as text.
export function choice(label, options, value, change) {
  const select = h("select", { name: label, onchange: () => change(select.value) });
  for (const [key, text] of options) select.append(h("option", { value: key, selected: String(key) === String(value) }, text));
  return h("label", {}, label, select);
}

export function check(label, checked, change) {
  const input = h("input", { type: "checkbox", checked, onchange: () => change(input.checked) });
  return h("label", {}, input, label);
}

// How a table was sorted by its reader, by its caption: it stays so when the view is drawn anew.
const orders = new Map();

// On a phone what a row is about (`who`) and its chief numbers (`lead`) come first, so that they are in sight.
function inSight(columns) {
  if (!window.matchMedia("(max-width: 760px)").matches || !columns.some((c) => c.lead)) return columns;
  const rank = (c) => (c.who ? 0 : c.lead ? 1 : 2);
  return [0, 1, 2].flatMap((wanted) => columns.filter((c) => rank(c) === wanted));
}

// Columns are {title, number, cell(row)}. `sortable` makes a header sort by its column: once, the other way, as it was.
export function table(columns, rows, options = {}) {
  const { className = "", rowClass = () => null, caption = null, sortable = false } = options;
  const shown = inSight(columns.filter((c) => c && (c.always || rows.some((row) => !isBlank(c.cell(row))))));
  const [title, way] = (sortable && orders.get(caption)) || [null, 0];
  const by = shown.find((c) => c.title === title);
  const ordered = by ? sorted(rows, by, way) : rows;
  const box = h("div", { className: "scroll", tabindex: 0, role: "group", "aria-label": caption || "Table" },
    h("table", { className },
      h("thead", {}, h("tr", {}, shown.map((c) => h("th", { className: c.number ? "n" : null, scope: "col", title: c.about, "aria-sort": c === by ? (way > 0 ? "ascending" : "descending") : null }, sortable && c.title ? header(c) : c.title)))),
      h("tbody", {}, ordered.map((row) => h("tr", { className: rowClass(row) }, shown.map((c, i) => {
        const cell = c.cell(row);
        const props = { className: (c.number ? "n " : "") + (c.className || "") };
        return i === 0 ? h("th", { ...props, scope: "row" }, isBlank(cell) ? "-" : cell) : h("td", props, isBlank(cell) ? "-" : cell);
      }))))));

  function header(c) {
    const mark = c !== by ? "" : way > 0 ? " ▲" : " ▼";
    return h("button", { type: "button", className: "sort", onclick: () => {
      // Of numbers the largest come first.
      const first = c.number ? -1 : 1;
      if (c !== by) orders.set(caption, [c.title, first]);
      else if (way === first) orders.set(caption, [c.title, -first]);
      else orders.delete(caption);
      const again = table(columns, rows, options);
      box.replaceWith(again);
      [...again.querySelectorAll("button.sort")].find((b) => b.dataset.title === c.title).focus();
    }, "data-title": c.title }, c.title, h("span", { "aria-hidden": "true" }, mark));
  }
  return box;
}

function sorted(rows, column, way) {
  const keys = new Map(rows.map((row) => {
    const cell = column.cell(row);
    const told = isBlank(cell) ? "-" : cell instanceof Node ? cell.textContent : String(cell);
    return [row, !column.number ? told : told === "-" ? null : Number.parseFloat(told.replace(/,/g, ""))];
  }));
  return [...rows].sort((x, y) => {
    const [a, b] = [keys.get(x), keys.get(y)];
    if (a === null || b === null) return (a === null) - (b === null);
    return way * (column.number ? a - b : a.localeCompare(b, "en", { numeric: true }));
  });
}

function isBlank(value) {
  return value === null || value === undefined || value === "";
}

export function empty(text) {
  return h("p", { className: "empty" }, text);
}

export function plural(n, word) {
  return `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
}

// Lines for people: the first few, the rest when somebody asks for it.
export function notes(lines, most = 6) {
  if (!lines.length) return null;
  const list = (some) => h("ul", { className: "notes" }, some.map((line) => h("li", {}, line)));
  if (lines.length <= most + 1) return list(lines);
  return h("div", {}, list(lines.slice(0, most)), h("details", { className: "more" }, h("summary", {}, `${lines.length - most} more`), list(lines.slice(most))));
}

// Names in a sentence: all of a few, else the first ones, the rest when somebody asks for it.
export function few(names, most = 3) {
  if (names.length <= most + 1) return names.join(", ");
  return h("details", { className: "few" }, h("summary", {}, `${names.slice(0, most).join(", ")} and ${names.length - most} more`), names.slice(most).join(", "));
}
