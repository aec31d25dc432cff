/** Fills the column that says what the caches hold of each image of the list. */

const cells = new Map([...document.querySelectorAll("[data-cached]")].map((cell) => [cell.dataset.cached, cell]));
const url = document.querySelector("script[data-cached-url]").dataset.cachedUrl;

/** Texts by image; none where the server cannot be asked, or somebody else answers: the list stays as it is then. */
async function ask() {
  try {
    const response = await fetch(`${url}?images=${[...cells.keys()].join(",")}`);
    return response.ok ? Object.entries((await response.json()).cached) : [];
  } catch {
    return [];
  }
}

/** Each answer has one image at least, so this ends; an answer without any ends it at once. */
while (cells.size) {
  const found = await ask();
  if (!found.length) break;
  for (const [key, text] of found) {
    cells.get(key).textContent = text || "?";
    cells.delete(key);
  }
}
