/** Names for what Django's admin leaves without: halves of a moment, and the signs beside search fields. */

function nameAll() {
  for (const sign of document.querySelectorAll(".help-tooltip[aria-label]")) sign.setAttribute("role", "img");
  for (const input of document.querySelectorAll(".datetime input:not([aria-label])")) {
    const name = input.closest(".form-row")?.querySelector("label")?.textContent.trim() ?? "";
    const half = input.previousSibling?.textContent.trim() ?? "";
    input.setAttribute("aria-label", `${name} ${half}`.trim());
  }
}

// Django builds its pickers when the page has loaded; listeners are called in the order in which they were added.
if (document.readyState === "complete") nameAll();
else window.addEventListener("load", () => setTimeout(nameAll));
