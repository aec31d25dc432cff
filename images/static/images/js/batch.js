/** Shows how far a batch is; once it has ended, the page is loaded anew with what can be done now. */

import { pollWhile } from "./polling.js";

const page = document.getElementById("batch");

function show(facts) {
  for (const part of page.querySelectorAll("[data-fact]")) part.textContent = facts[part.dataset.fact] ?? "—";
  page.querySelector("progress").value = facts.ended;
  if (facts.is_finished) location.reload();
  return !facts.is_finished;
}

if (page.dataset.finished === "no") pollWhile(page.dataset.url, show);
