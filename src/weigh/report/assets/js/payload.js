// The payload: opened once, looked up often. Trials are columns; their whole records lie in chunks, loaded on demand.

let data = null;
const chunks = new Map();
const waiting = new Map();

export function payload() {
  return data;
}

export function setPayload(value) {
  data = value;
  data.byId = new Map(value.trials.id.map((id, i) => [id, i]));
  chunks.clear();
}

// A measure of a trial; null where it is not known.
export function measure(name, trial) {
  const own = data.trials[name];
  return own ? own[trial] : null;
}

export async function unpack(base64) {
  const text = atob(base64.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

export function config() {
  return JSON.parse(document.getElementById("config").textContent);
}

// A block of the grid: `places` maps keys of lenses to blocks.
export function block(places, key) {
  const at = places && places[key];
  return at === undefined ? null : data.blocks[at];
}

export function text(place) {
  return place < 0 ? null : data.texts[place];
}

export function status(trial) {
  return text(data.trials.status[trial]);
}

export function isFailed(trial) {
  const s = status(trial);
  return s === "error" || s === "empty";
}

export function primary(task) {
  return task.metrics[0] || null;
}

// Descriptive: a trial's value by its task's first metric; null where it failed or has none.
export function valueOf(trial, errors) {
  const metric = primary(data.tasks[data.trials.task[trial]]);
  if (!metric) return null;
  const own = isFailed(trial) ? null : (data.scores[metric.scorer] || [])[trial];
  if (own !== null && own !== undefined) return own;
  return errors === "zero" && metric.percent ? (metric.lower ? 1 : 0) : null;
}

// Whether a row of results is a share.
export function isPercent(row) {
  const task = data.tasks.find((t) => t.spec === row.task);
  const metric = task && task.metrics.find((m) => m.name === row.metric);
  return metric ? metric.percent : row.suite && !row.lower_is_better && !row.unit;
}

// A value of a metric as a person says it: a share in percent, other numbers as they are.
export function shownValue(value, metric) {
  if (value === null || value === undefined) return "-";
  if (metric && metric.percent) return `${Number((100 * value).toFixed(1))} %`;
  return Number.isInteger(value) ? String(value) : String(Number(value.toFixed(3)));
}

// The same of a single trial, where a share is mostly all or nothing.
export function judged(value, metric) {
  if (metric && metric.percent && !metric.lower && (value === 0 || value === 1)) return value ? "right" : "wrong";
  return shownValue(value, metric);
}

window.weighChunk = (number, base64) => {
  const done = waiting.get(number);
  if (done) unpack(base64).then(done.resolve, done.reject);
};

function loadChunk(number) {
  if (chunks.has(number)) return chunks.get(number);
  const promise = new Promise((resolve, reject) => {
    const embedded = document.getElementById(`chunk-${number}`);
    if (embedded) return unpack(embedded.textContent).then(resolve, reject);
    waiting.set(number, { resolve, reject });
    const script = document.createElement("script");
    script.src = `traces/${number}.js`;
    script.onerror = () => reject(new Error(`traces/${number}.js is not beside this page: copy the whole folder`));
    document.head.append(script);
  }).then((records) => new Map(records.map((record) => [record.id, record])));
  chunks.set(number, promise);
  promise.catch(() => chunks.delete(number));
  return promise;
}

// The texts a trial was given besides the question, by name; those that the store had lost are not there.
export async function givenTexts(whole) {
  if (whole.given) return whole.given;
  const found = {};
  for (const [name, reference] of Object.entries(whole.trajectory.artifacts || {})) {
    if (!name.startsWith("given/")) continue;
    const key = reference.slice(reference.lastIndexOf("/") + 1);
    const number = (data.given || {})[key];
    const held = number === undefined ? null : (await loadChunk(number)).get(key);
    if (held) found[name.slice(6)] = held.given;
  }
  return found;
}

// The whole record of a trial; null where the report was written without it.
export async function record(trial) {
  const id = data.trials.id[trial];
  const live = config().live;
  if (live) {
    const answer = await fetch(live.trial + encodeURIComponent(id));
    if (!answer.ok) throw new Error(`the viewer has no trial ${id} (${answer.status})`);
    return answer.json();
  }
  const number = data.trials.chunk[trial];
  if (number < 0) return null;
  return (await loadChunk(number)).get(id) || null;
}
