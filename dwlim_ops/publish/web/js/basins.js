// The table of basins: values and classes of the chosen day, in words that a screen reader reads.

import { CLASSES, inkOn } from "./colours.js";
import { fill, find, make } from "./dom.js";
import { dayText, number, t } from "./i18n.js";
import { state } from "./state.js";

/** What a basin has on a day: the published estimate and, where there is one, its standing. */
export function onDay(basin, at, method) {
  const estimate = basin.estimates[method];
  const standing = basin.standing;
  return {
    twsa: estimate?.twsa_mm[at] ?? null, sigma: estimate?.sigma_mm[at] ?? null,
    tier: estimate?.tier[at] ?? null, revision: estimate?.revision[at] ?? null,
    category: standing?.category?.[at] ?? null, percentile: standing?.percentile?.[at] ?? null,
    anomaly: standing?.standardized_anomaly?.[at] ?? null,
    probabilities: standing?.probabilities?.[at] ?? null, veto: standing?.veto?.[at] ?? "",
  };
}

/** The class as a coloured sign with its letters; colour is never the only mark. */
export function classSign(category, index) {
  const colour = CLASSES[index.categories.indexOf(category)] ?? null;
  if (colour === null) return make("span", { class: "soft" }, "–");
  return make("span", { class: "class-sign", colour, ink: inkOn(colour),
    title: t(`category_${category}`) }, category);
}

export function drawBasins({ basins, index, method, day, onBasin }) {
  if (!basins.basins.length || day === null) {
    fill(find("basins"), make("p", { class: "soft" }, t("noBasins")));
    return;
  }
  const at = basins.days.indexOf(day);
  const classes = basins.basins.some((basin) => basin.standing);
  const heads = [t("basin"), t("value"), t("sdHead"), ...(classes ? [t("class"), t("percentile")] : [])];
  const row = (basin) => {
    const now = onDay(basin, at, method);
    return make("tr", { "aria-current": basin.id === state.basin ? "true" : null },
      make("th", { scope: "row" }, make("button", { type: "button", class: "link",
        "data-basin": basin.id, onclick: () => onBasin(basin.id) }, basin.name)),
      make("td", { "data-value": "twsa" }, number(now.twsa, 1, true)),
      make("td", { "data-value": "sigma" }, number(now.sigma, 1)),
      ...(classes ? [make("td", { "data-value": "class" }, classSign(now.category, index)),
        make("td", { "data-value": "percentile" }, number(now.percentile, 1))] : []));
  };
  fill(find("basins"), make("div", { class: "scroll", tabindex: "0", role: "group",
    "aria-labelledby": "basins-heading" }, make("table", {},
    make("caption", { class: "soft" }, t("basinsCaption", { day: dayText(day) })),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...basins.basins.map(row)))));
}
