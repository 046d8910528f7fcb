// What the page asks of its server. Every answer but a refusal is the tab's state.

const TAB = crypto.randomUUID();

/** The server answered, and not with what was asked for; `message` is for people. */
export class Refused extends Error {}

/** Nobody answers any more. */
export class Ended extends Error {
  constructor() {
    super("The page's program has ended. Start it again with `transfer serve` and open the new address.");
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Ended();
  }
  if (answer.status === 403) throw new Ended(); // another program took the port: its key is another
  if (answer.headers.get("content-type")?.startsWith("application/json")) return answer.json();
  throw new Refused(await answer.text());
}

function post(path, body) {
  return ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

export function fetchState() { return ask(`/api/state/${TAB}`); }
export function sendPicture(file) {
  const name = encodeURIComponent(file.name ?? "");
  return ask(`/api/picture/${TAB}?name=${name}`, { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file });
}
export function make(wish) { return post(`/api/make/${TAB}`, wish); }
export function stop() { return post(`/api/stop/${TAB}`, {}); }

/** Works while the tab closes. */
export function leave() {
  navigator.sendBeacon(`/api/leave/${TAB}`, new Blob(["{}"], { type: "application/json" }));
}

export function pathOf(kind, id) { return `/${kind}/${TAB}/${id}`; }
