// What users of the OpenAI SDK for Node do: chat, completions, responses, embeddings. Rows: see rows.mjs.

import assert from "node:assert/strict";

import OpenAI from "openai";

import { CITY, NOTHING, PLACE, PNG, SAID, SEEN, TOLD, baseURL, key, main, operation } from "./rows.mjs";

const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey: key, maxRetries: 0, timeout: 20_000 });
const HELLO = [
  { role: "system", content: "be brief" },
  { role: "user", content: "hello big world" },
];
const TOOLS = [
  { type: "function", function: { name: "weather", description: "of a city", parameters: CITY } },
  { type: "function", function: { name: "clock", parameters: NOTHING } },
];
const FLAT_TOOLS = TOOLS.map((tool) => ({ type: "function", strict: false, ...tool.function }));
const URI = `data:image/png;base64,${PNG}`;
const CALLED = [["weather", '{"city":"text"}'], ["clock", "{}"]];
const RESULTS = ["rain", "noon"];

async function chat(cell, model, messages, more = {}) {
  const { completions } = client.chat;
  const answer = cell.isStream
    ? await completions.stream({ model, messages, stream_options: { include_usage: true }, ...more }).finalChatCompletion()
    : await completions.create({ model, messages, ...more });
  const [{ message, finish_reason: finish }] = answer.choices;
  return { message, finish, usage: answer.usage };
}

operation("chat", {}, async (cell) => {
  const { message, finish, usage } = await chat(cell, cell.model(), HELLO, { max_completion_tokens: 50 });
  assert.deepEqual([message.content, message.role, finish], [SAID, "assistant", "stop"]);
  cell.counted(usage ? [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens] : null, [5, 5, 10]);
});

operation("chat_chunks", { forms: ["stream"] }, async (cell) => {
  const chunks = [];
  const given = { model: cell.model("sim-chunks-20"), messages: HELLO, stream: true };
  for await (const chunk of await client.chat.completions.create(given)) chunks.push(chunk);
  const choices = chunks.flatMap((chunk) => chunk.choices);
  assert.equal(choices.map((choice) => choice.delta.content ?? "").join("").split(/\s+/).length, 20);
  assert.deepEqual(choices.map((choice) => choice.finish_reason).filter(Boolean), ["stop"]);
  assert.deepEqual(chunks.filter((chunk) => chunk.usage), []);
});

operation("chat_parse", { need: "schema" }, async (cell) => {
  const format = { type: "json_schema", json_schema: { name: "place", strict: true, schema: PLACE } };
  const given = { model: cell.model(), messages: HELLO, response_format: format };
  const answer = cell.isStream
    ? await client.chat.completions.stream(given).finalChatCompletion()
    : await client.chat.completions.parse(given);
  assert.deepEqual(answer.choices[0].message.parsed, { city: "text", size: 0 });
  assert.equal(answer.choices[0].finish_reason, "stop");
});

operation("chat_tools", { need: "tools" }, async (cell) => {
  const model = cell.model("sim-tools-2");
  const { message, finish } = await chat(cell, model, HELLO, { tools: TOOLS });
  assert.equal(finish, "tool_calls");
  const calls = message.tool_calls.map(({ id, function: { name, arguments: given } }) => ({
    id,
    type: "function",
    function: { name, arguments: given },
  }));
  assert.deepEqual(calls.map((call) => [call.function.name, call.function.arguments]), CALLED);
  const results = calls.map((call, at) => ({ role: "tool", tool_call_id: call.id, content: RESULTS[at] }));
  const back = [...HELLO, { role: "assistant", content: null, tool_calls: calls }, ...results];
  const last = await chat(cell, model, back, { tools: TOOLS });
  assert.deepEqual([last.message.content, last.finish], [TOLD, "stop"]);
});

operation("chat_image", { need: "image" }, async (cell) => {
  const content = [{ type: "text", text: "what is this" }, { type: "image_url", image_url: { url: URI } }];
  const { message } = await chat(cell, cell.model(), [{ role: "user", content }]);
  assert.equal(message.content, SEEN);
});

