// The steps of a stored trial. A single request has none of its own: they follow from request and output.

export function promptOf(trial) {
  const request = trial.trajectory && trial.trajectory.request;
  if (!request) return null;
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
