/** Keeps the page's address, the share panel and the links to the other version in step with the view. */

import { byId, data, image, messages } from "./page.js";
import { formatFragment, imagePath } from "./region.js";

const SETTLING = 120; // milliseconds

function describe({ x, y, width, height }) {
  const number = new Intl.NumberFormat(document.documentElement.lang || "en");
  return messages.region
    .replace("{width}", number.format(width))
    .replace("{height}", number.format(height))
    .replace("{x}", number.format(x))
    .replace("{y}", number.format(y));
}

/**
 * Shows what the address names, and from then on names in the address what is shown.
 *
 * An address that was opened stays as it is until the view is moved: a region that is fitted into the window and
 * written back would grow with every opening.
 */
export function followView(view, offers) {
  const { viewer } = view;
  let own = location.hash;
  let settled = { named: own, isWhole: false };
  let timer = 0;

  function update() {
    const { seen, named, isWhole } = view;
    settled = { named, isWhole };
    byId("stage").classList.toggle("is-whole", isWhole);
    const fragment = named ?? formatFragment(seen, image).replace(/^(?=.)/, "#");
    if (fragment !== location.hash) {
      history.replaceState(null, "", location.pathname + location.search + fragment);
      own = location.hash;
    }
    const url = `${data.service}/${imagePath(seen, image, { api: data.api, ...offers })}`;
    byId("region-url").value = url;
    byId("region-open").href = url;
    byId("page-url").value = location.href;
    byId("region-text").textContent = describe(seen.region);
    for (const link of document.querySelectorAll("[data-keeps-view]")) link.hash = location.hash;
  }

  function updateSoon() {
    clearTimeout(timer);
    timer = setTimeout(update, SETTLING);
  }

  function refit() {
    if (settled.named !== null) view.show(settled.named);
    else if (settled.isWhole) view.fit(true);
  }

  view.show(own);
  update();
  for (const event of ["zoom", "pan", "rotate", "flip", "animation-finish", "resize"]) {
    viewer.addHandler(event, updateSoon);
  }
  // OpenSeadragon keeps the middle where it was, but only once its handlers of this event are through.
  viewer.addHandler("resize", () => queueMicrotask(refit));
  window.addEventListener("hashchange", () => {
    if (location.hash === own) return;
    own = location.hash;
    view.show(own);
    updateSoon();
  });
}
