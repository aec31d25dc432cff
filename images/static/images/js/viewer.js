/** The deep-zoom page: OpenSeadragon, its buttons, the panel, and the view in the page's address. */

import { wireCopyButtons } from "./clipboard.js";
import { clipRegion, fileName, formatFragment, imagePath, parseFragment } from "./region.js";

const MAX_EDGE = 2000; // pixels of the longer side of a shared or saved picture
const WIDE = matchMedia("(min-width: 56rem)");
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("viewer-data").textContent);
const image = { width: data.width, height: data.height };
const localService = new URL(data.localService, location.href).href;
const stage = byId("stage");
const panel = byId("panel");
const messages = data.messages;

let toastTimer = 0;
function say(text) {
  const toast = byId("toast");
  toast.textContent = text;
  toast.classList.add("is-shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.classList.remove("is-shown"), 4000);
}

/** The picture as a plain image: for browsers, networks and installations in which the viewer cannot run. */
function showPlainPicture(reason) {
  byId("stage-message").hidden = true;
  byId("toolbar").hidden = true;
  stage.classList.add("is-plain");
  const plain = byId("plain-picture").content.cloneNode(true);
  plain.querySelector("[data-reason]").textContent = reason;
  stage.append(plain);
}

/** Limits of either API version as an object with maxWidth, maxHeight, maxArea. */
function limitsOf(information) {
  const profile = Array.isArray(information.profile) ? (information.profile[1] ?? {}) : {};
  const { maxWidth, maxHeight, maxArea } = { ...profile, ...information };
  return { maxEdge: MAX_EDGE, maxWidth, maxHeight, maxArea };
}

function canMirror(information) {
  const profile = Array.isArray(information.profile) ? (information.profile[1] ?? {}) : {};
  return [...(information.extraFeatures ?? []), ...(profile.supports ?? [])].includes("mirroring");
}

/** The image information, named by the address under which this page reaches it: tiles come from where the page did. */
async function fetchInformation() {
  const response = await fetch(`${localService}/info.json`, { headers: { Accept: "application/json" } });
  if (response.ok) return { ...(await response.json()), [data.api === 2 ? "@id" : "id"]: localService };
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? `HTTP ${response.status}`);
}

/** WebGL only where a graphics card does the work: without one it is far slower than a plain canvas. */
function preferredDrawer() {
  const context = document.createElement("canvas").getContext("webgl");
  if (!context) return "canvas";
  const names = context.getExtension("WEBGL_debug_renderer_info");
  const renderer = context.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER);
  return /swiftshader|llvmpipe|software|basic render/i.test(renderer) ? "canvas" : "auto";
}

function createViewer(information) {
  return window.OpenSeadragon({
    element: byId("viewer"),
    tileSources: information,
    crossOriginPolicy: "Anonymous",
    drawer: new URLSearchParams(location.search).get("drawer") ?? preferredDrawer(),
    showNavigationControl: false,
    showNavigator: WIDE.matches,
    navigatorPosition: "TOP_RIGHT",
    navigatorAutoFade: true,
    animationTime: CALM.matches ? 0 : 0.7,
    visibilityRatio: 0.5,
    minZoomImageRatio: 0.8,
    maxZoomPixelRatio: 4,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    timeout: 60000,
    tileRetryMax: 2,
    tileRetryDelay: 3000,
  });
}

/** What is seen now: {region, degrees, mirrored}; the region is clipped to the image. */
function currentView(viewer) {
  const { viewport } = viewer;
  const bounds = viewport.getBounds(false).getBoundingBox();
  const rect = viewport.viewportToImageRectangle(bounds);
  const whole = { x: 0, y: 0, ...image };
  return {
    region: clipRegion(rect, image) ?? whole,
    degrees: viewport.getRotation(false),
    mirrored: viewport.getFlip(),
  };
}

