/**
 * The events of a stream of Dify's, typed by the OpenAPI document of the app. Needs nothing but `fetch`'s own types.
 *
 * Copy this file beside the types that openapi-typescript writes. Nothing here knows a single app.
 */

/** What a stream sends when all is said. What follows it is passed on until the connection ends. */
const LAST: ReadonlySet<string> = new Set(["workflow_finished", "workflow_paused", "message_end"]);

/** The events of an operation that streams: `StreamEvent<paths["/workflows/run"]["post"]>`. */
export type StreamEvent<Operation> = Operation extends {
  responses: { 200: { content: { "text/event-stream": infer Event } } };
}
  ? Event
  : never;

/** What `event` may be, without pings: they say that the server is alive, and nothing else. */
type Told<Event> = Exclude<Event, { event: "ping" }>;

/** A stream that did not come to its end. The run may go on, or be over: look it up before you start another one. */
export class StreamInterruptedError extends Error {
  override name = "StreamInterruptedError";
  /** The ids by which the run can be stopped, or looked up; undefined if the stream ended before it told. */
  taskId: string | undefined;
  runId: string | undefined;
}

/** An `error` event: the server could not go on. */
export class ErrorEventError extends Error {
  override name = "ErrorEventError";
  code: string | undefined;
  status: number | undefined;
}

/**
 * Yield the events of an answer as they come, but for pings. Leaving the loop closes the connection; the run goes on.
 *
 * Newer releases of Dify send events that the document does not know: they come, too, and reach the `default` of a
 * `switch`.
 *
 * @throws {StreamInterruptedError} The answer is no stream, or the connection ended before the last event.
 * @throws {ErrorEventError} The server said that it cannot go on.
 * @throws The reason of an `AbortSignal` that the request was made with.
 */
export async function* events<Event extends { event: string }>(response: Response): AsyncGenerator<Told<Event>, void> {
  const interrupted = new StreamInterruptedError("The stream ended without its last event.");
  const type = response.headers.get("content-type");
  if (!response.ok || !response.body || !type?.startsWith("text/event-stream")) {
    await response.body?.cancel();
    interrupted.message = `This is no stream of events: ${response.status}, ${type}.`;
    throw interrupted;
  }
  let isWhole = false;
  try {
    for await (const data of dataOf(response.body)) {
      const event = parsed(data);
      interrupted.taskId ??= textOf(event["task_id"]);
      interrupted.runId ??= textOf(event["workflow_run_id"]);
      if (event.event === "error") {
        const problem = new ErrorEventError(textOf(event["message"]) ?? "The server could not go on.");
        problem.code = textOf(event["code"]);
        problem.status = typeof event["status"] === "number" ? event["status"] : undefined;
        throw problem;
      }
      isWhole ||= LAST.has(event.event);
      if (event.event !== "ping") {
        yield event as unknown as Told<Event>;
      }
    }
  } catch (error) {
    // This is what `fetch` says of a connection that broke; an abort has its own reason.
    if (!(error instanceof TypeError)) {
      throw error;
    }
    interrupted.cause = error;
  }
  if (!isWhole) {
    throw interrupted;
  }
}

/** Yield the data of each event of a stream, as the standard of server-sent events has it. */
async function* dataOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  let data: string[] = [];
  for await (const line of linesOf(body)) {
    if (line.startsWith("data:")) {
      data.push(line.slice(line[5] === " " ? 6 : 5));
    } else if (line === "data") {
      data.push("");
    } else if (line === "") {
      if (data.length > 0) {
        yield data.join("\n");
      }
      data = [];
    } // comments, `event: ping`, ids and whatever else: Dify says all in the data
  }
  if (data.length > 0) {
    yield data.join("\n"); // without its blank line: it may be the result
  }
}

/** Yield the lines of a stream, each as soon as its end is there: LF, CR or CRLF, and no other character. */
async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let isAfterCr = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      let text = decoder.decode(value, { stream: !done });
      if (text !== "") {
        text = isAfterCr && text.startsWith("\n") ? text.slice(1) : text;
        isAfterCr = text.endsWith("\r");
        const [first = "", ...more] = text.split(/\r\n|\r|\n/);
        const last = more.pop();
        if (last === undefined) {
          rest += first;
        } else {
          yield rest + first;
          yield* more;
          rest = last;
        }
      }
      if (done) {
        yield rest;
        return;
      }
    }
  } finally {
    reader.cancel().catch(() => undefined); // there is nobody left to tell
  }
}

function parsed(data: string): { event: string; [member: string]: unknown } {
  const event: unknown = JSON.parse(data);
  if (typeof event === "object" && event !== null && "event" in event && typeof event.event === "string") {
    return event as { event: string };
  }
  throw new SyntaxError(`This is no event of Dify's: ${data.slice(0, 100)}`);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
