// The rows of the matrix for Node: what an SDK's file shares with the others. Started by tests/support/matrix/node.py.
//
// Rules: the table of upstream formats and the place of the gateway come in MATRIX (JSON); each row prints one line of
//   JSON, `{"row": ..., "failure": null or text}`; rows run side by side, a few at a time.
// Not here: operations (openai.mjs, anthropic.mjs, google.mjs), the upstream formats (upstreams.py).

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

export const { base_url: baseURL, key, simulator, png: PNG, upstreams } = JSON.parse(process.env.MATRIX);
export const SAID = "You said: hello big world";
export const TOLD = "The tool said: rain; noon";
export const SEEN = "You said: what is this (with 1 more part)";
export const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const NOTHING = { type: "object", properties: {} };
export const PLACE = {
  type: "object",
  properties: { city: { type: "string" }, size: { type: "integer" } },
  required: ["city", "size"],
  additionalProperties: false,
};
const AT_ONCE = 4;
const operations = [];

// Enter an operation: `need` is what of the upstream it needs; `run` gets a cell.
export function operation(name, { need = "", forms = ["whole", "stream"] }, run) {
  operations.push({ name, need, forms, run });
}

class Cell {
  constructor(upstream, form) {
    this.upstream = upstream;
    this.isStream = form === "stream";
    this.models = [];
  }

  // A name of this upstream's model that behaves so, which nobody else uses.
  model(behaviour = "sim") {
    this.models.push(`${this.upstream.name}/${behaviour}-tag-${randomUUID().slice(0, 8)}`);
    return this.models.at(-1);
  }

  // Counts an answer told, against those expected where the upstream counts, and `none` where it does not.
  counted(told, expected, none = null) {
    assert.deepEqual(told, this.upstream.isCounted ? expected : none);
  }

  async requests() {
    const found = [];
    for (const model of this.models) {
      const answer = await fetch(`${simulator}/_sim/requests?model=${encodeURIComponent(model)}&last=500`);
      found.push(...(await answer.json()));
    }
    return found;
  }
}

async function runRow({ need, run }, cell) {
  const refusal = cell.upstream.refuses[need];
  if (refusal === undefined) {
    await run(cell);
    const seen = await cell.requests();
    assert.ok(seen.length > 0, "the upstream got nothing");
    const its = new RegExp(`^(?:${cell.upstream.path})$`);
    assert.deepEqual(seen.filter(({ path }) => !its.test(path)), [], "a request of another format");
    assert.ok(need !== "image" || JSON.stringify(seen.at(-1).body).includes(PNG), "the image did not arrive");
    return;
  }
  const error = await run(cell).then(() => null, (thrown) => thrown);
  assert.ok(error, "the call was not refused");
  assert.equal(error.status, 400, String(error));
  assert.match(String(error.message), new RegExp(refusal));
  assert.deepEqual(await cell.requests(), [], "a refused request reached the upstream");
}

// Run every row of this SDK.
export async function main(sdk) {
  const rows = operations.flatMap((done) =>
    done.forms.flatMap((form) => upstreams.map((upstream) => ({ done, form, upstream }))),
  );
  const worker = async () => {
    for (let row = rows.shift(); row; row = rows.shift()) {
      const { done, form, upstream } = row;
      const failure = await runRow(done, new Cell(upstream, form)).then(() => null, (thrown) => thrown.stack);
      console.log(JSON.stringify({ row: `${sdk}-${done.name}-${form}-${upstream.name}`, failure }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
