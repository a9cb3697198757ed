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
  const select = h("select", { onchange: () => change(select.value) });
  for (const [key, text] of options) select.append(h("option", { value: key, selected: String(key) === String(value) }, text));
  return h("label", {}, label, select);
}

export function check(label, checked, change) {
  const input = h("input", { type: "checkbox", checked, onchange: () => change(input.checked) });
  return h("label", {}, input, label);
}

// Columns are {title, number, cell(row)}; `head` makes the first column the row's heading.
export function table(columns, rows, { className = "", rowClass = () => null, caption = null } = {}) {
  const shown = columns.filter((c) => c && (c.always || rows.some((row) => !isBlank(c.cell(row)))));
  return h("div", { className: "scroll", tabindex: 0, role: "group", "aria-label": caption || "Table" },
    h("table", { className },
      h("thead", {}, h("tr", {}, shown.map((c) => h("th", { className: c.number ? "n" : null, scope: "col", title: c.about }, c.title)))),
      h("tbody", {}, rows.map((row) => h("tr", { className: rowClass(row) }, shown.map((c, i) => {
        const cell = c.cell(row);
        const props = { className: (c.number ? "n " : "") + (c.className || "") };
        return i === 0 ? h("th", { ...props, scope: "row" }, isBlank(cell) ? "-" : cell) : h("td", props, isBlank(cell) ? "-" : cell);
      }))))));
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
