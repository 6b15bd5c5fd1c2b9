// The unmodified official OpenAI SDK for Node through a served gateway; started by tests/e2e/test_openai_node.py.
//
// Rules: a test asks for model names of its own (`unique`); what the provider saw is asked of the simulator.
// Not here: starting a gateway.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import OpenAI from "openai";

const { SIMULATOR_URL, LIMITED_KEY, NARROW_KEY } = process.env;
const client = new OpenAI({ maxRetries: 0, timeout: 30_000 }); // OPENAI_BASE_URL and OPENAI_API_KEY
const CONVERSATION = [
  { role: "system", content: "be brief" },
  { role: "user", content: "hello big world" },
];
const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const TOOLS = [
  { type: "function", function: { name: "weather", description: "of a city", parameters: CITY } },
  { type: "function", function: { name: "clock", parameters: { type: "object", properties: {} } } },
];

const unique = (model = "sim") => `${model}-tag-${randomUUID().slice(0, 8)}`;
const chat = (model, more = {}, options = {}) =>
  client.chat.completions.create({ model, messages: CONVERSATION, ...more }, options);

async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

const textOf = (chunks, index = 0) =>
  chunks
    .flatMap((chunk) => chunk.choices)
    .filter((choice) => choice.index === index)
    .map((choice) => choice.delta.content ?? "")
    .join("");

async function seen(model) {
  const response = await fetch(`${SIMULATOR_URL}/_sim/requests?model=${encodeURIComponent(model)}&last=500`);
  return response.json();
}

async function failure(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  return assert.fail("the call did not fail");
}

test("chat", async () => {
  const model = unique();
  const answer = await chat(model, { temperature: 0.5, max_tokens: 50, user: "ana" });
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.choices[0].message.content, "You said: hello big world");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.deepEqual(
    [answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens],
    [5, 5, 10],
  );
  const [{ body }] = await seen(model);
  delete body.stream;
  assert.deepEqual(body, { model, messages: CONVERSATION, temperature: 0.5, max_tokens: 50, user: "ana" });
});

test("stream", async () => {
  const chunks = await collect(await chat(unique("sim-chunks-20"), { stream: true }));
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.equal(textOf(chunks).split(" ").length, 20);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  assert.ok(chunks.every((chunk) => !chunk.usage));
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
});

test("stream with usage", async () => {
  const chunks = await collect(await chat(unique(), { stream: true, stream_options: { include_usage: true } }));
  const last = chunks.at(-1);
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.total_tokens, 10);
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage === null));
});

test("several choices", async () => {
  const answer = await chat(unique(), { n: 3 });
  const texts = answer.choices.map((choice) => choice.message.content);
  assert.equal(new Set(texts).size, 3);
  const chunks = await collect(await chat(unique(), { n: 3, stream: true }));
  assert.deepEqual([0, 1, 2].map((index) => textOf(chunks, index)), texts);
});

test("tools in a stream and back", async () => {
  const model = unique("sim-tools-2");
  const runner = client.chat.completions.stream({ model, messages: CONVERSATION, tools: TOOLS });
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].finish_reason, "tool_calls");
  const calls = final.choices[0].message.tool_calls.map(({ id, type, function: { name, arguments: given } }) => ({
    id,
    type,
    function: { name, arguments: given },
  }));
  assert.deepEqual(calls.map((call) => call.function.name), ["weather", "clock"]);
  assert.ok("city" in JSON.parse(calls[0].function.arguments));
  const followed = [
    ...CONVERSATION,
    { role: "assistant", content: null, tool_calls: calls },
    ...calls.map((call, at) => ({ role: "tool", tool_call_id: call.id, content: `result ${at}` })),
  ];
  const chunks = await collect(await chat(model, { messages: followed, tools: TOOLS, stream: true }));
  assert.equal(textOf(chunks), "The tool said: result 0; result 1");
  assert.deepEqual((await seen(model)).at(-1).body.messages, followed);
});

