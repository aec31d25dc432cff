/** The picture in the viewer: what of it is seen, and how it is moved, turned and mirrored. */

import { clipRegion, parseFragment, regionParameter } from "./region.js";

const ARROW_STEP = 40; // CSS pixels
const NOTICEABLE = 0.001; // of the width that is seen: about a pixel of the screen
const DIRECTIONS = {
  ArrowUp: [0, -1],
  KeyW: [0, -1],
  ArrowDown: [0, 1],
  KeyS: [0, 1],
  ArrowLeft: [-1, 0],
  KeyA: [-1, 0],
  ArrowRight: [1, 0],
  KeyD: [1, 0],
};

/** An OpenSeadragon viewer with one picture, in pixels of that picture. */
export class PictureView {
  #named = null; // {fragment, place}: the view that an address asked for, until somebody moves it

  constructor(viewer, image) {
    this.viewer = viewer;
    this.viewport = viewer.viewport;
    this.image = image;
  }

  /** What is seen once all movement has ended: {region, degrees, mirrored}; the region is clipped to the image. */
  get seen() {
    const whole = { x: 0, y: 0, ...this.image };
    return {
      region: clipRegion(this.#rectangle(), this.image) ?? whole,
      degrees: this.viewport.getRotation(false),
      mirrored: this.viewport.getFlip(),
    };
  }

  get isWhole() {
    return regionParameter(this.seen.region, this.image) === "full";
  }

  /** The fragment that was shown last, with its #, or null once the view is another. */
  get named() {
    if (!this.#named) return null;
    const then = this.#named.place;
    const now = this.#place();
    const tolerance = NOTICEABLE * then.width;
    const isMoved =
      then.degrees !== now.degrees ||
      then.mirrored !== now.mirrored ||
      ["x", "y", "width", "height"].some((key) => Math.abs(then[key] - now[key]) > tolerance);
    return isMoved ? null : this.#named.fragment;
  }

  /** Shows at once what a fragment names: all of it, and more where the window has another shape. */
  show(fragment) {
    const { region, degrees, mirrored } = parseFragment(fragment, this.image);
    this.viewport.setRotation(degrees, true);
    this.viewport.setFlip(mirrored);
    if (regionParameter(region, this.image) === "full") {
      this.fit(true);
    } else {
      const bounds = this.viewport.imageToViewportRectangle(region.x, region.y, region.width, region.height);
      this.viewport.fitBounds(bounds, true);
    }
    this.#named = { fragment, place: this.#place() };
  }

  /** Fits the whole picture as it is turned. */
  fit(isImmediate) {
    // Not goHome(): the path that it computes goes astray while the picture is still turning.
    this.viewport.panTo(this.viewport.getHomeBounds().getCenter(), isImmediate);
    this.viewport.zoomTo(this.viewport.getHomeZoom(), null, isImmediate);
  }

  /** The whole picture, upright. */
  reset() {
    this.viewport.setRotation(0);
    this.viewport.setFlip(false);
    this.fit(false);
  }

  zoom(factor) {
    this.viewport.zoomBy(factor).applyConstraints();
  }

  /** Turns clockwise as it is seen; a whole picture stays whole. */
  turn(degrees) {
    const { isWhole } = this;
    this.viewport.setRotation(this.viewport.getRotation() + (this.viewport.getFlip() ? -degrees : degrees));
    if (isWhole) this.fit(false);
    else this.viewport.applyConstraints();
  }

  mirror() {
    this.viewport.toggleFlip();
  }

  /** Moves the window over the picture, in CSS pixels right and down as they are seen. */
  move(right, down) {
    const pixels = new window.OpenSeadragon.Point(this.viewport.getFlip() ? -right : right, down);
    this.viewport.panBy(this.viewport.deltaPointsFromPixels(pixels)).applyConstraints();
  }

  /** OpenSeadragon's keys for moving and turning, which it gets wrong where the picture is turned or mirrored. */
  wireKeys() {
    this.viewer.addHandler("canvas-key", (event) => {
      const { code, key, shiftKey, ctrlKey, altKey, metaKey } = event.originalEvent;
      if (ctrlKey || altKey || metaKey) return;
      const direction = DIRECTIONS[code];
      if (key.toLowerCase() === "r") {
        this.turn(shiftKey ? -90 : 90);
      } else if (direction && !(shiftKey && direction[1] !== 0)) {
        this.move(direction[0] * ARROW_STEP, direction[1] * ARROW_STEP);
      } else {
        return;
      }
      event.preventDefaultAction = true;
      event.originalEvent.preventDefault();
    });
  }

  #rectangle() {
    return this.viewport.viewportToImageRectangle(this.viewport.getBounds(false).getBoundingBox());
  }

  #place() {
    const { x, y, width, height } = this.#rectangle();
    return { x, y, width, height, degrees: this.viewport.getRotation(false), mirrored: this.viewport.getFlip() };
  }
}
