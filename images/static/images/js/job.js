/** Shows how far a job is until it has ended. */

import { pollWhile } from "./polling.js";

const page = document.getElementById("job");
const part = (name) => page.querySelector(`[data-${name}]`);

function inWords(seconds) {
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function row({ identifier, reason }) {
  const line = document.createElement("tr");
  for (const text of [identifier, reason]) {
    const cell = document.createElement("td");
    cell.textContent = text;
    line.append(cell);
  }
  return line;
}

function show(facts) {
  part("label").textContent = facts.label;
  for (const name of ["done", "total", "failed"]) part(name).textContent = facts[name];
  page.querySelector("progress").max = Math.max(1, facts.total);
  page.querySelector("progress").value = facts.done;
  part("failed-line").hidden = !facts.failed;
  part("left-line").hidden = facts.seconds_left === null;
  if (facts.seconds_left !== null) part("left").textContent = inWords(facts.seconds_left);
  part("summary").textContent = facts.summary;
  part("summary").hidden = !facts.summary;
  part("reason").textContent = facts.reason;
  part("reason").hidden = !facts.reason;
  part("failures").hidden = !facts.failures.length;
  part("failures").tBodies[0].replaceChildren(...facts.failures.map(row));
  if (part("cancel")) part("cancel").hidden = facts.is_finished;
  page.dataset.state = facts.state;
  return !facts.is_finished;
}

if (!["done", "failed", "cancelled"].includes(page.dataset.state)) pollWhile(page.dataset.url, show);
