// One basin: its value and class, the chart of its series, and the files to take away.

import { classSign, onDay } from "./basins.js";
import { CLASSES } from "./colours.js";
import { drawChart } from "./chart.js";
import { address, optionalJson, readJson } from "./data.js";
import { fill, find, make, say } from "./dom.js";
import { dayText, number, percent, t } from "./i18n.js";
import { Z90, columnsOf } from "./series.js";
import { state } from "./state.js";

const shown = new Set(["normal", "precipitation"]);
const documents = new Map();
const SPANS = { range90: 90, range365: 365, rangeAll: Infinity };
let span = "range365";
let chart = null;

/** Documents are read again after the published files have changed. */
export function forgetDocuments() {
  documents.clear();
}

function documentOf(basin) {
  if (!documents.has(basin.id)) {
    const reading = Promise.all([readJson(basin.path),
      basin.precipitation ? optionalJson(basin.precipitation) : null]);
    reading.catch(() => documents.delete(basin.id));
    documents.set(basin.id, reading);
  }
  return documents.get(basin.id);
}

/** Show the chosen basin. `onClose`, `onDay(day)`: what the reader does in the panel. */
export async function drawPanel(view) {
  const basin = view.basins.basins.find((one) => one.id === state.basin);
  const panel = find("panel");
  chart?.destroy();
  chart = null;
  panel.hidden = !basin;
  if (!basin) return fill(panel);
  const wanted = `${basin.id} ${state.day}`;
  panel.dataset.shows = wanted;
  let content;
  try {
    content = await documentOf(basin);
  } catch (error) {
    return fill(panel, head(basin, view),
      make("p", { role: "alert" }, t("unreachable", { what: error.message })));
  }
  if (panel.dataset.shows !== wanted) return null;
  return drawWhole(panel, basin, ...content, view);
}

function drawWhole(panel, basin, document, rain, view) {
  const now = onDay(basin, view.basins.days.indexOf(state.day), view.method);
  const columns = columnsOf(document, rain);
  const canvas = make("div", { class: "chart", tabindex: "0", role: "group",
    "aria-label": t("chartLabel", { name: basin.name }) });
  const line = make("p", { class: "chart-line soft", id: "chart-line" });
  fill(panel, head(basin, view), facts(now, view), probabilities(now, view.index),
    now.veto ? make("p", { class: "note" }, t("veto", { why: now.veto })) : null,
    make("h3", {}, t("seriesTitle")), toggles(columns, view), canvas, line,
    climatologyNote(document.climatology), valueTable(columns, view.method),
    downloads(basin, view));
  connectChart(canvas, line, columns, view);
}

const head = (basin, view) => make("div", { class: "panel-head" },
  make("h2", { id: "panel-heading", tabindex: "-1" }, basin.name),
  make("button", { type: "button", class: "quiet", id: "panel-close", onclick: view.onClose,
    "aria-label": t("close") }, "✕"));

function facts(now, { index }) {
  const value = (name, key, ...content) => make("div", {}, make("dt", {}, name),
    make("dd", { "data-value": key }, ...content));
  return make("dl", { class: "figures" },
    value(`${t("twsa")}, ${dayText(state.day)}`, "twsa",
      make("strong", {}, number(now.twsa, 1, true)), ` ± ${number(now.sigma, 1)} ${t("mm")}`),
    now.category === null ? null : value(t("class"), "class", classSign(now.category, index),
      ` ${t(`category_${now.category}`)}`),
    now.percentile === null ? null : value(`${t("percentile")} · ${t("anomaly")}`, "percentile",
      `${number(now.percentile, 1)} · ${number(now.anomaly, 2, true)} ${t("sd")}`),
    now.tier === null ? null : value(`${t("tier")} · ${t("revision")}`, "tier",
      `${t(`tier_${now.tier}`)} · ${now.revision}`));
}

function probabilities({ probabilities: shares }, index) {
  if (!shares) return null;
  const bar = make("div", { class: "chances", "aria-hidden": "true" },
    ...shares.map((share, at) => make("span", { colour: CLASSES[at], width: `${100 * share}%`,
      title: `${index.categories[at]} ${percent(share)}` })));
  const words = shares.map((share, at) => [index.categories[at], share])
    .filter(([, share]) => share >= 0.005)
    .map(([category, share]) => make("li", { "data-category": category }, classSign(category, index),
      ` ${percent(share)}`, make("span", { class: "hidden-visually" },
        ` ${t(`category_${category}`)}`)));
  return make("div", {}, make("h3", {}, t("probabilities")), bar,
    make("ul", { class: "chance-list" }, ...words));
}

