// What users of Google's SDK for Node do: generate, stream, tools, schemas, embeddings, counting. Rows: see rows.mjs.

import assert from "node:assert/strict";

import { GoogleGenAI } from "@google/genai";

import { CITY, NOTHING, PLACE, PNG, SAID, SEEN, TOLD, baseURL, key, main, operation } from "./rows.mjs";

const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: baseURL, timeout: 20_000 } });
const HELLO = "hello big world";
const TOOLS = [
  {
    functionDeclarations: [
      { name: "weather", description: "of a city", parametersJsonSchema: CITY },
      { name: "clock", parametersJsonSchema: NOTHING },
    ],
  },
];

async function generate(cell, model, contents = HELLO, config = {}) {
  if (!cell.isStream) {
    const answer = await client.models.generateContent({ model, contents, config });
    return { parts: answer.candidates[0].content.parts, last: answer };
  }
  const answers = [];
  for await (const answer of await client.models.generateContentStream({ model, contents, config })) answers.push(answer);
  const candidates = answers.flatMap((answer) => answer.candidates ?? []);
  return { parts: candidates.flatMap((candidate) => candidate.content?.parts ?? []), last: answers.at(-1) };
}

const textOf = (parts) => parts.filter((part) => !part.thought).map((part) => part.text ?? "").join("");

operation("generate", {}, async (cell) => {
  const config = { systemInstruction: "be brief", maxOutputTokens: 50 };
  const { parts, last } = await generate(cell, cell.model(), HELLO, config);
  assert.equal(textOf(parts), SAID);
  assert.equal(last.candidates[0].finishReason, "STOP");
  const told = last.usageMetadata;
  const counts = told ? [told.promptTokenCount, told.candidatesTokenCount, told.totalTokenCount] : null;
  cell.counted(counts, [5, 5, 10]);
});

operation("generate_tools", { need: "tools" }, async (cell) => {
  const model = cell.model("sim-tools-2");
  const called = await generate(cell, model, HELLO, { tools: TOOLS });
  const asked = called.parts.filter((part) => part.functionCall);
  const calls = asked.map((part) => part.functionCall);
  assert.deepEqual(calls.map((call) => [call.name, call.args ?? {}]), [["weather", { city: "text" }], ["clock", {}]]);
  const texts = ["rain", "noon"];
  const results = calls.map(({ id, name }, at) => ({ functionResponse: { id, name, response: { output: texts[at] } } }));
  const contents = [
    { role: "user", parts: [{ text: HELLO }] },
    { role: "model", parts: asked },
    { role: "user", parts: results },
  ];
  const { parts } = await generate(cell, model, contents, { tools: TOOLS });
  assert.equal(textOf(parts), TOLD);
});

operation("generate_image", { need: "image" }, async (cell) => {
  const contents = ["what is this", { inlineData: { data: PNG, mimeType: "image/png" } }];
  const { parts } = await generate(cell, cell.model(), contents);
  assert.equal(textOf(parts), SEEN);
});

operation("generate_thinking", { need: "thinking" }, async (cell) => {
  const config = { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 }, maxOutputTokens: 4000 };
  const { parts } = await generate(cell, cell.model("sim-reasoning"), HELLO, config);
  assert.match(parts.filter((part) => part.thought).map((part) => part.text).join(""), /^The user wrote/);
  assert.equal(textOf(parts), SAID);
});

operation("generate_parsed", { need: "schema" }, async (cell) => {
  const config = { responseMimeType: "application/json", responseJsonSchema: PLACE };
  const { parts } = await generate(cell, cell.model(), HELLO, config);
  assert.deepEqual(JSON.parse(textOf(parts)), { city: "text", size: 0 });
});

operation("embed_content", { need: "embed", forms: ["whole"] }, async (cell) => {
  const config = { outputDimensionality: 256 };
  const answer = await client.models.embedContent({ model: cell.model(), contents: ["a", "b"], config });
  assert.deepEqual(answer.embeddings.map((item) => item.values.length), [256, 256]);
});

operation("count_tokens", { forms: ["whole"] }, async (cell) => {
  const model = cell.model();
  const counted = await client.models.countTokens({ model, contents: HELLO });
  assert.ok(counted.totalTokens > 0);
  assert.equal(textOf((await generate(cell, model)).parts), SAID);
});

await main("google");
