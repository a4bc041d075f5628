// What `events` makes of the answers that stand on standard input: each one is a list of pieces in base64.
import { json } from "node:stream/consumers";

import { ErrorEventError, events, StreamInterruptedError } from "../../examples/typescript/src/events.ts";

interface Given {
  pieces: string[];
  type?: string;
  status?: number;
  /** What happens after the last piece: the stream ends, breaks like a connection, or is left after one event. */
  then?: "end" | "break" | "leave";
}

interface Got {
  events: unknown[];
  error?: string;
  ids?: (string | undefined)[];
  cause?: string;
  cancelled: boolean;
}

async function decode({ pieces, type, status, then }: Given): Promise<Got> {
  const got: Got = { events: [], cancelled: false };
  const rest = pieces.map((piece) => new Uint8Array(Buffer.from(piece, "base64")));
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = rest.shift();
        if (piece !== undefined) {
          controller.enqueue(piece);
        } else if (then === "break") {
          controller.error(new TypeError("terminated"));
        } else {
          controller.close();
        }
      },
      cancel() {
        got.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const response = new Response(body, { status: status ?? 200, headers: { "content-type": type ?? "text/event-stream" } });
  try {
    for await (const event of events<{ event: string }>(response)) {
      got.events.push(event);
      if (then === "leave") {
        break;
      }
    }
  } catch (error) {
    if (error instanceof StreamInterruptedError) {
      got.ids = [error.taskId, error.runId];
      got.cause = String(error.cause);
    } else if (error instanceof ErrorEventError) {
      got.ids = [error.code, String(error.status)];
    }
    got.error = String(error);
  }
  return got;
}

const given = (await json(process.stdin)) as Given[];
console.log(JSON.stringify(await Promise.all(given.map(decode))));
