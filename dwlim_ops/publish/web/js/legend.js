// The legend of a layer: its colours, the bounds between them, units, and what hatching means.

import { fill, find, make } from "./dom.js";
import { number, t } from "./i18n.js";

export function drawLegend(layer, scale, index, hatched) {
  const [first, last] = index.reference_period.split("/").map((day) => day.slice(0, 4));
  const title = t(`legend_${layer}`, { period: `${first}–${last}` });
  const bar = make("div", { class: "legend-bar", "aria-hidden": "true" },
    ...scale.colours.map((colour) => make("span", { colour })));
  const labels = scale.names ? ofNames(scale.names) : ofBounds(scale);
  fill(find("legend"),
    make("p", { class: "legend-title" }, title),
    make("div", { class: "legend-scale" }, bar, labels),
    make("p", { class: "legend-ends soft" },
      make("span", {}, `← ${t(scale.ends[0])}`),
      hatched ? make("span", { class: "hatch-note" },
        make("i", { class: "hatch", "aria-hidden": "true" }), t("hatched")) : null,
      make("span", {}, `${t(scale.ends[1])} →`)));
}

function ofNames(names) {
  return make("div", { class: "legend-labels names" },
    ...names.map((name) => make("span", { title: t(`category_${name}`) }, name)));
}

function ofBounds({ bounds, colours, signed }) {
  const decimals = Math.max(...bounds.map((bound) =>
    (String(Number(bound.toFixed(4))).split(".")[1] ?? "").length));
  const labels = make("div", { class: "legend-labels" });
  bounds.forEach((bound, at) => {
    const label = make("span", { class: at % 2 ? "minor" : null }, number(bound, decimals, signed));
    label.style.left = `${(100 * (at + 1)) / colours.length}%`;
    labels.append(label);
  });
  return labels;
}
