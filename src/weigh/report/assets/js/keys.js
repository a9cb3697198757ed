// The keys, and the words of a report in short, in a box that `?` opens.

import { h } from "./dom.js";
import { payload } from "./payload.js";

const KEYS = [
  [["1", "...", "7"], "a view: overview, compare, questions, trace, coverage, tasks, run"],
  [["j", "k"], "next and previous question (n and p do the same)"],
  [["t"], "the traces of the question"],
  [["/"], "search in the questions"],
  [["Esc"], "close a list, leave a field"],
  [["?"], "this box"],
];

// As docs/glossary.md has them, shorter.
const WORDS = [
  ["arm", "one of the things that are compared: a model, or a model with an agent, a revision and a tier"],
  ["trial, epoch", "a question asked once of an arm; epochs are the times the same question was asked"],
  ["score", "what a trial is worth by the task's first metric, mostly 1 for right and 0 for wrong; of several the mean. A status of \"ok\" only says that there was an answer"],
  ["suite", "several tasks and their number together: \"pooled\" counts each question alike, a mean of tasks each task"],
  ["± SE, interval", "how far a mean would lie from its true value, had other questions of the kind been asked (or, of one question, had it been asked again)"],
  ["cannot tell, unresolved", "the evidence is too small for a verdict; this is no claim that nothing differs"],
  ["MDE80", "the smallest true difference that would have shown in 4 of 5 repetitions"],
  ["exactly these tasks", "the smaller claim: with the same tasks, asked again, it would come out so. Only the luck of the epochs is in doubt"],
  ["tasks like these", "the larger claim: further tasks of this kind would show it too. With fewer than six tasks there is no saying"],
  ["front", "the arms that none of the others beats in both, score and cost"],
  ["tier", "how much help an agent was given", (data) => data.axes.some((a) => a.name === "tier")],
  ["revision", "the version of the library that the agent worked with", (data) => data.axes.some((a) => a.name === "revision")],
  ["size", "of a model, in billions of parameters", (data) => data.axes.some((a) => a.name === "size")],
  ["marker", "a behaviour that every trial is looked through for; it says nothing of whether the trial was right", (data) => data.markers.length],
  ["no answer", "a trial that ended without one: a timeout, a limit, giving up. It counts as wrong; a trial that failed (an error of the machinery) is left out"],
];

// How tasks are asked, by the variants in their names.
function forms() {
  return Object.entries(Object.assign({}, ...payload().tasks.map((task) => task.meanings || {}))).map(([name, told]) => [`:${name}`, told]);
}

export function showKeys() {
  const box = h("dialog", { id: "keys", "aria-label": "Keys and words" },
    h("h2", {}, "Keys"), h("dl", {}, KEYS.map(([keys, does]) => [h("dt", {}, keys.map((key) => (key === "..." ? " ... " : [h("kbd", {}, key), " "]))), h("dd", {}, does)])),
    h("p", { className: "soft" }, "Numbers with dots under them lead to their trials; so do points of charts. The address keeps what is shown, so that a link shows it again."),
    h("h2", {}, "Words"), h("dl", { className: "words" }, [...WORDS.filter(([, , applies]) => !applies || applies(payload())), ...forms()].map(([word, means]) => [h("dt", {}, word), h("dd", {}, means)])),
    h("button", { type: "button", onclick: () => box.close() }, "Close"));
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
}
