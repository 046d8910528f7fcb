// The grid: only the tiles in sight exist. A tile that comes into sight is one that went out of it, filled anew.

import { ATTRIBUTES, measured } from "./model.js";

const TILE = 148;
const CAPTION = 24;
const GAP = 8;
const SPARE_ROWS = 2;
const FAST_PX_PER_MS = 4; // faster than anyone can look: pictures wait until the scrolling slows
const REST_MS = 80;
const AT_ONCE = 4; // pictures; browsers open six connections to a server, and decisions must not wait in line

export class Grid {
  /** `onChange` is told whenever the cursor or the selection has moved. */
  constructor(box, rows, onChange) {
    this.box = box;
    this.rows = rows;
    this.onChange = onChange;
    this.tiles = [];
    this.list = [];
    this.places = new Map();
    this.selected = new Set();
    this.cursor = 0;
    this.anchor = 0;
    this.measure = "";
    this.columnCount = 1;
    this.top = 0;
    this.drawnAt = 0;
    box.addEventListener("scroll", () => this.drawSoon(), { passive: true });
    new ResizeObserver(() => this.layOut()).observe(box);
  }

  /** Show these faces. The cursor stays with its face where it is listed, else with its place. */
  show(model, list, measure) {
    const old = this.model ?? model;
    const here = (i) => (model === old ? i : model.numbers.get(old.ids[i])); // a set that was built anew numbers its own
    const face = here(this.face());
    this.model = model;
    this.list = list;
    this.measure = measure;
    this.places = new Map(list.map((i, place) => [i, place]));
    this.selected = new Set([...this.selected].map(here).filter((i) => this.places.has(i)));
    this.cursor = this.places.get(face) ?? Math.max(0, Math.min(this.cursor, list.length - 1));
    this.anchor = this.cursor;
    this.layOut();
    this.reveal();
    this.onChange();
  }

  /** The face with the frame; undefined where none is listed. */
  face() { return this.list[this.cursor]; }

  /** The faces that a decision is for. */
  targets() {
    if (this.selected.size) return this.list.filter((i) => this.selected.has(i));
    return this.list.length ? [this.face()] : [];
  }

  moveTo(place, extend) {
    if (!this.list.length) return;
    this.cursor = Math.max(0, Math.min(place, this.list.length - 1));
    if (extend) this.selectRange(); else this.anchor = this.cursor;
    this.reveal();
    this.draw();
    this.onChange();
  }

  move(rows, columns, extend) {
    this.moveTo(this.cursor + rows * this.columnCount + columns, extend);
  }

  page(direction, extend) {
    this.move(direction * Math.max(1, Math.floor(this.box.clientHeight / this.pitch) - 1), 0, extend);
  }

  selectRange() {
    const [low, high] = [Math.min(this.anchor, this.cursor), Math.max(this.anchor, this.cursor)];
    this.selected = new Set(this.list.slice(low, high + 1));
  }

  toggle(i) {
    if (!this.selected.delete(i)) this.selected.add(i);
    this.draw();
    this.onChange();
  }

  selectAll() {
    this.selected = new Set(this.list);
    this.draw();
    this.onChange();
  }

  clearSelection() {
    const had = this.selected.size > 0;
    this.selected.clear();
    this.anchor = this.cursor;
    this.draw();
    this.onChange();
    return had;
  }

  get pitch() { return this.height + CAPTION + GAP; }

  layOut() {
    const width = this.box.clientWidth - GAP;
    this.columnCount = Math.max(1, Math.floor(width / (TILE + GAP)));
    this.width = Math.floor(width / this.columnCount) - GAP;
    this.height = this.width;
    const rows = Math.ceil(this.list.length / this.columnCount);
    this.rows.style.height = `${rows * this.pitch + GAP}px`;
    for (const tile of this.tiles) tile.place = -1;
    this.draw();
  }

