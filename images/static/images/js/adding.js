/** Adds many images: two at a time, each with its progress, then followed until it is ready or has failed. */

import { pollWhile } from "./polling.js";

const AT_ONCE = 2;

const root = document.getElementById("adding");
const field = (name) => document.getElementById(`adding-${name}`);
const text = (name) => root.dataset[`text${name}`];
const waiting = [];
const counts = { total: 0, ready: 0, failed: 0 };
let running = 0;

function summary() {
  field("summary").textContent = `${counts.ready + counts.failed} / ${counts.total}${counts.failed ? `, ${counts.failed} ✗` : ""}`;
}

function makeRow(name) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  const progress = document.createElement("progress");
  progress.max = 1;
  progress.value = 0;
  progress.setAttribute("aria-label", name);
  const bar = document.createElement("td");
  bar.append(progress);
  const state = document.createElement("td");
  row.append(head, bar, state);
  field("rows").append(row);
  return { row, head, progress, state };
}

/** Shows a state: "waiting", "sending", "reading", "ready", "failed". */
function mark(item, name, words) {
  item.view.row.dataset.state = name;
  item.view.state.textContent = words;
}

function end(item, name, words) {
  mark(item, name, words);
  counts[name === "failed" ? "failed" : "ready"] += 1;
  item.view.progress.value = 1;
  summary();
}

function fail(item, reason) {
  end(item, "failed", reason);
  const again = document.createElement("button");
  again.type = "button";
  again.className = "button";
  again.textContent = text("Retry");
  again.addEventListener("click", () => {
    counts.failed -= 1;
    enqueue(item);
  });
  item.view.state.append(" ", again);
}

function send(item) {
  const form = new FormData();
  form.append("csrfmiddlewaretoken", root.querySelector("[name=csrfmiddlewaretoken]").value);
  form.append("beginning", item.prefix);
  form.append("collection", item.collection);
  for (const [name, value] of Object.entries(item.source)) form.append(name, value);
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", root.dataset.url);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) item.view.progress.value = (event.loaded / event.total) * 0.9;
    });
    request.addEventListener("load", () => {
      const answer = request.response ?? { error: `HTTP ${request.status}` };
      resolve(request.status < 300 ? answer : { error: answer.error ?? `HTTP ${request.status}` });
    });
    request.addEventListener("error", () => resolve({ error: text("Lost") }));
    request.send(form);
  });
}

function follow(item, answer) {
  mark(item, "reading", text("Reading"));
  pollWhile(answer.state + encodeURIComponent(answer.identifier), ({ image, reason }) => {
    if (!image || image.state === "failed") {
      fail(item, image?.reason || reason || "✗");
      return false;
    }
    if (image.state !== "ready") return true;
    end(item, "ready", text("Ready"));
    return false;
  });
}

async function work() {
  while (waiting.length && running < AT_ONCE) {
    const item = waiting.shift();
    running += 1;
    mark(item, "sending", text("Sending"));
    const answer = await send(item);
    running -= 1;
    if (answer.error) fail(item, answer.error);
    else {
      item.view.progress.value = 0.95;
      const link = document.createElement("a");
      link.href = answer.page;
      link.textContent = answer.identifier;
      item.view.head.replaceChildren(link);
      if (answer.is_new) follow(item, answer);
      else end(item, "ready", text("Known"));
    }
  }
}

function enqueue(item) {
  mark(item, "waiting", text("Waiting"));
  item.view.progress.value = 0;
  waiting.push(item);
  summary();
  for (let worker = 0; worker < AT_ONCE; worker += 1) work();
}

function add(name, source) {
  counts.total += 1;
  const item = { source, view: makeRow(name), prefix: field("prefix").value.trim(), collection: field("collection").value };
  if (source.file && source.file.size > Number(root.dataset.limit)) end(item, "failed", text("Large"));
  else enqueue(item);
}

function addFiles(files) {
  for (const file of files) add(file.name, { file });
}

async function list(cursor = "") {
  const query = new URLSearchParams({ store: field("store").value, prefix: field("folder").value.trim(), cursor });
  const response = await fetch(`${root.dataset.listUrl}?${query}`);
  const answer = await response.json().catch(() => ({ error: `HTTP ${response.status}` }));
  field("store-error").textContent = answer.error ?? "";
  field("store-error").hidden = !answer.error;
  field("listing").hidden = Boolean(answer.error);
  if (answer.error) return;
  field("all").checked = false;
  field("keys").replaceChildren(
    ...answer.sources.map((source) => {
      const item = document.createElement("li");
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.value = source.key;
      box.disabled = source.is_known;
      const size = source.bytes === null ? "" : ` (${Math.ceil(source.bytes / 1024).toLocaleString(document.documentElement.lang || "en")} KB)`;
      label.append(box, ` ${source.key}${size}${source.is_known ? ` – ${text("Known")}` : ""}`);
      item.append(label);
      return item;
    }),
  );
  field("more").hidden = !answer.cursor;
  field("more").onclick = () => list(answer.cursor);
}

const drop = document.getElementById("drop");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("is-over");
  });
}
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("is-over"));
function takeChosen() {
  const files = [...field("files").files];
  field("files").value = "";
  addFiles(files);
}

drop.addEventListener("drop", (event) => {
  event.preventDefault();
  addFiles(event.dataTransfer.files);
});
field("files").addEventListener("change", takeChosen);
takeChosen(); // by somebody who was faster than this script
field("add-urls").addEventListener("click", () => {
  const lines = field("urls").value.split(/\s+/).filter(Boolean);
  field("urls").value = "";
  for (const url of lines) add(url, { url });
});
field("list").addEventListener("click", () => list());
field("all").addEventListener("change", ({ target }) => {
  for (const box of field("keys").querySelectorAll("input:not(:disabled)")) box.checked = target.checked;
});
field("add-keys").addEventListener("click", () => {
  for (const box of field("keys").querySelectorAll("input:checked")) {
    add(box.value, { store: field("store").value, key: box.value });
    box.checked = false;
    box.disabled = true;
  }
});
summary();
