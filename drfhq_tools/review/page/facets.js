// The filters at the left: one row a value, with the number of faces it would leave.

import { ATTRIBUTES, TITLES } from "./model.js";

export class Facets {
  /** `query` is changed in place; `onChange` is told. */
  constructor(box, query, onChange) {
    this.box = box;
    this.query = query;
    this.onChange = onChange;
  }

  /** Make the rows of a model's groups. */
  build(model) {
    this.model = model;
    this.clear = button("clear", "Clear filters");
    this.clear.addEventListener("click", () => { this.query.picked = {}; this.onChange(); });
    this.rows = model.groups.map((group) => group.values.map((value, v) => this.row(group, value, v)));
    this.box.replaceChildren(this.clear, ...model.groups.map((group, g) => this.section(group, this.rows[g])));
  }

  section(group, rows) {
    const section = document.createElement("section");
    section.role = "group";
    section.ariaLabel = group.title;
    const title = document.createElement("h2");
    title.textContent = group.title;
    if (group.of) title.append(this.statusChoice());
    section.append(title, ...rows.map((row) => row.button));
    return section;
  }

  row(group, value, v) {
    const element = button(`facet ${group.key}-${value.replaceAll(" ", "-")}`, value.replace("_", " / "));
    const count = document.createElement("span");
    element.append(count);
    element.addEventListener("click", () => {
      this.query.picked[group.key] = (this.query.picked[group.key] ?? 0) ^ (1 << v);
      this.onChange();
    });
    return { button: element, count };
  }

  statusChoice() {
    const choice = document.createElement("select");
    choice.ariaLabel = "Status of which label";
    choice.append(new Option("any", "any"), ...ATTRIBUTES.map((name) => new Option(TITLES[name].toLowerCase(), name)));
    choice.value = this.query.statusOf;
    choice.addEventListener("change", () => { this.query.statusOf = choice.value; this.onChange(); });
    return choice;
  }

  /** Numbers and marks, nothing moves. */
  update(counts) {
    const picked = this.query.picked;
    this.clear.disabled = !Object.values(picked).some(Boolean);
    this.model.groups.forEach((group, g) => group.values.forEach((_, v) => {
      const { button: element, count } = this.rows[g][v];
      element.ariaPressed = String(Boolean((picked[group.key] ?? 0) & (1 << v)));
      element.classList.toggle("none", counts[g][v] === 0);
      count.textContent = counts[g][v].toLocaleString("en");
    }));
  }
}

function button(className, text) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = className;
  element.append(text);
  return element;
}
