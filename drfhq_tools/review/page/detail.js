// One face, large, with all that is known of it.

import { ATTRIBUTES, TITLES, measured, titleOf } from "./model.js";
import { fetchFace } from "./server.js";

const ORIGIN = [
  ["source_path", "Source"], ["title", "Title"], ["author", "Author"], ["license", "Licence"],
  ["rights_basis", "Rights basis"], ["content_rating", "Rating"], ["page_url", "Page"], ["source_url", "File"],
  ["retrieved_at", "Fetched"], ["subject_id", "Subject"], ["split", "Split"], ["face_id", "Face"], ["image_path", "Crop"],
];

export class Detail {
  constructor(box, image, facts) {
    this.box = box;
    this.image = image;
    this.facts = facts;
    image.addEventListener("load", () => image.classList.add("here"));
  }

  get open() { return !this.box.hidden; }

  close() {
    this.box.hidden = true;
    this.shownId = null;
    this.asked?.abort();
  }

  /** Show face `i`, or again with what was settled since. */
  async show(model, i) {
    const id = model.ids[i];
    this.box.hidden = false;
    this.box.classList.toggle("mature", model.columns.mature[i] === 1);
    if (this.shownId !== id) {
      this.image.classList.remove("here");
      if (model.leftOut[i]) this.image.removeAttribute("src");
      else this.image.src = `/image/${id}`;
      this.image.alt = model.columns.source_path[i];
    }
    this.shownId = id;
    this.asked?.abort();
    this.asked = new AbortController();
    try {
      this.fill(model, i, await fetchFace(id, this.asked.signal));
    } catch (error) {
      if (error.name !== "AbortError") this.facts.replaceChildren(line("p", error.message));
    }
  }

  fill(model, i, face) {
    const verdict = { keep: "kept", reject: "rejected" }[model.verdict(i)] ?? "undecided";
    const by = face.review ? `${verdict}; last decision by ${face.review.by}, ${face.review.at}` : "not reviewed";
    const left = model.leftOut[i] ? [line("p", "The last build left it out, so there is no crop. Keep it, or clear the verdict, and the next build takes it in.")] : [];
    this.facts.replaceChildren(
      ...left, line("p", by, `verdict ${verdict}`),
      ...ATTRIBUTES.map((name) => attribute(model, i, name, face)),
      heading("Origin"), origin(face.row),
      heading("Measures"), measures(model, face.row),
    );
  }
}

function attribute(model, i, name, face) {
  const section = document.createElement("section");
  const title = line("h3", TITLES[name]);
  const word = model.word(name, i);
  title.append(line("em", word.replace("_", " / "), model.status(name, i)), line("small", model.status(name, i)));
  section.append(title);
  const declared = face.row[`${name}_declared`];
  for (const scores of face.labels.filter((scores) => scores.attribute === name)) section.append(source(scores));
  if (declared && !face.labels.some((scores) => scores.attribute === name && scores.declared)) {
    section.append(line("p", `declared: ${declared}`, "source"));
  }
  return section;
}

/** One labeler's word, and how sure it is of each class. */
function source(scores) {
  const box = document.createElement("div");
  const said = scores.declared && scores.declared !== scores.value ? ` (“${scores.declared}”)` : "";
  box.append(line("p", `${scores.labeler}: ${scores.value ?? "unknown"}${said}`, "source"));
  const best = scores.classes.map((word, c) => [word, scores.probabilities[c]])
    .sort((one, other) => other[1] - one[1]).slice(0, 4);
  for (const [word, probability] of best) {
    const row = document.createElement("div");
    row.className = "bar";
    const bar = document.createElement("meter");
    bar.value = probability;
    row.append(line("span", word.replace("_", " / ")), bar, line("span", probability.toFixed(2)));
    box.append(row);
  }
  return box;
}

function origin(row) {
  const list = document.createElement("dl");
  for (const [name, title] of ORIGIN) {
    if (row[name] === null) continue;
    const value = document.createElement("dd");
    value.append(name === "license" ? linked(row.license, row.license_url) : linked(row[name], name.endsWith("url") ? row[name] : null));
    list.append(line("dt", title), value);
  }
  return list;
}

/** A link where the address is one of the web: a manifest may hold anything. */
function linked(text, url) {
  if (!url || !/^https?:\/\//i.test(url)) return text;
  const link = line("a", text);
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

function measures(model, row) {
  const list = document.createElement("dl");
  list.className = "measures";
  for (const { name, meaning } of model.measures) {
    if (!(name in row) || name.endsWith("_probability")) continue;
    const title = line("dt", titleOf(name));
    title.title = meaning;
    list.append(title, line("dd", measured(name, row[name])));
  }
  return list;
}

function heading(text) { return line("h3", text); }

function line(tag, text, className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}
