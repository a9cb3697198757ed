// Two texts with the words marked in which they differ.

import { h } from "./dom.js";

const MOST = 700;

// Two lists of nodes: the first text with what the second lacks as <del>, the second with what is new as <ins>.
export function marked(one, other) {
  if (one === other) return [[one], [other]];
  const a = one.match(/\s+|[^\s]+/g) || [], b = other.match(/\s+|[^\s]+/g) || [];
  if (a.length > MOST || b.length > MOST) return [[one], [other]];
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
