// Ties the page together: keys and clicks → decisions → what the server says is settled → what is shown.

import { Detail } from "./detail.js";
import { Facets } from "./facets.js";
import { Grid } from "./grid.js";
import { ATTRIBUTES, Model, TITLES, blankQuery } from "./model.js";
import { Ended, decide, fetchChanges, fetchFaces, undo } from "./server.js";

const ASK_EVERY_MS = 1500;
const TYPING_MS = 120;
const SAID_MS = 5000;
const MANY = 200; // takes so long that it should be said
const KEYS = { g: "gender", a: "age_group", r: "race" };
const DONE = { keep: "Kept", reject: "Rejected" };

const $ = (id) => document.getElementById(id);
const query = restoredQuery();
let model = null;
let version = 0;
let generation = 0;
let listed = new Set();
let asking = null; // the attribute whose number is awaited

const grid = new Grid($("grid"), $("rows"), () => { showAbout(); showDetail(); });
const detail = new Detail($("detail"), $("large"), $("facts"));
const facets = new Facets($("facets"), query, () => list());

// ---------------------------------------------------------------- what is shown

async function load() {
  const sent = await fetchFaces();
  ({ version, generation } = sent);
  model = new Model(sent);
  document.title = `${sent.name} – drfhq review`;
  $("name").textContent = sent.name;
  $("name").title = `reviewed by ${sent.reviewer}`;
  $("mature-label").hidden = !model.columns.mature.includes(1);
  $("sort").replaceChildren(new Option("in order", ""), ...model.measures.map(option));
  facets.build(model);
  showFields();
  list();
  trouble(sent.trouble);
}

function option({ name, title, meaning }) {
  const element = new Option(title, name);
  element.title = meaning;
  return element;
}

/** List what the query leaves. */
function list() {
  const { found, counts } = model.select(query);
  listed = new Set(found);
  grid.show(model, found, query.sort);
  showCounts(found, counts);
  showSort();
  sessionStorage.setItem("query", JSON.stringify(query));
}

/** After a decision, here or elsewhere: tiles keep their place until the list is made anew. */
function recount() {
  const { found, counts } = model.select(query);
  showCounts(found, counts);
  grid.draw();
  showAbout();
  showDetail();
}

function showCounts(found, counts) {
  facets.update(counts);
  const matching = new Set(found);
  const left = [...listed].filter((i) => !matching.has(i)).length;
  const come = found.filter((i) => !listed.has(i)).length;
  $("count").textContent = found.length === model.size ? `${number(model.size)} faces` : `${number(found.length)} of ${number(model.size)} faces`;
  $("refresh").hidden = left + come === 0;
  const parts = [left ? `${number(left)} shown no longer match` : "", come ? `${number(come)} more do` : ""].filter(Boolean);
  $("refresh").replaceChildren(`${parts.join(", ")}: list anew `, kbd("F"));
  const decided = model.decided();
  $("progress-text").textContent = `${number(decided)} of ${number(model.size)} decided`;
  $("progress").value = model.size ? decided / model.size : 0;
  $("empty").hidden = listed.size > 0;
  $("empty").textContent = model.size ? "No face matches. Clear a filter at the left, the search or the range." : "The data set has no faces.";
}

function showSort() {
  $("direction").textContent = query.descending ? "↓" : "↑";
  $("direction").title = query.descending ? "largest first" : "smallest first";
  for (const id of ["direction", "from", "to"]) $(id).disabled = !query.sort;
}

/** Not at each listing: someone may be typing. */
function showFields() {
  $("search").value = query.text;
  $("sort").value = query.sort;
  for (const id of ["from", "to"]) $(id).value = query[id] ?? "";
}

function showAbout() {
  const about = $("about");
  const chosen = grid.selected.size;
  const i = grid.face();
  if (i === undefined) return about.replaceChildren();
  if (chosen) return about.replaceChildren(span(`${number(chosen)} selected`, "chosen"), span(" Esc selects none"));
  const labels = ATTRIBUTES.map((name) => span(model.word(name, i).replace("_", " / "), model.status(name, i)));
  about.replaceChildren(span(model.columns.source_path[i], "path"), ...labels, span(`${number(grid.cursor + 1)} / ${number(grid.list.length)}`, "place"));
}