operation("completion", {}, async (cell) => {
  const given = { model: cell.model(), prompt: "hello big world", max_tokens: 50 };
  const chunks = [];
  if (cell.isStream) {
    const asked = { ...given, stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await client.completions.create(asked)) chunks.push(chunk);
  } else chunks.push(await client.completions.create(given));
  const choices = chunks.flatMap((chunk) => chunk.choices);
  assert.equal(choices.map((choice) => choice.text).join(""), SAID);
  assert.deepEqual(choices.map((choice) => choice.finish_reason).filter(Boolean), ["stop"]);
  const said = chunks.filter((chunk) => chunk.choices.length); // Azure's first chunk says nothing
  assert.deepEqual(new Set(said.map((chunk) => chunk.object)), new Set(["text_completion"]));
  const usage = chunks.map((chunk) => chunk.usage).filter(Boolean).at(-1);
  cell.counted(usage ? [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens] : null, [3, 5, 8]);
});

async function respond(cell, model, input, more = {}) {
  if (!cell.isStream) return client.responses.create({ model, input, ...more });
  const stream = client.responses.stream({ model, input, ...more });
  const events = [];
  for await (const event of stream) events.push(event);
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, at) => at));
  assert.equal(events.at(-1).type, "response.completed");
  return stream.finalResponse();
}

operation("responses", {}, async (cell) => {
  const more = { instructions: "be brief", max_output_tokens: 50 };
  const answer = await respond(cell, cell.model(), "hello big world", more);
  assert.deepEqual([answer.output_text, answer.status], [SAID, "completed"]);
  const { usage } = answer;
  cell.counted(usage ? [usage.input_tokens, usage.output_tokens, usage.total_tokens] : null, [5, 5, 10]);
});

operation("responses_continued", {}, async (cell) => {
  const first = await respond(cell, cell.model(), "hello big world");
  const second = await respond(cell, cell.model(), "and on", { previous_response_id: first.id });
  assert.equal(second.output_text, "You said: and on");
  cell.counted(second.usage?.input_tokens ?? null, 10);
});

operation("responses_parse", { need: "schema" }, async (cell) => {
  const text = { format: { type: "json_schema", name: "place", strict: true, schema: PLACE } };
  const answer = cell.isStream
    ? await respond(cell, cell.model(), HELLO, { text })
    : await client.responses.parse({ model: cell.model(), input: HELLO, text });
  assert.deepEqual(answer.output_parsed, { city: "text", size: 0 });
});

operation("responses_tools", { need: "tools" }, async (cell) => {
  const model = cell.model("sim-tools-2");
  const asked = [{ role: "user", content: "hello big world" }];
  const answer = await respond(cell, model, asked, { tools: FLAT_TOOLS });
  const calls = answer.output.filter((item) => item.type === "function_call");
  assert.deepEqual(calls.map((call) => [call.name, call.arguments]), CALLED);
  const said = calls.map(({ type, call_id, name, arguments: given }) => ({ type, call_id, name, arguments: given }));
  const results = calls.map((call, at) => ({ type: "function_call_output", call_id: call.call_id, output: RESULTS[at] }));
  const last = await respond(cell, model, [...asked, ...said, ...results], { tools: FLAT_TOOLS });
  assert.equal(last.output_text, TOLD);
});

operation("responses_image", { need: "image" }, async (cell) => {
  const content = [
    { type: "input_text", text: "what is this" },
    { type: "input_image", image_url: URI, detail: "auto" },
  ];
  const answer = await respond(cell, cell.model(), [{ role: "user", content }]);
  assert.equal(answer.output_text, SEEN);
});

operation("responses_thinking", { need: "thinking" }, async (cell) => {
  const answer = await respond(cell, cell.model("sim-reasoning"), "hello big world", { reasoning: { effort: "low" } });
  assert.deepEqual(answer.output.map((item) => item.type), ["reasoning", "message"]);
  assert.match(answer.output[0].summary[0].text, /^The user wrote/);
});

operation("embeddings", { need: "embed", forms: ["whole"] }, async (cell) => {
  const answer = await client.embeddings.create({ model: cell.model(), input: ["a", "b"], dimensions: 256 });
  assert.deepEqual(answer.data.map((item) => [item.index, item.embedding.length]), [[0, 256], [1, 256]]);
});

await main("openai");
