// What the page asks of its server. Decisions go one after the other, in the order they were made.

export const TAB = (() => {
  const kept = sessionStorage.getItem("tab") ?? crypto.randomUUID();
  sessionStorage.setItem("tab", kept);
  return kept;
})();

/** The server answered, and not with what was asked for; `message` is for people. */
export class Refused extends Error {}

/** Nobody answers any more. */
export class Ended extends Error {
  constructor() {
    super("The review has ended. Start it again with `drfhq review` and open the new address: all that had its mark is kept.");
  }
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Ended();
  }
  if (answer.status === 403) throw new Ended(); // another review took the port: its key is another
  if (answer.headers.get("content-type")?.startsWith("application/json")) return answer.json();
  throw new Refused(await answer.text());
}

export function fetchFaces() { return ask("/api/faces"); }
export function fetchChanges(since) { return ask(`/api/changes?since=${since}`); }
export function fetchFace(id, signal) { return ask(`/api/face/${id}`, { signal }); }

let last = Promise.resolve();

function send(path, body) {
  const sent = last.catch(() => {}).then(() => ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ tab: TAB, ...body }),
  }));
  last = sent;
  return sent;
}

/** Settle `change` ({verdict}, {labels} or {unset}) of these faces. */
export function decide(faces, change) { return send("/api/decide", { faces, ...change }); }
export function undo() { return send("/api/undo", {}); }
