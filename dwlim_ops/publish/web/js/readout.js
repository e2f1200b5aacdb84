// What stands under the pointer or the cursor of the keys.

import { fill, find, make, say } from "./dom.js";
import { number, t } from "./i18n.js";

const degrees = (value, [positive, negative]) =>
  `${Math.abs(value).toFixed(2)}° ${value < 0 ? negative : positive}`;

/** Rows of name and text for a place of a grid. */
function rows(grid, { lat, lon, cell }, basin) {
  const place = `${degrees(lat, "NS")}, ${degrees(lon, "EW")}`;
  if (cell < 0) return [[t("place"), place], ["", t("outside")]];
  const value = grid.value("twsa", cell);
  const sigma = grid.value("sigma", cell);
  const found = [[t("place"), place],
    [t("twsa"), value === null ? t("noData")
      : `${number(value, 1, true)} ± ${number(sigma, 1)} ${t("mm")}`, "twsa"]];
  if (grid.has("anomaly")) {
    found.push([t("anomaly"), `${number(grid.value("anomaly", cell), 2, true)} ${t("sd")}`, "anomaly"]);
  }
  if (grid.has("percentile")) {
    found.push([t("percentile"), number(grid.value("percentile", cell), 1), "percentile"]);
  }
  found.push([t("resolution"), `${number(grid.value("resolution", cell), 0)} km`, "resolution"]);
  if (basin) found.push([t("basin"), basin]);
  const flags = grid.flags(cell).map((name) => t(name));
  if (flags.length) found.push([t("flags"), flags.join(", ")]);
  return found;
}

export function showPlace(grid, place, basin) {
  const box = find("readout");
  box.hidden = !(grid && place);
  if (box.hidden) return;
  const found = rows(grid, place, basin);
  fill(box, ...found.flatMap(([name, text, key]) => [
    make("dt", {}, name), make("dd", { "data-value": key ?? null }, text)]));
  if (place.byKey) say(found.map(([name, text]) => `${name} ${text}`.trim()).join(". "));
}
