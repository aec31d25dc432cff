/** Keeps the gallery current while pictures are being read or samples are being made. */

import { pollWhile } from "./polling.js";

const page = document.getElementById("gallery");

/** Put the server's own rendering of this page in place of ours; the focus stays where it was. */
async function refresh() {
  const response = await fetch(location.href);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const fresh = new DOMParser()
    .parseFromString(await response.text(), "text/html")
    .getElementById("gallery");
  if (!fresh) throw new Error("The page has no gallery.");
  const focused = page.contains(document.activeElement) ? document.activeElement.id : "";
  page.replaceChildren(...fresh.children);
  page.dataset.fingerprint = fresh.dataset.fingerprint;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** Move the bars of samples; a sample that the page doesn't know yet arrives with the next refresh. */
function showSamples(samples) {
  for (const sample of samples) {
    const row = page.querySelector(`[data-sample="${CSS.escape(sample.identifier)}"]`);
    if (!row) continue;
    row.querySelector("progress").value = sample.percent;
    row.querySelector("output").textContent = `${sample.percent} %`;
  }
}

if (page && page.dataset.unfinished === "true") {
  pollWhile(page.dataset.stateUrl, async (state) => {
    showSamples(state.samples);
    if (state.fingerprint !== page.dataset.fingerprint) await refresh();
    return state.is_unfinished;
  });
}
