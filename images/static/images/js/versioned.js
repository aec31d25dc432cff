/**
 * Addresses that name the version of a picture. A browser keeps tiles for a while, and would show those of a source that
 * was replaced; the server takes no notice of the name.
 */

export const versioned = (address, version) => `${address}${address.includes("?") ? "&" : "?"}v=${version}`;

/** The answer with the image information as it is: of another source it may have another size. */
export const fetchInformation = (service) =>
  fetch(`${service}/info.json`, { headers: { Accept: "application/json" }, cache: "no-cache" });

/** Has a viewer of OpenSeadragon ask for tiles of `version` of what it opens. */
export function showVersion(viewer, version) {
  viewer.world.addHandler("add-item", ({ item: { source } }) => {
    const address = source.getTileUrl.bind(source);
    source.getTileUrl = (...place) => versioned(address(...place), version);
  });
}