function toggles(columns, view) {
  const offered = Object.keys(columns.estimates).filter((name) => name !== view.method);
  const box = (name, text, ink) => {
    const input = make("input", { type: "checkbox", "data-show": name });
    input.checked = shown.has(name);
    input.addEventListener("change", () => {
      if (input.checked) shown.add(name);
      else shown.delete(name);
      view.redrawChart();
    });
    return make("label", { class: "check" }, input,
      make("i", { class: `swatch ${ink}`, "aria-hidden": "true" }), text);
  };
  const spans = make("fieldset", { class: "segments small" },
    make("legend", { class: "hidden-visually" }, t("range")),
    ...Object.keys(SPANS).map((name) => {
      const input = make("input", { type: "radio", name: "span", value: name,
        id: `span-${name}` });
      input.checked = span === name;
      input.addEventListener("change", () => { span = name; view.redrawChart(); });
      return make("span", {}, input, make("label", { for: `span-${name}` }, t(name)));
    }));
  return make("div", { class: "chart-bar" }, make("div", { class: "checks" },
    make("span", { class: "check" }, make("i", { class: "swatch main", "aria-hidden": "true" }),
      `${t(view.method)} · ${t("band")}`),
    ...offered.map((name) => box(name, t(name), name)),
    columns.normal ? box("normal", t("spread"), "normal") : null,
    columns.rain ? box("precipitation", `${t("precipitation")}, ${t("precipitationAxis")}`, "rain") : null),
  columns.days.length > 90 ? spans : null);
}

function connectChart(element, line, columns, view) {
  if (!columns.days.length) return;
  let row = Math.max(0, columns.days.indexOf(state.day));
  const speakRow = (at, aloud = false) => {
    line.textContent = rowText(columns, at ?? row, view.method);
    if (aloud) say(line.textContent);
  };
  const draw = () => {
    chart?.destroy();
    const first = columns.days[Math.max(0, columns.days.length - SPANS[span])] ?? columns.days[0];
    chart = drawChart(element, columns, { method: view.method, shown, first, marked: state.day,
      onCursor: speakRow, onPick: (row) => row !== null && view.onDay(columns.days[row]) });
  };
  view.redrawChart = draw;
  draw();
  speakRow(row);
  element.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    row = Math.min(columns.days.length - 1, Math.max(0, row + move));
    chart.setCursor({ left: chart.valToPos(chart.data[0][row], "x"), top: 20 });
    speakRow(row, true);
  });
  new ResizeObserver(() => {
    if (chart && chart.root.isConnected && element.clientWidth !== chart.width) {
      chart.setSize({ width: element.clientWidth, height: chart.height });
    }
  }).observe(element);
}

function rowText({ days, estimates, normal, rain }, row, method) {
  const { twsa, sigma } = estimates[method] ?? { twsa: [], sigma: [] };
  const value = twsa[row] ?? null;
  const error = sigma[row] ?? null;
  const words = [t("chartAt", { day: dayText(days[row]), value: number(value, 1, true),
    low: number(value === null || error === null ? null : value - Z90 * error, 1, true),
    high: number(value === null || error === null ? null : value + Z90 * error, 1, true) })];
  if (normal) words.push(t("chartNormal", { normal: number(normal[row], 1, true) }));
  if (rain && rain[row] !== null) {
    words.push(`${t("precipitation")} ${number(rain[row], 1)} ${t("mm")}`);
  }
  return words.join(" · ");
}

function climatologyNote(climatology) {
  if (!climatology) return null;
  const { first, last, trend_mm_per_year: trend, trend_sigma_mm_per_year: sigma } = climatology;
  return make("p", { class: "facts soft" },
    t("climatologyOf", { first: String(first).slice(0, 4), last: String(last).slice(0, 4) }), ". ",
    t("trend", { trend: number(trend, 1, true), sigma: number(sigma, 1) }), ".");
}

function valueTable({ days, estimates, normal }, method) {
  const { twsa, sigma } = estimates[method] ?? { twsa: [], sigma: [] };
  const rows = days.map((_, at) => at).filter((at) => (twsa[at] ?? null) !== null).slice(-30).reverse();
  const heads = [t("date"), t("value"), t("sdHead"), ...(normal ? [t("normal")] : [])];
  return make("details", {}, make("summary", {}, t("values")),
    make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("values") },
      make("table", {}, make("thead", {}, make("tr", {},
        ...heads.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...rows.map((at) => make("tr", {},
        make("th", { scope: "row" }, dayText(days[at])),
        make("td", {}, number(twsa[at], 1, true)), make("td", {}, number(sigma[at], 1)),
        normal ? make("td", {}, number(normal[at], 1, true)) : null))))));
}

function downloads(basin, { index }) {
  const day = index.days.find((one) => one.day === state.day);
  const link = (path, text) => make("a", { href: address(path), download: true }, text);
  return make("p", { class: "downloads" }, make("span", { class: "soft" }, `${t("download")}: `),
    link("basins/basins.csv", t("csvAll")), link(basin.path, t("jsonBasin")),
    day ? link(day.path, t("netcdfDay")) : null);
}
