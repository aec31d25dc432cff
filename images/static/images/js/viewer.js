/** The deep-zoom page: OpenSeadragon, or a plain picture where it cannot run. */

import { followView } from "./address.js";
import { wireCopyButtons } from "./clipboard.js";
import { byId, CALM, data, image, localService, messages, say, WIDE } from "./page.js";
import { showToolbar } from "./toolbar.js";
import { fetchInformation, showVersion } from "./versioned.js";
import { PictureView } from "./view.js";

const MAX_EDGE = 2000; // pixels of the longer side of a shared or saved picture

/** The picture as a plain image: for browsers, networks and installations in which the viewer cannot run. */
function showPlainPicture(reason) {
  const stage = byId("stage");
  byId("stage-message").hidden = true;
  byId("toolbar").hidden = true;
  stage.classList.add("is-plain");
  const plain = byId("plain-picture").content.cloneNode(true);
  plain.querySelector("[data-reason]").textContent = reason;
  stage.append(plain);
}

/** The image information, named by the address under which this page reaches it. */
async function readInformation() {
  const response = await fetchInformation(localService);
  if (response.ok) return { ...(await response.json()), [data.api === 2 ? "@id" : "id"]: localService };
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? `HTTP ${response.status}`);
}

/** What version 2.1 writes into the second part of its profile. */
function profileOf(information) {
  return Array.isArray(information.profile) ? (information.profile[1] ?? {}) : {};
}

/** Limits of either API version as an object with maxWidth, maxHeight, maxArea. */
function limitsOf(information) {
  const { maxWidth, maxHeight, maxArea } = { ...profileOf(information), ...information };
  return { maxEdge: MAX_EDGE, maxWidth, maxHeight, maxArea };
}

/** What the server makes of a view that is saved or shared: up to which size, and whether turned and mirrored. */
function offersOf(information) {
  const level = Array.isArray(information.profile) ? information.profile[0] : information.profile;
  const features = [...(information.extraFeatures ?? []), ...(profileOf(information).supports ?? [])];
  return {
    limits: limitsOf(information),
    canMirror: features.includes("mirroring"),
    canTurn: /level2(\.json)?$/.test(level) || features.some((name) => /^rotation(By90s|Arbitrary)$/.test(name)),
  };
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

function start(viewer, information) {
  const view = new PictureView(viewer, image);
  const offers = offersOf(information);
  showToolbar(view, offers);
  viewer.canvas.setAttribute("role", "application");
  viewer.canvas.setAttribute("aria-label", messages.canvas);
  view.wireKeys();
  followView(view, offers);
  byId("stage-message").hidden = true;
}

async function main() {
  const placePanel = () => (byId("panel").open = WIDE.matches);
  placePanel();
  WIDE.addEventListener("change", placePanel);
  document.documentElement.classList.add("is-started");
  wireCopyButtons(document, messages, say);
  if (!window.OpenSeadragon) {
    showPlainPicture(messages.noViewer);
    return;
  }
  try {
    const information = await readInformation();
    const viewer = createViewer(information);
    showVersion(viewer, data.version);
    viewer.addOnceHandler("open", () => start(viewer, information));
    viewer.addOnceHandler("open-failed", (event) => showPlainPicture(event.message));
    viewer.addHandler("tile-load-failed", ({ maxReached }) => maxReached && say(messages.tileFailed));
  } catch (error) {
    showPlainPicture(error.message);
  }
}

main();
