/** The image's page in the admin: deep zoom with the tiles drawn in, and a builder of addresses. */

import { wireCopyButtons } from "./clipboard.js";
import { fetchInformation, showVersion, versioned } from "./versioned.js";

const QUIET_MILLISECONDS = 300;

async function showZoom(element) {
  if (!window.OpenSeadragon) {
    element.hidden = true;
    return;
  }
  const { service, prefix, version } = element.dataset;
  const response = await fetchInformation(service);
  if (!response.ok) return;
  const viewer = window.OpenSeadragon({
    element,
    tileSources: { ...(await response.json()), id: new URL(service, location.href).href },
    prefixUrl: prefix,
    drawer: "canvas",
    showNavigationControl: false,
    showNavigator: true,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true, scrollToZoom: false },
    debugGridColor: ["#e6007e"],
  });
  showVersion(viewer, version);
  const grid = document.getElementById("zoom-grid");
  grid.addEventListener("change", () => viewer.setDebugMode(grid.checked));
}

function wireBuilder(builder) {
  const part = (name) => builder.querySelector(`[data-${name}]`);
  let timer = 0;
  let asked = 0;

  function link(element, address) {
    element.textContent = address ?? "";
    if (address) element.href = address;
    else element.removeAttribute("href");
  }

  function line([name, value]) {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    const cell = document.createElement("td");
    cell.textContent = value;
    row.append(head, cell);
    return row;
  }

  async function ask() {
    asked += 1;
    const mine = asked;
    const fields = [...builder.querySelectorAll("[data-field]")].map((field) => [field.dataset.field, field.value.trim()]);
    const response = await fetch(`${builder.dataset.url}?${new URLSearchParams(fields)}`);
    if (!response.ok || mine !== asked) return;
    const answer = await response.json();
    part("error").textContent = answer.error ?? "";
    part("error").hidden = !answer.error;
    link(part("address"), answer.url);
    link(part("canonical"), answer.canonical);
    part("lines").replaceChildren(...(answer.lines ?? []).map(line));
    const picture = part("picture");
    picture.hidden = Boolean(answer.error);
    if (!answer.error) picture.src = versioned(new URL(answer.url).pathname, answer.version);
  }

  builder.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, QUIET_MILLISECONDS);
  });
  builder.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("[data-field]")) event.preventDefault(); // saves nothing
  });
  ask();
}

const zoom = document.getElementById("zoom");
if (zoom) showZoom(zoom);
const builder = document.getElementById("builder");
if (builder) wireBuilder(builder);
wireCopyButtons(document, { copied: "✓", notCopied: "" }, () => {});
