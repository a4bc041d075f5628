import createClient from "openapi-fetch";

import type { components, paths } from "./concat.js";
import { events, StreamInterruptedError, type StreamEvent } from "./events.js";

const client = createClient<paths, "application/json">({
  baseUrl: process.env["DIFY_BASE_URL"] ?? "https://api.dify.ai/v1",
  headers: { Authorization: `Bearer ${process.env["DIFY_API_KEY"] ?? ""}` },
});
const inputs: components["schemas"]["ConcatInputs"] = { string: "a", num: 1, list: "list_a" };

// Blocking: one answer.
const { data: run, error } = await client.POST("/workflows/run", {
  body: { inputs, user: "ada", response_mode: "blocking" },
});
if (error) {
  throw new Error(`${error.code}: ${error.message}`);
}
console.log("blocking: ", run.data.status, run.data.outputs?.result);

// Streaming: the events as they happen.
const { response, error: refusal } = await client.POST("/workflows/run", {
  body: { inputs, user: "ada", response_mode: "streaming" },
  parseAs: "stream",
  signal: AbortSignal.timeout(600_000),
});
if (refusal) {
  throw new Error(`${refusal.code}: ${refusal.message}`);
}
try {
  for await (const event of events<StreamEvent<paths["/workflows/run"]["post"]>>(response)) {
    switch (event.event) {
      case "node_started":
        console.log(`  ${event.data.title} …`);
        break;
      case "workflow_finished":
        console.log("streaming:", event.data.status, event.data.outputs?.result);
        break;
      default: // also what this version of the document does not know
    }
  }
} catch (problem) {
  if (problem instanceof StreamInterruptedError) {
    console.error("Do not run it again before you have looked up run", problem.runId);
  }
  throw problem;
}

// A refusal is typed, too.
const refused = await client.POST("/workflows/run", {
  body: { inputs: { ...inputs, string: "x".repeat(49) }, user: "ada" },
});
console.log("refused:  ", refused.response.status, refused.error?.code);
