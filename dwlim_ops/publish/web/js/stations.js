// The stations of the day as a table: which were used, and why the others were not.

import { fill, find, make } from "./dom.js";
import { dayText, number, t } from "./i18n.js";
import { why } from "./map.js";

export function drawStations(stations, day) {
  if (!stations) return fill(find("stations"));
  const count = (state) => stations.filter((one) => one.state === state).length;
  const counts = { used: count("used"), excluded: count("excluded"), absent: count("absent") };
  const heads = [t("station"), t("stateOf"), t("reason"), t("up"), t("sdHead")];
  return fill(find("stations"),
    make("p", { id: "station-count" }, t("stationCount", { ...counts, day: dayText(day) })),
    make("details", {}, make("summary", {}, t("stationList")),
      make("div", { class: "scroll tall", tabindex: "0", role: "group",
        "aria-label": t("stationList") }, make("table", {},
        make("thead", {}, make("tr", {}, ...heads.map((text, at) =>
          make("th", { scope: "col", class: at < 3 ? "left" : null }, text)))),
        make("tbody", {}, ...stations.map((one) => make("tr", { "data-station": one.id },
          make("th", { scope: "row" }, one.id),
          make("td", { class: "left" }, t(`station_${one.state}`)),
          make("td", { class: "left" }, why(one).slice(2)),
          make("td", {}, number(one.up_mm, 2, true)),
          make("td", {}, number(one.up_sigma_mm, 2)))))))));
}
