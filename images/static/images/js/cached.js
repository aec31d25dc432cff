/** Fills the column that says what the caches hold of each image of the list. */

const cells = new Map([...document.querySelectorAll("[data-cached]")].map((cell) => [cell.dataset.cached, cell]));
const url = document.querySelector("script[data-cached-url]").dataset.cachedUrl;

/** Each answer has one image at least, so this ends; an answer without any ends it at once. */
while (cells.size) {
  const response = await fetch(`${url}?images=${[...cells.keys()].join(",")}`);
  if (!response.ok) break;
  const found = Object.entries((await response.json()).cached);
  if (!found.length) break;
  for (const [key, text] of found) {
    cells.get(key).textContent = text || "?";
    cells.delete(key);
  }
}
