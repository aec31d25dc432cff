/**
 * What the viewer shows, as IIIF Image API parameters. Pure: numbers and text in, numbers and text out.
 *
 * Regions and sizes are objects of whole pixels of the full image: {x, y, width, height}, {width, height}.
 */

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Whole pixels of one direction: each edge goes to the nearest, so that what is whole already stays as it is. */
function clipSpan(start, length, limit) {
  const low = clamp(start, 0, limit);
  const high = clamp(start + length, 0, limit);
  if (high <= low) return null;
  const first = Math.min(Math.round(low), limit - 1);
  return [first, Math.max(Math.round(high), first + 1) - first];
}

/** The part of `rect` that lies inside the image, in whole pixels, at least one; null where they don't meet. */
export function clipRegion(rect, image) {
  const across = clipSpan(rect.x, rect.width, image.width);
  const down = clipSpan(rect.y, rect.height, image.height);
  if (!across || !down) return null;
  return { x: across[0], y: down[0], width: across[1], height: down[1] };
}

/**
 * The largest size for a region that keeps its aspect, is not enlarged, and stays within every limit.
 *
 * `limits`: maxEdge, maxWidth, maxHeight in pixels, maxArea in square pixels; each may be missing. maxWidth alone
 * limits the height too (Image API 3.0 section 5.3).
 */
export function fitSize(region, limits = {}) {
  const maxWidth = limits.maxWidth ?? Infinity;
  const maxHeight = limits.maxHeight ?? maxWidth;
  const maxArea = limits.maxArea ?? Infinity;
  const scale = Math.min(
    1,
    (limits.maxEdge ?? Infinity) / Math.max(region.width, region.height),
    maxWidth / region.width,
    maxHeight / region.height,
    Math.sqrt(maxArea / (region.width * region.height)),
  );
  const size = {
    width: Math.max(1, Math.round(region.width * scale)),
    height: Math.max(1, Math.round(region.height * scale)),
  };
  while (size.width * size.height > maxArea && size.width > 1) size.width -= 1;
  return size;
}

/** Degrees in [0, 360). */
export function normalizeDegrees(degrees) {
  return (((Math.round(degrees * 1000) / 1000) % 360) + 360) % 360;
}

/**
 * The rotation parameter for a view that is turned by `degrees` and then mirrored left to right.
 *
 * IIIF mirrors first (section 4.3), so a mirrored view turns the other way.
 */
export function rotationParameter(degrees, mirrored) {
  const turned = normalizeDegrees(mirrored ? -degrees : degrees);
  return `${mirrored ? "!" : ""}${turned}`;
}

/** `full`, or `x,y,w,h` in pixels. */
export function regionParameter(region, image) {
  const isWhole =
    region.x === 0 &&
    region.y === 0 &&
    region.width === image.width &&
    region.height === image.height;
  return isWhole ? "full" : `${region.x},${region.y},${region.width},${region.height}`;
}

/** The canonical size parameter of a size that keeps the region's aspect (3.0 section 4.7, 2.1 section 4.7). */
export function sizeParameter(size, region, api) {
  const isUnscaled = size.width === region.width && size.height === region.height;
  if (api === 2) return isUnscaled ? "full" : `${size.width},`;
  return isUnscaled ? "max" : `${size.width},${size.height}`;
}

/** `region/size/rotation/default.format`, canonical; as the picture is where the server neither turns nor mirrors. */
export function imagePath(view, image, { api = 3, limits = {}, canTurn = true, canMirror = true, format = "jpg" } = {}) {
  const size = fitSize(view.region, limits);
  return [
    regionParameter(view.region, image),
    sizeParameter(size, view.region, api),
    rotationParameter(canTurn ? (view.degrees ?? 0) : 0, canMirror && Boolean(view.mirrored)),
    `default.${format}`,
  ].join("/");
}

/** A view as a URL fragment without its #; empty for the whole image, upright. */
export function formatFragment(view, image) {
  const parts = [];
  const region = regionParameter(view.region, image);
  if (region !== "full") parts.push(`xywh=${region}`);
  const degrees = normalizeDegrees(view.degrees ?? 0);
  if (degrees !== 0) parts.push(`r=${degrees}`);
  if (view.mirrored) parts.push("m=1");
  return parts.join("&");
}

/** The view that a fragment names; what is missing or malformed in it means the whole image, upright. */
export function parseFragment(fragment, image) {
  const parameters = new URLSearchParams(fragment.replace(/^#/, ""));
  const whole = { x: 0, y: 0, width: image.width, height: image.height };
  const match = /^(?:pixel:)?(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})$/.exec(
    parameters.get("xywh") ?? "",
  );
  let region = null;
  if (match) {
    const [x, y, width, height] = match.slice(1).map(Number);
    region = clipRegion({ x, y, width, height }, image);
  }
  const degrees = Number(parameters.get("r") ?? 0);
  return {
    region: region ?? whole,
    degrees: Number.isFinite(degrees) ? normalizeDegrees(degrees) : 0,
    mirrored: parameters.get("m") === "1",
  };
}

/** A name under which every file system can keep the picture. */
export function fileName(identifier, region, format = "jpg") {
  const stem = identifier
    .replace(/[\u0000-\u001f\u007f"*/:<>?\\|%#\s]+/g, "_")
    .replace(/^[._]+|[._]+$/g, "")
    .slice(0, 100);
  return `${stem || "image"}-${region.x}-${region.y}-${region.width}-${region.height}.${format}`;
}
