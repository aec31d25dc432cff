/** What the server wrote into the page of a picture, and the places in it that several scripts use. */

export const WIDE = matchMedia("(min-width: 56rem)");
export const CALM = matchMedia("(prefers-reduced-motion: reduce)");

export const byId = (id) => document.getElementById(id);

/** See `viewer_context` on the server. */
export const data = JSON.parse(byId("viewer-data").textContent);
export const messages = data.messages;
export const image = { width: data.width, height: data.height };

/** The image service under the address by which this page was reached: tiles come from where the page did. */
export const localService = new URL(data.localService, location.href).href;

let toastTimer = 0;

/** Shows a line of text for four seconds, and has it read out. */
export function say(text) {
  const toast = byId("toast");
  toast.textContent = text;
  toast.classList.add("is-shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.classList.remove("is-shown"), 4000);
}
