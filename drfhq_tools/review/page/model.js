// The faces as columns, what is settled of them, and which of them the filters leave. No document here.

export const ATTRIBUTES = ["gender", "age_group", "race"];
export const TITLES = { gender: "Gender", age_group: "Age group", race: "Race", split: "Split" };
const VERDICTS = [null, "keep", "reject"];
const NOT_REVIEWED = -2;
const UNKNOWN = -1;
const LEAST = "least_probability";

/** All that the server sent; faces are numbered in the order of the data set. */
export class Model {
  constructor(sent) {
    this.vocabulary = sent.vocabulary;
    this.statuses = sent.statuses;
    this.columns = sent.faces;
    this.leftOut = sent.faces.split.map((split) => split === sent.left_out);
    this.ids = sent.faces.face_id;
    this.size = this.ids.length;
    this.numbers = new Map(this.ids.map((id, i) => [id, i]));
    this.verdicts = new Uint8Array(this.size);
    this.reviewed = Object.fromEntries(ATTRIBUTES.map((name) => [name, new Int8Array(this.size).fill(NOT_REVIEWED)]));
    this.columns[LEAST] = this.ids.map((_, i) => leastOf(ATTRIBUTES.map((name) => sent.faces[`${name}_probability`][i])));
    this.measures = [
      { name: LEAST, title: "least sure label", meaning: "the smallest of the probabilities of its three labels" },
      ...ATTRIBUTES.map((name) => ({
        name: `${name}_probability`, title: `${TITLES[name].toLowerCase()}, how sure`,
        meaning: `the labeler's probability of the ${TITLES[name].toLowerCase()}`,
      })),
      ...sent.measures.map((measure) => ({ ...measure, title: titleOf(measure.name) })),
    ];
    this.groups = this.makeGroups();
    this.take(sent.reviews);
  }

  /** Note what is settled: [face_id, verdict, labels] each. Returns the numbers of the faces that are here. */
  take(reviews) {
    const touched = [];
    for (const [id, verdict, labels] of reviews) {
      const i = this.numbers.get(id);
      if (i === undefined) continue;
      this.verdicts[i] = VERDICTS.indexOf(verdict);
      for (const name of ATTRIBUTES) {
        this.reviewed[name][i] = name in labels ? this.vocabulary[name].indexOf(labels[name]) : NOT_REVIEWED;
      }
      touched.push(i);
    }
    return touched;
  }

  verdict(i) { return VERDICTS[this.verdicts[i]]; }
  isReviewed(name, i) { return this.reviewed[name][i] !== NOT_REVIEWED; }
  code(name, i) { return this.isReviewed(name, i) ? this.reviewed[name][i] : this.columns[name][i]; }
  word(name, i) { return this.vocabulary[name][this.code(name, i)] ?? "unknown"; }
  status(name, i) { return this.isReviewed(name, i) ? "reviewed" : this.statuses[this.columns[`${name}_status`][i]]; }
  decided() { return this.verdicts.reduce((sum, verdict) => sum + (verdict > 0), 0); }

  /** The text of a face that a search looks through. */
  haystack(i) {
    this.haystacks ??= new Array(this.size);
    return (this.haystacks[i] ??= ["source_path", "author", "title", "subject_id", "face_id"]
      .map((name) => this.columns[name][i] ?? "").join("\n").toLowerCase());
  }

  makeGroups() {
    const group = (key, title, values, bit, of) => ({ key, title, values, bit, of });
    const splits = [...new Set(this.columns.split)];
    const statusBit = (name) => (i) => 1 << this.statuses.indexOf(this.status(name, i));
    const statusOf = Object.fromEntries(ATTRIBUTES.map((name) => [name, statusBit(name)]));
    return [
      group("verdict", "Verdict", ["undecided", "kept", "rejected"], (i) => 1 << this.verdicts[i]),
      group("status", "Label status", this.statuses, (i, of) => of === "any"
        ? statusOf.gender(i) | statusOf.age_group(i) | statusOf.race(i) : statusOf[of](i), "any"),
      ...ATTRIBUTES.map((name) => {
        const unknown = this.vocabulary[name].length;
        return group(name, TITLES[name], [...this.vocabulary[name], "unknown"], (i) => {
          const code = this.code(name, i);
          return 1 << (code === UNKNOWN ? unknown : code);
        });
      }),
      group("split", TITLES.split, splits, (i) => 1 << splits.indexOf(this.columns.split[i])),
    ];
  }

  /** Which faces the query leaves, in its order, and how many each value of each group would leave. */
  select(query) {
    const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
    const column = query.sort ? this.columns[query.sort] : null;
    const counts = this.groups.map((group) => new Array(group.values.length).fill(0));
    const picked = this.groups.map((group) => query.picked[group.key] ?? 0);
    const bits = new Array(this.groups.length);
    const found = [];
    for (let i = 0; i < this.size; i++) {
      if (words.length && !words.every((word) => this.haystack(i).includes(word))) continue;
      if (column && !within(column[i], query.from, query.to)) continue;
      let failed = 0, failing = -1;
      for (let g = 0; g < bits.length; g++) {
        bits[g] = this.groups[g].bit(i, query.statusOf);
        if (picked[g] && !(picked[g] & bits[g])) { failed++; failing = g; }
      }
      if (failed === 0) found.push(i);
      if (failed > 1) continue;
      for (let g = 0; g < bits.length; g++) {
        if (failed && g !== failing) continue;
        for (let v = 0, left = bits[g]; left; v++, left >>= 1) counts[g][v] += left & 1;
      }
    }
    return { found: column ? sorted(found, column, query.descending) : found, counts };
  }
}

/** A query that leaves everything. */
export function blankQuery() {
  return { text: "", sort: "", descending: false, from: null, to: null, picked: {}, statusOf: "any" };
}

/** A value as people read it: four figures, no more. */
function shown(value) {
  return value === null ? "–" : String(Number(value.toPrecision(4)));
}

/** A measure with its unit. */
export function measured(name, value) {
  const unit = value === null ? "" : { px: " px", deg: "°" }[name.split("_").at(-1)] ?? "";
  return shown(value) + unit;
}

export function titleOf(name) {
  return name.replace(/_(px|deg|years)$/, "").replaceAll("_", " ");
}

function leastOf(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? Math.min(...known) : null;
}

function within(value, from, to) {
  if (from === null && to === null) return true;
  return value !== null && (from === null || value >= from) && (to === null || value <= to);
}

/** By value, what has none last; equal ones stay in order. */
function sorted(found, column, descending) {
  const sign = descending ? -1 : 1;
  return found.sort((one, other) => {
    const a = column[one], b = column[other];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (a - b);
  });
}