test("structured output", async () => {
  const answer = await client.chat.completions.parse({
    model: unique(),
    messages: CONVERSATION,
    response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema: CITY } },
  });
  assert.deepEqual(Object.keys(answer.choices[0].message.parsed), ["city"]);
});

test("logprobs", async () => {
  const more = { logprobs: true, top_logprobs: 2 };
  const answer = await chat(unique(), more);
  const { content } = answer.choices[0].logprobs;
  assert.equal(content.map((item) => item.token).join(""), answer.choices[0].message.content);
  assert.ok(content.every((item) => item.top_logprobs.length === 2));
  const chunks = await collect(await chat(unique(), { ...more, stream: true }));
  assert.deepEqual(chunks.flatMap((chunk) => chunk.choices[0].logprobs?.content ?? []), content);
});

test("reasoning content", async () => {
  const answer = await chat(unique("sim-reasoning"));
  const chunks = await collect(await chat(unique("sim-reasoning"), { stream: true }));
  const thoughts = chunks.map((chunk) => chunk.choices[0].delta.reasoning_content ?? "").join("");
  assert.ok(thoughts.length > 0);
  assert.equal(thoughts, answer.choices[0].message.reasoning_content);
});

test("vision and audio parts", async () => {
  const model = unique();
  const content = [
    { type: "text", text: "what is this?" },
    { type: "image_url", image_url: { url: `data:image/png;base64,${Buffer.alloc(64, 7).toString("base64")}` } },
    { type: "input_audio", input_audio: { data: Buffer.alloc(64, 9).toString("base64"), format: "wav" } },
  ];
  const answer = await chat(model, { messages: [{ role: "user", content }] });
  assert.equal(answer.choices[0].message.content, "You said: what is this? (with 2 more parts)");
  assert.deepEqual((await seen(model))[0].body.messages[0].content, content);
  const spoken = await chat(model, { modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" } });
  const { data, transcript } = spoken.choices[0].message.audio;
  assert.equal(Buffer.from(data, "base64").subarray(0, 4).toString(), "RIFF");
  assert.equal(transcript, "You said: hello big world");
});

test("embeddings", async () => {
  const model = unique();
  const input = ["a", "b", "c"];
  const standard = await client.embeddings.create({ model, input });
  assert.equal((await seen(model))[0].body.encoding_format, "base64");
  const floats = await client.embeddings.create({ model, input, encoding_format: "float" });
  assert.deepEqual(standard.data.map((item) => item.index), [0, 1, 2]);
  assert.deepEqual(floats.data.map((item) => item.embedding), standard.data.map((item) => item.embedding));
  const short = await client.embeddings.create({ model, input: "alone", dimensions: 64 });
  assert.equal(short.data[0].embedding.length, 64);
  const tokens = await client.embeddings.create({ model, input: [[1, 22], [333]] });
  assert.deepEqual([tokens.data.length, tokens.usage.prompt_tokens], [2, 3]);
});

test("models", async () => {
  const listed = await collect(client.models.list());
  const one = await client.models.retrieve("gpt-4o-mini");
  assert.deepEqual(listed.find((model) => model.id === "gpt-4o-mini"), { ...one });
  assert.equal(one.context_window, 128000);
});

test("completions", async () => {
  const answer = await client.completions.create({ model: unique(), prompt: "once upon", max_tokens: 20 });
  assert.equal(answer.choices[0].text, "You said: once upon");
  const stream = await client.completions.create({ model: unique(), prompt: "once upon", max_tokens: 20, stream: true });
  assert.equal((await collect(stream)).map((chunk) => chunk.choices[0].text).join(""), "You said: once upon");
});

const REFUSALS = {
  "range 400": ["sim", { temperature: 2.5 }, OpenAI.BadRequestError, 400, "invalid_value", "temperature"],
  "unknown model 404": ["nobody", {}, OpenAI.NotFoundError, 404, "model_not_found", "model"],
  "too large 413": ["sim", { user: "x".repeat(21 << 20) }, OpenAI.APIError, 413, "request_too_large", null],
  "provider 400": ["direct/sim-status-400", {}, OpenAI.BadRequestError, 400, undefined, null],
  "provider 429": ["direct/sim-status-429", {}, OpenAI.RateLimitError, 429, "provider_rate_limited", null],
  "provider 500": ["direct/sim-status-500", {}, OpenAI.InternalServerError, 500, "provider_error", null],
  "provider cut 502": ["direct/sim-cut-before-headers", {}, OpenAI.InternalServerError, 502, "provider_error", null],
  "provider silent 504": ["hasty/sim-silent", {}, OpenAI.InternalServerError, 504, "provider_timeout", null],
};

for (const [name, [model, more, cls, status, code, param]] of Object.entries(REFUSALS)) {
  for (const stream of [false, true]) {
    test(`error ${name}${stream ? " of a stream" : ""}`, async () => {
      const error = await failure(chat(model === "nobody" ? model : unique(model), { ...more, stream }));
      assert.ok(error instanceof cls, `${error.constructor.name}: ${error}`);
      assert.equal(error.status, status);
      assert.equal(error.param, param);
      if (code !== undefined) assert.equal(error.code, code);
      assert.ok(error.requestID);
    });
  }
}

test("error wrong key 401", async () => {
  const error = await failure(client.withOptions({ apiKey: "gw-test.wrong" }).models.list());
  assert.ok(error instanceof OpenAI.AuthenticationError);
  assert.equal(error.code, "invalid_api_key");
});

test("error key without the model 403", async () => {
  const narrow = client.withOptions({ apiKey: NARROW_KEY });
  const error = await failure(narrow.chat.completions.create({ model: "sim", messages: CONVERSATION }));
  assert.ok(error instanceof OpenAI.PermissionDeniedError);
});

test("retry-after is waited for", async () => {
  const model = unique("direct/sim-status-429-after-1-once");
  const began = performance.now();
  const answer = await chat(model, {}, { maxRetries: 1 });
  assert.ok(performance.now() - began >= 1000);
  assert.equal(answer.choices[0].message.content, "You said: hello big world");
  assert.equal((await seen(model)).length, 2);
});

test("own limit says when", async () => {
  const limited = client.withOptions({ apiKey: LIMITED_KEY });
  const calls = async () => {
    for (let count = 0; count < 3; count += 1) {
      await limited.chat.completions.create({ model: "sim", messages: CONVERSATION });
    }
  };
  const error = await failure(calls());
  assert.ok(error instanceof OpenAI.RateLimitError);
  const wait = Number(error.headers.get("retry-after"));
  assert.ok(Number.isInteger(wait) && wait >= 1 && wait <= 60, `retry-after: ${wait}`);
  assert.equal(error.headers.get("x-ratelimit-remaining-requests"), "0");
});

test("error a cut stream", async () => {
  const stream = await chat(unique("direct/sim-chunks-20-cut-5"), { stream: true });
  const chunks = [];
  const read = async () => {
    for await (const chunk of stream) chunks.push(chunk);
  };
  const error = await failure(read());
  assert.equal(error.code, "stream_cut");
  assert.ok(textOf(chunks).startsWith("You said: hello big world"));
});

test("headers of a success", async () => {
  const { data, response, request_id: id } = await chat(unique()).withResponse();
  assert.equal(data.choices[0].message.content, "You said: hello big world");
  assert.match(id, /^req_/);
  assert.equal(response.headers.get("x-gateway-provider"), "simulator");
  assert.match(response.headers.get("server-timing"), /^accept;dur=.*render;dur=/);
});

test("aborting lets the provider go", async () => {
  const model = unique("sim-chunks-1000-pace-50");
  const stream = await chat(model, { stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) break; // leaving the loop aborts the request
  }
  const until = performance.now() + 5000;
  while ((await seen(model))[0].outcome !== "aborted") {
    assert.ok(performance.now() < until, "the provider did not see the abort");
    await new Promise((done) => setTimeout(done, 20));
  }
});
