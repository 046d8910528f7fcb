// Ties the page together: a dropped file → faces → what to make of them → what the server says → what is shown.

import { Ended, fetchState, leave, make, pathOf, sendPicture, stop } from "./server.js";

const BUSY_MS = 300;
const IDLE_MS = 20_000; // the server forgets a tab it has not heard of for 90 s

const $ = (id) => document.getElementById(id);
let state = { picture: null, task: null, result: null, trouble: null };
let shown = { picture: null, result: null };
let chosen = new Set();
let limits = null;
let timer = null;
let ended = false;
let sending = false;
let wanted = null; // what was asked for last, so that a strength let go at the same place asks for nothing

// ---------------------------------------------------------------- the server's word

async function told(promise) {
  try {
    take(await promise);
  } catch (error) {
    trouble(error.message);
    ended ||= error instanceof Ended;
  }
  clearTimeout(timer);
  if (!ended) timer = setTimeout(() => told(fetchState()), state.task ? BUSY_MS : IDLE_MS);
}

function take(next) {
  state = next;
  limits = next.limits;
  $("limits").textContent = `up to ${limits.megabytes} MB, ${limits.megapixels} megapixels; it does not leave this machine`;
  trouble(state.trouble);
  if ((state.picture?.id ?? null) !== shown.picture) showPicture();
  if ((state.result?.id ?? null) !== shown.result) showResult();
  showTask();
}

// ---------------------------------------------------------------- what is shown

function showPicture() {
  const { picture } = state;
  shown.picture = picture?.id ?? null;
  $("figure").hidden = $("panel").hidden = $("another").hidden = !picture;
  $("drop").hidden = Boolean(picture);
  $("name").textContent = picture ? picture.name : "";
  document.title = picture ? `${picture.name} – Rendered to real` : "Rendered to real";
  if (!picture) return;
  wanted = null;
  $("before").src = pathOf("before", picture.id);
  chosen = new Set(picture.faces.keys());
  $("faces").replaceChildren(...picture.faces.map(faceButton));
  $("list").replaceChildren(...picture.faces.map(faceRow));
  showChosen();
  fit();
}

function faceButton([left, top, right, bottom], index) {
  const button = document.createElement("button");
  button.type = "button";
  Object.assign(button.style, {
    left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%`,
  });
  const number = document.createElement("span");
  number.textContent = index + 1;
  button.setAttribute("aria-label", `Face ${index + 1}`);
  button.append(number);
  button.addEventListener("click", () => pick(index, !chosen.has(index)));
  return button;
}

function faceRow(_, index) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.addEventListener("change", () => pick(index, box.checked));
  label.append(box, ` Face ${index + 1}`, document.createElement("output"));
  return label;
}

function pick(index, on) {
  if (on) chosen.add(index); else chosen.delete(index);
  showChosen();
  showTask();
}

function showChosen() {
  [...$("faces").children].forEach((button, i) => button.setAttribute("aria-pressed", chosen.has(i)));
  [...$("list").children].forEach((label, i) => { label.querySelector("input").checked = chosen.has(i); });
  $("picked").textContent = `${chosen.size} of ${$("list").children.length} picked`;
}

function showResult() {
  const { result } = state;
  shown.result = result?.id ?? null;
  for (const id of ["after", "line", "compare-label", "download"]) $(id).hidden = !result;
  for (const side of document.querySelectorAll(".side")) side.hidden = !result;
  $("faces").classList.toggle("done", Boolean(result));
  for (const label of $("list").children) label.querySelector("output").textContent = "";
  if (!result) return;
  $("after").src = pathOf("after", result.id);
  $("download").href = pathOf("download", result.id);
  for (const face of result.faces) {
    const output = $("list").children[face.index]?.querySelector("output");
    if (output) {
      output.textContent = `likeness ${face.identity_similarity.toFixed(2)}`;
      output.title = "1 the same picture, 0 as unlike as strangers";
    }
  }
  cut();
  fit();
}

function showTask() {
  const { task, result } = state;
  const busy = Boolean(task) || sending;
  $("status").classList.toggle("busy", busy);
  $("stop").hidden = task?.kind !== "make";
  $("make").disabled = busy || chosen.size === 0;
  $("status").textContent = sending ? "Sending the picture …" : task ? said(task) : result ? `Done in ${result.seconds} s` : "";
}

function said({ kind, before, seconds }) {
  if (before) return `Waiting: ${before} ${before === 1 ? "task" : "tasks"} before yours`;
  return `${kind === "look" ? "Looking for faces" : "Making it realistic"} … ${Math.round(seconds)} s`;
}

function trouble(text) {
  $("trouble").hidden = !text;
  if ($("trouble").textContent !== (text ?? "")) $("trouble").textContent = text ?? "";
}

function cut() { $("frame").style.setProperty("--cut", `${$("compare").value}%`); }

/** The picture as large as the stage allows, in its own proportions. */
function fit() {
  if (!state.picture) return;
  const { width, height } = state.picture;
  const narrow = matchMedia("(max-width: 820px)").matches;
  const room = { width: $("stage").clientWidth - 32, height: narrow ? innerHeight * 0.6 : $("stage").clientHeight - 76 };
  const scale = Math.max(0.01, Math.min(room.width / width, room.height / height, Math.max(1, 480 / Math.max(width, height))));
  Object.assign($("frame").style, { width: `${width * scale}px`, height: `${height * scale}px` });
}

// ---------------------------------------------------------------- what people do

function open(file) {
  if (!file || ended) return;
  if (limits && file.size > limits.megabytes * 1e6) {
    trouble(`${file.name || "the picture"} has ${(file.size / 1e6).toFixed(1)} MB, more than ${limits.megabytes}: shrink it, start the page with a larger --max-mb, or use transfer apply`);
    return;
  }
  sending = true;
  trouble(null);
  showTask();
  told(sendPicture(file).finally(() => { sending = false; }));
}

function wish() {
  return {
    faces: [...chosen].sort((a, b) => a - b), strength: Number($("strength").value),
    match_light: $("light").checked, carry_detail: $("detail").checked,
  };
}

function ask() {
  if (chosen.size === 0 || !state.picture) return;
  wanted = JSON.stringify(wish());
  told(make(wish()));
}

/** Once there is a result, whatever is turned is shown at once: only the first time is slow. */
function turned() {
  if (state.result && JSON.stringify(wish()) !== wanted) ask();
}

$("file").addEventListener("change", () => { open($("file").files[0]); $("file").value = ""; });
$("another").addEventListener("click", () => $("file").click());
$("make").addEventListener("click", ask);
$("stop").addEventListener("click", () => told(stop()));
$("strength").addEventListener("input", () => { $("strength-value").textContent = `${Math.round(100 * $("strength").value)} %`; });
for (const id of ["strength", "light", "detail"]) $(id).addEventListener("change", turned);
$("compare").addEventListener("input", cut);
$("frame").addEventListener("pointermove", (event) => {
  if (!state.result || event.buttons !== 1 || event.target.closest("button")) return;
  const { left, width } = $("frame").getBoundingClientRect();
  $("compare").value = (100 * (event.clientX - left)) / width;
  cut();
});
for (const image of [$("before"), $("after")]) image.draggable = false;
new ResizeObserver(fit).observe($("stage"));
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  open(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => open(event.clipboardData?.files[0]));
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

told(fetchState());
