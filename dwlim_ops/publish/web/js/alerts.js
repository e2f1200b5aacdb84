// The alerts in force, as the published GeoJSON has them.

import { classSign } from "./basins.js";
import { address } from "./data.js";
import { fill, find, make } from "./dom.js";
import { dayText, percent, spoken, t, timeText } from "./i18n.js";

/** Address of a message beside the list of alerts; null if it leads to another host. */
function messageAddress(cap, list) {
  try {
    const found = new URL(cap, new URL(address(list), location.href));
    return cap && found.origin === location.origin ? found.href : null;
  } catch {
    return null;
  }
}

const known = (key, fallback) => (t(key) === key ? fallback : t(key));
const moment = (time, inWords = timeText) => (Number.isNaN(Date.parse(time)) ? "–" : inWords(time));

export function drawAlerts({ alerts, index, onBasin }) {
  if (!index.alerts) return fill(find("alerts"), make("p", { class: "soft" }, t("alertsAbsent")));
  if (!alerts) {
    return fill(find("alerts"), make("p", { role: "alert" }, t("unreachable", { what: index.alerts })));
  }
  const items = alerts.features.map(({ properties }) => item(properties, index, onBasin));
  return fill(find("alerts"),
    items.length ? make("ul", { class: "alerts" }, ...items)
      : make("p", { class: "soft" }, t("noAlerts")),
    make("p", { class: "downloads" },
      index.feed ? make("a", { href: address(index.feed) }, t("feed")) : null,
      make("a", { href: address(index.alerts) }, t("allAlerts"))));
}

function item(alert, index, onBasin) {
  const over = Date.parse(alert.expires) < Date.now();
  const cap = messageAddress(alert.cap, index.alerts);
  const headline = alert.headlines?.[spoken()] ?? alert.headline ?? alert.basin_name;
  const trial = alert.status === "Actual" ? null
    : make("span", { class: "trial" }, known(`status_${alert.status}`, String(alert.status)));
  return make("li", { class: over ? "over" : null, "data-alert": alert.identifier ?? "" },
    make("div", { class: "alert-line" }, classSign(alert.class, index),
      make("strong", {}, headline), trial),
    make("p", { class: "soft" }, [known(`category_${alert.class}`, String(alert.class)),
      t("severityIs", { severity: known(`severity_${alert.severity}`, String(alert.severity)) }),
      t("alertMeta", {
        p: Number.isFinite(alert.probability) ? percent(alert.probability) : "–",
        onset: moment(alert.onset, dayText), expires: moment(alert.expires) })].join(" · "),
    over ? make("b", {}, ` · ${t("expired")}`) : null),
    make("p", { class: "downloads" },
      make("button", { type: "button", class: "link", onclick: () => onBasin(String(alert.basin)) },
        alert.basin_name ?? alert.basin),
      cap ? make("a", { href: cap }, t("capFile")) : null));
}
