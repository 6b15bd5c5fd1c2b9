// What users of the Anthropic SDK for Node do: messages, the stream helper, tools, thinking, counting. Rows: rows.mjs.

import assert from "node:assert/strict";

import Anthropic from "@anthropic-ai/sdk";

import { CITY, NOTHING, PLACE, PNG, SAID, SEEN, TOLD, baseURL, key, main, operation } from "./rows.mjs";

const client = new Anthropic({ baseURL, apiKey: key, maxRetries: 0, timeout: 20_000 });
const HELLO = [{ role: "user", content: "hello big world" }];
const TOOLS = [
  { name: "weather", description: "of a city", input_schema: CITY },
  { name: "clock", input_schema: NOTHING },
];
const THINKING = { type: "enabled", budget_tokens: 1024 };

async function say(cell, model, messages = HELLO, more = {}) {
  const given = { model, max_tokens: 4000, messages, ...more };
  if (!cell.isStream) return client.messages.create(given);
  const names = [];
  const stream = client.messages.stream(given).on("streamEvent", (event) => names.push(event.type));
  const message = await stream.finalMessage();
  assert.deepEqual([names[0], names.at(-1)], ["message_start", "message_stop"]);
  return message;
}

operation("messages", {}, async (cell) => {
  const message = await say(cell, cell.model(), HELLO, { system: "be brief" });
  assert.deepEqual(message.content.map(({ type, text }) => [type, text]), [["text", SAID]]);
  assert.deepEqual([message.role, message.stop_reason], ["assistant", "end_turn"]);
  cell.counted([message.usage.input_tokens, message.usage.output_tokens], [5, 5], [14, 7]);
});

operation("messages_events", { forms: ["stream"] }, async (cell) => {
  const events = [];
  const given = { model: cell.model("sim-chunks-20"), max_tokens: 99, messages: HELLO, stream: true };
  for await (const event of await client.messages.create(given)) if (event.type !== "ping") events.push(event);
  const names = events.map((event) => event.type);
  assert.deepEqual(names.slice(0, 2), ["message_start", "content_block_start"]);
  assert.deepEqual(names.slice(-3), ["content_block_stop", "message_delta", "message_stop"]);
  const pieces = events.filter((event) => event.type === "content_block_delta").map((event) => event.delta.text);
  assert.equal(pieces.join("").split(/\s+/).length, 20);
});

operation("messages_tools", { need: "tools" }, async (cell) => {
  const model = cell.model("sim-tools-2");
  const called = await say(cell, model, HELLO, { tools: TOOLS });
  assert.equal(called.stop_reason, "tool_use");
  const calls = called.content.filter((block) => block.type === "tool_use");
  assert.deepEqual(calls.map((call) => [call.name, call.input]), [["weather", { city: "text" }], ["clock", {}]]);
  const texts = ["rain", "noon"];
  const results = calls.map((call, at) => ({ type: "tool_result", tool_use_id: call.id, content: texts[at] }));
  const back = [...HELLO, { role: "assistant", content: called.content }, { role: "user", content: results }];
  const message = await say(cell, model, back, { tools: TOOLS });
  assert.deepEqual([message.content[0].text, message.stop_reason], [TOLD, "end_turn"]);
});

operation("messages_image", { need: "image" }, async (cell) => {
  const content = [
    { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } },
    { type: "text", text: "what is this" },
  ];
  const message = await say(cell, cell.model(), [{ role: "user", content }]);
  assert.equal(message.content[0].text, SEEN);
});

operation("messages_thinking", { need: "thinking" }, async (cell) => {
  const model = cell.model("sim-reasoning");
  const first = await say(cell, model, HELLO, { thinking: THINKING });
  assert.deepEqual(first.content.map((block) => block.type), ["thinking", "text"]);
  assert.match(first.content[0].thinking, /^The user wrote/);
  const again = [...HELLO, { role: "assistant", content: first.content }, { role: "user", content: "go on" }];
  const second = await say(cell, model, again, { thinking: THINKING });
  assert.equal(second.content.at(-1).text, "You said: go on");
});

operation("messages_parse", { need: "schema" }, async (cell) => {
  const more = { output_config: { format: { type: "json_schema", schema: PLACE } } };
  const given = { model: cell.model(), max_tokens: 4000, messages: HELLO, ...more };
  const message = cell.isStream ? await say(cell, given.model, HELLO, more) : await client.messages.parse(given);
  assert.deepEqual(JSON.parse(message.content[0].text), { city: "text", size: 0 });
});

operation("count_tokens", { forms: ["whole"] }, async (cell) => {
  const model = cell.model();
  const counted = await client.messages.countTokens({ model, messages: HELLO, system: "be brief" });
  assert.ok(counted.input_tokens > 0);
  assert.equal((await say(cell, model)).content[0].text, SAID);
});

await main("anthropic");
