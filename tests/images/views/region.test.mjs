import assert from "node:assert/strict";
import { test } from "node:test";

import {
  clipRegion,
  fileName,
  fitSize,
  formatFragment,
  imagePath,
  normalizeDegrees,
  parseFragment,
  rotationParameter,
} from "../../../images/static/images/js/region.js";

const image = { width: 5000, height: 3000 };
const whole = { x: 0, y: 0, width: 5000, height: 3000 };

test("a view beyond the edges is clipped to the image", () => {
  assert.deepEqual(clipRegion({ x: -10.4, y: -3, width: 6000, height: 9000 }, image), whole);
});

test("the edges of a region are those of the nearest pixels", () => {
  const region = clipRegion({ x: 10.6, y: 20.2, width: 5.1, height: 1.4 }, image);
  assert.deepEqual(region, { x: 11, y: 20, width: 5, height: 2 });
});

test("a region has at least one pixel", () => {
  const tiny = clipRegion({ x: 7.1, y: 2999.7, width: 0.2, height: 0.2 }, image);
  assert.deepEqual(tiny, { x: 7, y: 2999, width: 1, height: 1 });
});

test("a region of whole pixels stays as it is", () => {
  const region = { x: 700, y: 300, width: 800, height: 600 };
  assert.deepEqual(clipRegion(region, image), region);
});

test("rounding errors of the viewer don't add a pixel", () => {
  const region = clipRegion({ x: 99.9999999, y: 0, width: 100.0000002, height: 10 }, image);
  assert.deepEqual(region, { x: 100, y: 0, width: 100, height: 10 });
});

test("no region where view and image don't meet", () => {
  assert.equal(clipRegion({ x: 5000, y: 0, width: 10, height: 10 }, image), null);
  assert.equal(clipRegion({ x: -20, y: 0, width: 10, height: 10 }, image), null);
});

test("sizes keep every limit and are never enlarged", () => {
  assert.deepEqual(fitSize(whole, { maxEdge: 2000 }), { width: 2000, height: 1200 });
  assert.deepEqual(fitSize({ width: 300, height: 200 }, { maxEdge: 2000 }), { width: 300, height: 200 });
  assert.deepEqual(fitSize(whole, { maxWidth: 1000 }), { width: 1000, height: 600 });
  assert.deepEqual(fitSize({ width: 3000, height: 5000 }, { maxWidth: 1000 }), { width: 600, height: 1000 });
  assert.deepEqual(fitSize(whole, { maxWidth: 4000, maxHeight: 300 }), { width: 500, height: 300 });
  assert.deepEqual(fitSize({ width: 90000, height: 2 }, { maxEdge: 2000 }), { width: 2000, height: 1 });
});

test("an area limit holds for every region", () => {
  for (let width = 1; width < 400; width += 7) {
    for (let height = 1; height < 400; height += 11) {
      const size = fitSize({ width, height }, { maxArea: 997 });
      assert.ok(size.width * size.height <= 997, `${width}x${height}`);
      assert.ok(size.width <= width && size.height <= height);
    }
  }
});

test("a mirrored view turns the other way, because IIIF mirrors first", () => {
  assert.equal(rotationParameter(90, false), "90");
  assert.equal(rotationParameter(90, true), "!270");
  assert.equal(rotationParameter(0, true), "!0");
  assert.equal(rotationParameter(-90, false), "270");
  assert.equal(normalizeDegrees(-720), 0);
});

test("paths are canonical in both versions of the API", () => {
  const region = { x: 100, y: 200, width: 4000, height: 2000 };
  const limits = { maxEdge: 2000 };
  const small = { x: 1, y: 2, width: 3, height: 4 };
  assert.equal(imagePath({ region: whole }, image), "full/max/0/default.jpg");
  assert.equal(imagePath({ region: whole }, image, { api: 2 }), "full/full/0/default.jpg");
  assert.equal(imagePath({ region }, image, { limits }), "100,200,4000,2000/2000,1000/0/default.jpg");
  assert.equal(imagePath({ region }, image, { api: 2, limits }), "100,200,4000,2000/2000,/0/default.jpg");
  assert.equal(imagePath({ region: small, degrees: 450 }, image), "1,2,3,4/max/90/default.jpg");
});

test("a view survives the address of the page", () => {
  const view = { region: { x: 1, y: 2, width: 30, height: 40 }, degrees: 270, mirrored: true };
  const fragment = formatFragment(view, image);
  assert.equal(fragment, "xywh=1,2,30,40&r=270&m=1");
  assert.deepEqual(parseFragment(`#${fragment}`, image), view);
  assert.equal(formatFragment({ region: whole, degrees: 0, mirrored: false }, image), "");
});

test("a malformed fragment shows the whole image", () => {
  for (const fragment of ["", "#", "#xywh=1,2,3", "#xywh=a,b,c,d", "#xywh=9999,0,5,5", "#r=x", "#xywh=1,1,0,0"]) {
    assert.deepEqual(parseFragment(fragment, image), { region: whole, degrees: 0, mirrored: false }, fragment);
  }
});

test("file names are safe on every system", () => {
  const region = { x: 1, y: 2, width: 3, height: 4 };
  assert.equal(fileName("maps/paris 1", region), "maps_paris_1-1-2-3-4.jpg");
  assert.equal(fileName("../../etc/passwd", region), "etc_passwd-1-2-3-4.jpg");
  assert.equal(fileName("a%2Fb?c#d", region), "a_2Fb_c_d-1-2-3-4.jpg");
  assert.equal(fileName("...", region), "image-1-2-3-4.jpg");
  assert.ok(fileName("é".repeat(500), region).length < 130);
});