  reveal() {
    const top = Math.floor(this.cursor / this.columnCount) * this.pitch;
    const bottom = top + this.pitch + GAP;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (bottom > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = bottom - this.box.clientHeight;
  }

  drawSoon() {
    this.waiting ??= requestAnimationFrame(() => { this.waiting = null; this.draw(); });
  }

  draw() {
    if (!this.model) return;
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.pitch) - SPARE_ROWS);
    const rows = Math.ceil(this.box.clientHeight / this.pitch) + 2 * SPARE_ROWS + 1;
    const start = first * this.columnCount;
    const end = Math.min(this.list.length, start + rows * this.columnCount);
    const needed = rows * this.columnCount;
    while (this.tiles.length < needed) this.tiles.push(this.makeTile());
    while (this.tiles.length > needed) this.tiles.pop().element.remove();
    const now = performance.now();
    const fast = Math.abs(this.box.scrollTop - this.top) > FAST_PX_PER_MS * Math.max(8, now - this.drawnAt);
    this.top = this.box.scrollTop;
    this.drawnAt = now;
    const inSight = new Set();
    for (let place = start; place < end; place++) {
      const tile = this.tiles[place % needed];
      inSight.add(tile);
      this.fill(tile, place);
    }
    for (const tile of this.tiles) if (!inSight.has(tile)) this.putAway(tile);
    clearTimeout(this.resting);
    if (fast) this.resting = setTimeout(() => this.loadPictures(), REST_MS);
    else this.loadPictures();
    if (this.list.length) this.box.setAttribute("aria-activedescendant", `face-${this.face()}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  makeTile() {
    const element = document.createElement("div");
    element.className = "tile";
    element.role = "option";
    const image = document.createElement("img");
    image.alt = "";
    image.draggable = false;
    const mark = document.createElement("b");
    const figure = document.createElement("i");
    const caption = document.createElement("span");
    element.append(image, mark, figure, caption);
    const tile = { element, image, mark, figure, caption, place: -1, face: -1, id: null, coming: false };
    const ended = (name) => () => {
      (name === "here" ? image : element).classList.add(name);
      tile.coming = false;
      this.loadPictures();
    };
    image.addEventListener("load", ended("here"));
    image.addEventListener("error", ended("broken"));
    element.addEventListener("mousedown", (event) => this.onMouse(event, tile));
    this.rows.append(element);
    return tile;
  }

  onMouse(event, tile) {
    if (event.button !== 0) return;
    if (event.ctrlKey || event.metaKey) {
      this.cursor = this.anchor = tile.place;
      this.toggle(tile.face);
    } else {
      if (!event.shiftKey) this.selected.clear();
      this.moveTo(tile.place, event.shiftKey);
    }
  }

  fill(tile, place) {
    const i = this.list[place];
    const { element } = tile;
    if (tile.place !== place) {
      const x = GAP + (place % this.columnCount) * (this.width + GAP);
      const y = GAP + Math.floor(place / this.columnCount) * this.pitch;
      element.style.transform = `translate(${x}px, ${y}px)`;
      element.style.width = `${this.width}px`;
      element.style.height = `${this.height + CAPTION}px`;
      tile.image.style.height = `${this.height}px`;
      tile.place = place;
    }
    const id = this.model.ids[i];
    if (tile.id !== id) {
      element.classList.remove("broken");
      tile.image.classList.remove("here");
      this.stopLoading(tile);
      tile.id = id;
    }
    tile.face = i;
    element.hidden = false;
    element.id = `face-${i}`;
    this.dress(tile, i, place);
  }

  putAway(tile) {
    tile.element.hidden = true;
    if (!tile.coming) return;
    this.stopLoading(tile);
    tile.id = null;
  }

  stopLoading(tile) {
    tile.image.removeAttribute("src");
    tile.coming = false;
  }

  /** Those in the middle first, a few at once. */
  loadPictures() {
    const middle = ((this.box.scrollTop + this.box.clientHeight / 2) / this.pitch) * this.columnCount;
    const distance = (tile) => Math.abs(tile.place - middle);
    const free = AT_ONCE - this.tiles.filter((tile) => tile.coming).length;
    const waiting = this.tiles.filter((tile) =>
      !tile.element.hidden && !tile.image.hasAttribute("src") && !this.model.leftOut[tile.face]);
    for (const tile of waiting.sort((one, other) => distance(one) - distance(other)).slice(0, Math.max(0, free))) {
      tile.coming = true;
      tile.image.src = `/thumbnail/${tile.id}`;
    }
  }

  dress(tile, i, place) {
    const { element } = tile;
    const verdict = this.model.verdict(i);
    const words = ATTRIBUTES.map((name) => this.model.word(name, i));
    element.classList.toggle("keep", verdict === "keep");
    element.classList.toggle("reject", verdict === "reject");
    element.classList.toggle("cursor", place === this.cursor);
    element.classList.toggle("selected", this.selected.has(i));
    element.classList.toggle("left-out", this.model.leftOut[i]);
    element.classList.toggle("mature", this.model.columns.mature[i] === 1);
    element.ariaSelected = String(this.selected.has(i));
    element.ariaLabel = [this.model.columns.source_path[i], ...words, verdict ?? "undecided"].join(", ");
    tile.mark.textContent = { keep: "✓", reject: "✕" }[verdict] ?? "";
    tile.figure.hidden = !this.measure;
    tile.figure.textContent = this.measure ? measured(this.measure, this.model.columns[this.measure][i]) : "";
    tile.caption.replaceChildren(...ATTRIBUTES.map((name) => {
      const word = document.createElement("em");
      word.className = this.model.status(name, i);
      word.textContent = short(this.model.word(name, i));
      return word;
    }));
  }
}

const SHORT = {
  unknown: "–", Latino_Hispanic: "Latino", "East Asian": "E Asian", "Southeast Asian": "SE Asian",
  "Middle Eastern": "Mid East",
};

function short(word) { return SHORT[word] ?? word; }
