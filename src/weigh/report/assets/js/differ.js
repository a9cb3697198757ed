// Two texts with the words marked in which they differ.

import { h } from "./dom.js";

const MOST = 700;

// Two lists of nodes: the first text with what the second lacks as <del>, the second with what is new as <ins>.
export function marked(one, other) {
  if (one === other) return [[one], [other]];
  const wholeA = one.match(/\s+|[^\s]+/g) || [], wholeB = other.match(/\s+|[^\s]+/g) || [];
  const [start, end] = alike(wholeA, wholeB);
  const inner = (words) => words.slice(start, words.length - end);
  const [left, right] = between(inner(wholeA), inner(wholeB));
  const around = (words, list) => [words.slice(0, start).join(""), ...list, end ? words.slice(-end).join("") : ""];
  return [around(wholeA, left), around(wholeB, right)];
}

// How many words two texts begin and end with alike: most of two long prompts, which need no further look.
function alike(a, b) {
  const most = Math.min(a.length, b.length);
  let start = 0, end = 0;
  while (start < most && a[start] === b[start]) start++;
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  return [start, end];
}

function between(a, b) {
  const all = (name, words) => (words.length ? [h(name, {}, words.join(""))] : []);
  if (!a.length || !b.length || a.length > MOST || b.length > MOST) return [all("del", a), all("ins", b)];
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  }
  const left = [], right = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { left.push(a[i++]); right.push(b[j++]); }
    else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) left.push(h("del", {}, a[i++]));
    else right.push(h("ins", {}, b[j++]));
  }
  return [left, right];
}