function applyFragment(viewer, isImmediate) {
  const { viewport } = viewer;
  const view = parseFragment(location.hash, image);
  viewport.setRotation(view.degrees, isImmediate);
  viewport.setFlip(view.mirrored);
  if (/(^#|&)xywh=/.test(location.hash)) {
    const { x, y, width, height } = view.region;
    viewport.fitBounds(viewport.imageToViewportRectangle(x, y, width, height), isImmediate);
  } else {
    viewport.goHome(isImmediate);
  }
}

/** Keeps the address of the page, the share panel and the version links in step with the view. */
function followView(viewer, limits) {
  const number = new Intl.NumberFormat(document.documentElement.lang || "en");
  let own = location.hash;
  let timer = 0;

  function update() {
    const view = currentView(viewer);
    const fragment = formatFragment(view, image);
    stage.classList.toggle("is-whole", !fragment.includes("xywh="));
    const address = `${location.pathname}${location.search}${fragment ? `#${fragment}` : ""}`;
    history.replaceState(null, "", address);
    own = location.hash;
    const url = `${data.service}/${imagePath(view, image, { api: data.api, limits })}`;
    byId("region-url").value = url;
    byId("region-open").href = url;
    byId("page-url").value = location.href;
    const { x, y, width, height } = view.region;
    byId("region-text").textContent = messages.region
      .replace("{width}", number.format(width))
      .replace("{height}", number.format(height))
      .replace("{x}", number.format(x))
      .replace("{y}", number.format(y));
    for (const link of document.querySelectorAll("[data-keeps-view]")) link.hash = location.hash;
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(update, 120);
  }

  for (const event of ["zoom", "pan", "rotate", "flip", "animation-finish", "resize"]) {
    viewer.addHandler(event, soon);
  }
  window.addEventListener("hashchange", () => {
    if (location.hash !== own) applyFragment(viewer, false);
  });
  update();
}

/** Fetches what is shown as one picture and hands it to the browser to keep. */
async function savePicture(viewer, limits, button) {
  const view = currentView(viewer);
  const url = `${localService}/${imagePath(view, image, { api: data.api, limits })}`;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  say(messages.saving);
  try {
    const response = await fetch(`${url}?download`);
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).detail);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = fileName(data.identifier, view.region);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    say(messages.saved.replace("{name}", link.download));
  } catch (error) {
    say(`${messages.notSaved} ${error.message ?? ""}`.trim());
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
    if (document.activeElement === document.body) button.focus({ focusVisible: false });
  }
}

function openShare() {
  panel.open = true;
  const share = byId("share");
  share.open = true;
  share.scrollIntoView({ block: "start", behavior: CALM.matches ? "auto" : "smooth" });
  byId("region-url").focus({ preventScroll: true });
  byId("region-url").select();
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else stage.requestFullscreen();
}

function wireButtons(viewer, limits) {
  const { viewport } = viewer;
  const turn = (degrees) => viewport.setRotation(viewport.getRotation() + (viewport.getFlip() ? -degrees : degrees));
  const actions = {
    "zoom-in": () => viewport.zoomBy(1.6).applyConstraints(),
    "zoom-out": () => viewport.zoomBy(1 / 1.6).applyConstraints(),
    home: () => {
      viewport.setRotation(0);
      viewport.setFlip(false);
      viewport.goHome();
    },
    "turn-left": () => turn(-90),
    "turn-right": () => turn(90),
    mirror: () => viewport.toggleFlip(),
    "full-screen": toggleFullScreen,
    share: openShare,
    save: (button) => savePicture(viewer, limits, button),
  };
  byId("toolbar").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (button) actions[button.dataset.action](button);
  });
  viewer.addHandler("flip", ({ flipped }) => {
    byId("mirror").setAttribute("aria-pressed", String(Boolean(flipped)));
  });
}

/** Arrow keys move between the buttons of the toolbar, which is one stop of the Tab key. */
function wireToolbarKeys(toolbar) {
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

function start(viewer, information) {
  const limits = limitsOf(information);
  byId("mirror").hidden = !canMirror(information);
  byId("full-screen").hidden = !document.fullscreenEnabled;
  byId("toolbar").hidden = false;
  byId("share").hidden = false;
  wireToolbarKeys(byId("toolbar"));
  wireButtons(viewer, limits);
  viewer.canvas.setAttribute("role", "application");
  viewer.canvas.setAttribute("aria-label", messages.canvas);
  applyFragment(viewer, true);
  followView(viewer, limits);
  byId("stage-message").hidden = true;
}

async function main() {
  document.documentElement.classList.add("is-started");
  panel.open = WIDE.matches;
  wireCopyButtons(document, messages, say);
  if (!window.OpenSeadragon) {
    showPlainPicture(messages.noViewer);
    return;
  }
  try {
    const information = await fetchInformation();
    const viewer = createViewer(information);
    viewer.addOnceHandler("open", () => start(viewer, information));
    viewer.addOnceHandler("open-failed", (event) => showPlainPicture(event.message));
    viewer.addOnceHandler("tile-load-failed", () => say(messages.tileFailed));
  } catch (error) {
    showPlainPicture(error.message);
  }
}

main();
