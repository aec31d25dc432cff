/** The buttons of the viewer, and the panel in which a region is shared. */

import { byId, data, image, localService, messages, say, WIDE } from "./page.js";
import { fileName, imagePath } from "./region.js";
import { versioned } from "./versioned.js";

/** Fetches what is shown as one picture and hands it to the browser to keep. */
async function savePicture(view, offers, button) {
  const { seen } = view;
  const url = `${localService}/${imagePath(seen, image, { api: data.api, ...offers })}`;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  say(messages.saving);
  try {
    const response = await fetch(versioned(`${url}?download`, data.version));
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).detail);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = fileName(data.identifier, seen.region);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    const isPlain = (seen.degrees && !offers.canTurn) || (seen.mirrored && !offers.canMirror);
    say(`${messages.saved.replace("{name}", link.download)} ${isPlain ? messages.upright : ""}`.trim());
  } catch (error) {
    say(`${messages.notSaved} ${error.message ?? ""}`.trim());
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
    if (document.activeElement === document.body) button.focus({ focusVisible: false });
  }
}

/** On a telephone the other parts of the panel are closed: the picture should stay in sight. */
function openShare() {
  const share = byId("share");
  byId("panel").open = true;
  if (!WIDE.matches) for (const part of byId("panel").querySelectorAll(".part")) part.open = part === share;
  share.open = true;
  share.scrollIntoView({ block: "start" });
  byId("region-url").focus({ preventScroll: true });
  byId("region-url").select();
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else byId("stage").requestFullscreen();
}

function wireButtons(toolbar, view, offers) {
  const actions = {
    "zoom-in": () => view.zoom(1.6),
    "zoom-out": () => view.zoom(1 / 1.6),
    home: () => view.reset(),
    "turn-left": () => view.turn(-90),
    "turn-right": () => view.turn(90),
    mirror: () => view.mirror(),
    "full-screen": toggleFullScreen,
    share: openShare,
    save: (button) => savePicture(view, offers, button),
  };
  toolbar.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (button) actions[button.dataset.action](button);
  });
  view.viewer.addHandler("flip", ({ flipped }) => {
    byId("mirror").setAttribute("aria-pressed", String(Boolean(flipped)));
  });
}

/** Arrow keys move between the buttons of the toolbar, which is one stop of the Tab key. */
function wireKeys(toolbar) {
  const buttons = () => [...toolbar.querySelectorAll("button:not([hidden])")];
  buttons().forEach((button, index) => (button.tabIndex = index === 0 ? 0 : -1));
  toolbar.addEventListener("keydown", (event) => {
    const all = buttons();
    const at = all.indexOf(document.activeElement);
    const step = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || step === undefined) return;
    event.preventDefault();
    all[(step + all.length) % all.length].focus();
  });
  toolbar.addEventListener("focusin", (event) => {
    for (const button of buttons()) button.tabIndex = button === event.target ? 0 : -1;
  });
}

/** Shows the buttons that work with this image and this browser. `offers`: what the server makes, see viewer.js. */
export function showToolbar(view, offers) {
  const toolbar = byId("toolbar");
  byId("mirror").hidden = !offers.canMirror;
  byId("full-screen").hidden = !document.fullscreenEnabled;
  byId("share").hidden = false;
  toolbar.hidden = false;
  wireKeys(toolbar);
  wireButtons(toolbar, view, offers);
}