function showDetail() {
  if (!detail.open) return;
  if (grid.face() === undefined) closeDetail();
  else detail.show(model, grid.face());
}

function openDetail() {
  if (grid.face() === undefined) return;
  detail.show(model, grid.face());
  $("detail").focus();
}

function closeDetail() {
  detail.close();
  $("grid").focus();
}

let saidTimer = 0;

function say(text) {
  $("said").textContent = text;
  $("said").classList.add("on");
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => $("said").classList.remove("on"), SAID_MS);
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text ?? "";
}

// ---------------------------------------------------------------- decisions

async function settle(change, done) {
  const targets = grid.targets();
  if (!targets.length) return;
  if (targets.length > MANY) say(`Noting ${count(targets.length)} …`);
  const ids = targets.map((i) => model.ids[i]);
  if ("verdict" in change && $("advance").checked && !grid.selected.size) grid.move(0, 1, false);
  await answered(decide(ids, change), (told) => {
    const gone = told.gone ? `; ${count(told.gone)} left the data set meanwhile` : "";
    if (targets.length > 1 || gone) say(`${done}: ${count(told.reviews.length)}${gone}`);
  });
}

async function takeBack() {
  await answered(undo(), (told) => {
    const others = told.others ? `; ${count(told.others)} left as they are, decided anew elsewhere` : "";
    if (told.reviews.length) {
      const place = grid.places.get(model.numbers.get(told.reviews[0][0]));
      if (place !== undefined) grid.moveTo(place, false);
      say(`Taken back: ${count(told.reviews.length)}${others}. ${number(told.steps)} more steps can be`);
    } else if (!told.trouble) say(others ? `Nothing taken back${others}` : "Nothing left to take back in this tab");
  });
}

async function answered(request, then) {
  try {
    const told = await request;
    model.take(told.reviews);
    recount();
    trouble(told.trouble);
    then(told);
  } catch (error) {
    trouble(error.message);
  }
}

async function askForNews() {
  if (document.hidden) return;
  try {
    const news = await fetchChanges(version);
    if (news.generation !== generation) {
      const before = new Set(model.ids);
      await load();
      const gone = [...before].filter((id) => !model.numbers.has(id)).length;
      const come = model.ids.filter((id) => !before.has(id)).length;
      return say(`The data set was built anew: ${count(gone)} left it, ${count(come)} are new`);
    }
    version = news.version;
    if (model.take(news.reviews).length) recount();
    trouble(news.trouble);
  } catch (error) {
    trouble(error.message);
  }
}

async function keepAsking() {
  await askForNews();
  setTimeout(keepAsking, ASK_EVERY_MS);
}

// ---------------------------------------------------------------- setting a label

function ask(name) {
  if (grid.face() === undefined) return;
  asking = name;
  const palette = $("palette");
  palette.ariaLabel = TITLES[name];
  const now = grid.selected.size ? null : model.word(name, grid.face());
  const choice = (key, text, act) => {
    const element = document.createElement("button");
    element.type = "button";
    element.ariaPressed = String(text === now?.replace("_", " / "));
    element.append(kbd(key), text);
    element.addEventListener("click", act);
    return element;
  };
  palette.replaceChildren(
    span(TITLES[name], "title"),
    ...model.vocabulary[name].map((word, v) => choice(String(v + 1), word.replace("_", " / "), () => setLabel(word))),
    choice("0", "cannot be told", () => setLabel(null)),
    choice("⌫", "as it was", () => setLabel(undefined)),
  );
  palette.hidden = false;
}

function setLabel(word) {
  const name = asking;
  stopAsking();
  const change = word === undefined ? { unset: [name] } : { labels: { [name]: word } };
  const said = word === undefined ? "as it was" : word ?? "cannot be told";
  settle(change, `${TITLES[name]}, ${said}`);
}

function stopAsking() {
  asking = null;
  $("palette").hidden = true;
}

function answerKey(key) {
  const words = model.vocabulary[asking];
  if (key === "0") setLabel(null);
  else if (key === "Backspace" || key === "Delete") setLabel(undefined);
  else if (/^[1-9]$/.test(key) && key <= words.length) setLabel(words[key - 1]);
  else if (key === "Escape") stopAsking();
  else return false;
  return true;
}

// ---------------------------------------------------------------- keys and clicks

