// The keys, in a box that `?` opens.

import { h } from "./dom.js";

const KEYS = [
  [["1", "...", "7"], "a view: overview, compare, questions, trace, coverage, tasks, run"],
  [["j", "k"], "next and previous question (n and p do the same)"],
  [["t"], "the traces of the question"],
  [["/"], "search in the questions"],
  [["Esc"], "close a list, leave a field"],
  [["?"], "these keys"],
];

export function showKeys() {
  const box = h("dialog", { id: "keys", "aria-label": "Keys" },
    h("h2", {}, "Keys"), h("dl", {}, KEYS.map(([keys, does]) => [h("dt", {}, keys.map((key) => (key === "..." ? " ... " : [h("kbd", {}, key), " "]))), h("dd", {}, does)])),
    h("p", { className: "soft" }, "Numbers with dots under them lead to their trials; so do points of charts. The address keeps what is shown, so that a link shows it again."),
    h("button", { type: "button", onclick: () => box.close() }, "Close"));
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
}
