// The steps of a stored trial. A single request has none of its own: they follow from request and output.

// What the model read before it first answered, as it was rendered: an agent program puts more into its first messages
// than the request says (a Skill, say), and what it did stands in the steps.
export function promptOf(trial) {
  const made = trial.trajectory;
  if (!made || !made.request) return null;
  const { request, steps = [] } = made;
  const first = steps.findIndex((step) => step.source === "model");
  const before = (first < 0 ? steps : steps.slice(0, first)).filter((step) => step.message);
  if (before.length && request.kind === "chat") return before.map((step) => `[${step.source}]\n${step.message}`).join("\n\n");
  if (request.kind === "chat") return request.messages.map((m) => `[${m.role}]\n${contentText(m.content)}`).join("\n\n");
  return request.kind === "completion" ? request.prompt : request.context;
}

export function contentText(content) {
  if (typeof content === "string") return content;
  return (content || []).map((part) => (part.type === "text" ? part.text : `(${part.type})`)).join("\n");
}

export function stepsOf(trial) {
  const made = trial.trajectory;
  if (!made) return [];
  if (made.steps && made.steps.length) return made.steps;
  const { request, output } = made;
  const before = request.kind === "chat"
    ? request.messages.map((m) => ({ source: m.role === "assistant" ? "model" : m.role === "system" ? "system" : "user", message: contentText(m.content), parts: typeof m.content === "string" ? null : m.content }))
    : [{ source: "user", message: promptOf(trial) }];
  const answer = { source: "model", message: output.text || "", reasoning: output.reasoning, tool_calls: output.tool_calls || [], usage: made.usage, seconds: (trial.timing || {}).model };
  if (output.continuations) answer.continuations = output.continuations.map((c, i) => ({ text: request.continuations[i], logprob: c.logprob }));
  return [...before, answer];
}
