// Calls of apps of all kinds, typed by their documents. A line after `@ts-expect-error` must be a mistake.
import createClient from "openapi-fetch";

import type { paths as AgentPaths } from "./agent.js";
import type { components as Chat, paths as ChatPaths } from "./desk.js";
import { ErrorEventError, events, StreamInterruptedError, type StreamEvent } from "./events.js";
import type { components, paths } from "./lookup.js";
import type { paths as WriterPaths } from "./writer.js";

type LookupEvent = StreamEvent<paths["/workflows/run"]["post"]>;
type DeskEvent = StreamEvent<ChatPaths["/chat-messages"]["post"]>;
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

const baseUrl = process.env["DIFY_BASE_URL"] ?? "";
const connect = <Paths extends {}>(key: string) =>
  createClient<Paths, "application/json">({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const told: Record<string, unknown> = {};

// A workflow: what goes in.
const lookup = connect<paths>("app-lookup");
const inputs: components["schemas"]["LookupInputs"] = { 客户: "Ada", "order-no": 7 };
// @ts-expect-error a required input is missing
const missing: components["schemas"]["LookupInputs"] = { "order-no": 7 };
// @ts-expect-error there is no such input
const unknown: components["schemas"]["LookupInputs"] = { 客户: "Ada", "order-no": 7, ordre: 1 };
// @ts-expect-error no such choice
const choice: components["schemas"]["LookupInputs"] = { 客户: "Ada", "order-no": 7, tone: "rude" };
// @ts-expect-error what is optional is left out, not undefined
const absent: components["schemas"]["LookupInputs"] = { 客户: "Ada", "order-no": 7, tone: undefined };
told["unused"] = [missing, unknown, choice, absent].length;

// What comes out.
const { data: run, error } = await lookup.POST("/workflows/run", { body: { inputs, user: "ada" } });
if (error) {
  const code: Equal<typeof error.code, string> = true;
  throw new Error(`${code} ${error.message}`);
}
const outputs = run.data.outputs;
const status: "running" | "succeeded" | "failed" | "stopped" | "partial-succeeded" | "paused" = run.data.status;
const state: string | undefined = outputs?.状态;
const count: number | null | undefined = outputs?.count;
// @ts-expect-error it may be missing: the run may have failed
const sure: string = run.data.outputs.状态;
// @ts-expect-error it is a number
const wrong: string | null | undefined = outputs?.count;
told["blocking"] = [status, state, count, outputs?.lines?.[0]?.text, sure === wrong];

// Its events, one type each.
const streamed = await lookup.POST("/workflows/run", {
  body: { inputs, user: "ada", response_mode: "streaming" },
  parseAs: "stream",
});
const seen: string[] = [];
for await (const event of events<LookupEvent>(streamed.response)) {
  seen.push(event.event);
  // @ts-expect-error not every event has it
  void event.data.status;
  // @ts-expect-error pings do not come
  if (event.event === "ping") {
    continue;
  }
  // @ts-expect-error workflows have no such event
  if (event.event === "message_end") {
    continue;
  }
  if (event.event === "workflow_finished") {
    const got: string | undefined = event.data.outputs?.状态;
    told["streaming"] = got;
  } else if (event.event === "node_finished") {
    const seconds: number | undefined = event.data.elapsed_time;
    told["seconds"] = typeof seconds;
  }
}
told["events"] = [...new Set(seen)];

// What goes wrong.
const faulty = (fault: string, signal?: AbortSignal) =>
  lookup.POST("/workflows/run", {
    body: { inputs, user: "ada", response_mode: "streaming" },
    headers: { "X-Mock-Fault": fault },
    parseAs: "stream",
    ...(signal ? { signal } : {}),
  });
const caught = async (fault: string): Promise<unknown> => {
  const { response, error } = await faulty(fault);
  if (error) {
    return [response.status, typeof error === "string" ? "text" : error.code];
  }
  try {
    for await (const event of events<LookupEvent>(response)) {
      if (event.event === "workflow_finished") {
        return event.data.status;
      }
    }
  } catch (problem) {
    if (problem instanceof StreamInterruptedError) {
      return [problem.name, typeof problem.taskId, typeof problem.runId];
    }
    if (problem instanceof ErrorEventError) {
      return [problem.name, problem.status, problem.code];
    }
    throw problem;
  }
  return "nothing";
};
for (const fault of ["failed", "cut=4", "error-event", "401", "429", "html-502"]) {
  told[fault] = await caught(fault);
}

// Who has waited long enough.
const controller = new AbortController();
try {
  const { response } = await faulty("slow", controller.signal);
  for await (const event of events<LookupEvent>(response)) {
    if (event.event === "node_started") {
      controller.abort(new RangeError("enough"));
    }
  }
} catch (problem) {
  told["abort"] = String(problem);
}

// A file that is uploaded, and a run that is looked up and stopped.
const form = new FormData();
form.append("file", new Blob(["hello"], { type: "text/plain" }), "note.txt");
form.append("user", "ada");
const upload = await lookup.POST("/files/upload", { body: form as never });
const paper = { transfer_method: "local_file", type: "document", upload_file_id: upload.data?.id ?? "" } as const;
const withFile = await lookup.POST("/workflows/run", { body: { inputs: { ...inputs, paper }, user: "ada" } });
const stored = await lookup.GET("/workflows/run/{workflow_run_id}", {
  params: { path: { workflow_run_id: withFile.data?.workflow_run_id ?? "" } },
});
// @ts-expect-error the id is missing
told["id"] = () => lookup.GET("/workflows/run/{workflow_run_id}", {});
const stopped = await lookup.POST("/workflows/tasks/{task_id}/stop", {
  params: { path: { task_id: run.task_id } },
  body: { user: "ada" },
});
told["file"] = [upload.response.status, withFile.data?.data.status, stored.data?.status, stopped.data?.result];

// A chatflow, over two turns.
const desk = connect<ChatPaths>("app-desk");
const turn: Chat["schemas"]["DeskTurnRequest"] = { query: "Where is it?", inputs: { order: "A-1" }, user: "ada" };
// @ts-expect-error a turn asks something
const silent: Chat["schemas"]["DeskTurnRequest"] = { inputs: { order: "A-1" }, user: "ada" };
const first = await desk.POST("/chat-messages", { body: turn });
const conversation_id = first.data?.conversation_id ?? "";
const second = await desk.POST("/chat-messages", {
  body: { ...turn, conversation_id, response_mode: "streaming" },
  parseAs: "stream",
});
let answer = "";
for await (const event of events<DeskEvent>(second.response)) {
  if (event.event === "message") {
    answer += event.answer;
  } else if (event.event === "workflow_finished") {
    told["graph"] = event.data.status;
  }
}
const list = await desk.GET("/messages", { params: { query: { user: "ada", conversation_id } } });
const page: number | undefined = list.data?.data.length;
told["chat"] = [first.data?.answer, answer, page, silent.query ?? ""];

// A chatbot has no graph, an agent streams, a text generator completes.
const agent = await connect<AgentPaths>("app-agent").POST("/chat-messages", {
  body: { query: "Hi", inputs: {}, user: "ada", response_mode: "streaming" },
  parseAs: "stream",
});
let said = "";
for await (const event of events<StreamEvent<AgentPaths["/chat-messages"]["post"]>>(agent.response)) {
  // @ts-expect-error there is no graph
  if (event.event === "workflow_finished") {
    continue;
  }
  if (event.event === "agent_message") {
    said += event.answer;
  }
}
const written = await connect<WriterPaths>("app-writer").POST("/completion-messages", {
  body: { inputs: { query: "a letter" }, user: "ada" },
});
told["others"] = [said !== "", written.data?.answer];

console.log(JSON.stringify(told));