const MOVES = {
  ArrowLeft: (shift) => grid.move(0, -1, shift),
  ArrowRight: (shift) => grid.move(0, 1, shift),
  ArrowUp: (shift) => grid.move(-1, 0, shift),
  ArrowDown: (shift) => grid.move(1, 0, shift),
  PageUp: (shift) => grid.page(-1, shift),
  PageDown: (shift) => grid.page(1, shift),
  Home: (shift) => grid.moveTo(0, shift),
  End: (shift) => grid.moveTo(Infinity, shift),
};

const ACTS = {
  k: () => settle({ verdict: "keep" }, DONE.keep),
  x: () => settle({ verdict: "reject" }, DONE.reject),
  c: () => settle({ verdict: null }, "Verdict cleared"),
  u: takeBack,
  f: () => list(),
  m: () => { $("mature").checked = !$("mature").checked; showMature(); },
  g: () => ask(KEYS.g),
  a: () => ask(KEYS.a),
  r: () => ask(KEYS.r),
  "/": () => $("search").select(),
  "?": () => $("help").showModal(),
  " ": () => grid.face() !== undefined && grid.toggle(grid.face()),
  Enter: () => (detail.open ? closeDetail() : openDetail()),
  Escape: () => (detail.open ? closeDetail() : grid.clearSelection()),
};

function onKey(event) {
  if (!model || $("help").open || event.altKey) return;
  if (event.target.matches("input:not([type=checkbox]), select")) {
    if (event.key === "Escape" || (event.key === "Enter" && !event.target.matches("select"))) {
      $("grid").focus();
      event.preventDefault();
    }
    return;
  }
  if (event.target.matches("button, a, [type=checkbox]") && [" ", "Enter"].includes(event.key)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (key !== "a") return;
    grid.selectAll();
  } else if (asking && answerKey(key)) {
    // done
  } else if (MOVES[key]) {
    MOVES[key](event.shiftKey);
  } else if (ACTS[key] && !(event.repeat && event.key.length === 1)) {
    stopAsking();
    ACTS[key]();
  } else return;
  event.preventDefault();
}

function showMature() {
  document.body.classList.toggle("show-mature", $("mature").checked);
}

function typed(id, read) {
  let timer = 0;
  $(id).addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { query[id === "search" ? "text" : id] = read($(id)); list(); }, TYPING_MS);
  });
}

/** A number; null for an empty field, and for what is none, which is marked. */
function limit(field) {
  const text = field.value.trim().replace(",", ".");
  const value = text === "" ? null : Number(text);
  field.ariaInvalid = String(Number.isNaN(value));
  return Number.isNaN(value) ? null : value;
}

function restoredQuery() {
  try {
    return { ...blankQuery(), ...JSON.parse(sessionStorage.getItem("query")) };
  } catch {
    return blankQuery();
  }
}

typed("search", (field) => field.value);
typed("from", limit);
typed("to", limit);
$("sort").addEventListener("change", () => {
  Object.assign(query, { sort: $("sort").value, from: null, to: null });
  showFields();
  list();
  grid.moveTo(0, false); // what the order brings to the front is what it was chosen for
});
$("direction").addEventListener("click", () => {
  query.descending = !query.descending;
  list();
  grid.moveTo(0, false);
});
$("refresh").addEventListener("click", () => { list(); $("grid").focus(); });
$("mature").addEventListener("change", showMature);
$("help-button").addEventListener("click", () => $("help").showModal());
$("grid").addEventListener("dblclick", openDetail);
$("actions").addEventListener("click", (event) => {
  const key = event.target.closest("button")?.dataset.key;
  if (key) ACTS[key]();
});
document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => { if (model) askForNews(); });

// ---------------------------------------------------------------- words

function number(value) { return value.toLocaleString("en"); }
function count(faces) { return faces === 1 ? "1 face" : `${number(faces)} faces`; }

function span(text, className = "") {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

function kbd(text) {
  const element = document.createElement("kbd");
  element.textContent = text;
  return element;
}

try {
  await load();
  $("grid").focus();
  setTimeout(keepAsking, ASK_EVERY_MS);
} catch (error) {
  trouble(error instanceof Ended ? error.message : `The faces cannot be shown: ${error.message}`);
}
