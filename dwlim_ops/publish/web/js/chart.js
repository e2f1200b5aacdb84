// The chart of a basin: estimates with their interval, what is normal, precipitation.

import { Z90, toSeconds } from "./series.js";
import { number, t } from "./i18n.js";

const { uPlot } = window;
const HEIGHT = 220;
const METHODS_INK = { tragnss: "--ink-tragnss", dwlim: "--ink-dwlim", dwlim_st: "--ink-st" };

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const combine = (a, b, sign) => a.map((value, at) =>
  (value === null || b[at] === null || b[at] === undefined ? null : value + sign * b[at]));

/**
 * Draw columns into an element. `shown` names what is seen; `first` the first day in sight;
 * `marked` the day of the map; `onCursor(row)` is called as the pointer moves, `onPick(row)` on
 * a click.
 */
export function drawChart(element, columns, { method, shown, first, marked, onCursor, onPick }) {
  const parts = [{ label: t("date"), data: columns.days.map(toSeconds), series: {} }];
  const bands = [];
  const add = (data, series) => parts.push({ data, series }) - 1;
  if (shown.has("normal") && columns.normal) addNormal(columns, add, bands);
  if (shown.has("precipitation") && columns.rain) {
    add(columns.rain, { scale: "rain", fill: css("--rain"), stroke: css("--rain"), width: 0,
      paths: uPlot.paths.bars({ size: [0.8, 12] }), points: { show: false } });
  }
  const main = columns.estimates[method];
  if (main) addBand(main, add, bands);
  for (const [name, one] of Object.entries(columns.estimates)) {
    if (name !== method && shown.has(name)) add(one.twsa, line(css(METHODS_INK[name]), 1.25));
  }
  if (main) add(main.twsa, line(css("--accent"), 2));
  const chart = new uPlot(options(element, parts, bands, {
    rain: shown.has("precipitation") && columns.rain !== null, marked, onCursor }),
  parts.map((part) => part.data), element);
  const last = parts[0].data.at(-1);
  chart.setScale("x", { min: Math.min(toSeconds(first), last - 86_400), max: last });
  chart.over.addEventListener("click", () => onPick(chart.cursor.idx));
  return chart;
}

const line = (stroke, width) => ({ stroke, width, spanGaps: false,
  points: { show: (chart, _, from, to) => to - from < 40, size: 4, fill: stroke } });
const bare = { stroke: "transparent", width: 0, points: { show: false } };

function addNormal(columns, add, bands) {
  const high = add(combine(columns.normal, columns.spread, 1), bare);
  const low = add(combine(columns.normal, columns.spread, -1), bare);
  bands.push({ series: [high, low], fill: css("--normal-band") });
  add(columns.normal, { stroke: css("--normal"), width: 1.5, dash: [5, 4],
    points: { show: false } });
}

function addBand(main, add, bands) {
  const high = add(combine(main.twsa, main.sigma, Z90), bare);
  const low = add(combine(main.twsa, main.sigma, -Z90), bare);
  bands.push({ series: [high, low], fill: css("--band") });
}

function options(element, parts, bands, { rain, marked, onCursor }) {
  const axis = { stroke: css("--soft"), font: `11px ${css("--font")}`,
    grid: { stroke: css("--line"), width: 1 }, ticks: { show: false } };
  const axes = [{ ...axis, grid: { show: false }, space: 64, size: 30, values: dates },
    { ...axis, size: 46, values: (_, values) => values.map((value) => number(value, 0)) }];
  if (rain) {
    axes.push({ ...axis, scale: "rain", side: 1, size: 34, grid: { show: false },
      values: (_, values) => values.map((value) => (value === null ? "" : number(value, 0))) });
  }
  return {
    width: element.clientWidth, height: HEIGHT, padding: [8, rain ? 0 : 10, 0, 0], bands, axes,
    series: parts.map((part) => part.series), legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false } },
    scales: { x: { time: true }, rain: { range: (_, low, high) => [0, 3 * Math.max(high ?? 1, 1)] } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    hooks: {
      setCursor: [(chart) => onCursor(chart.cursor.idx ?? null)],
      draw: [(chart) => drawMark(chart, marked)],
    },
  };
}

/** Dates on the axis by their span: days within months, months within years, or years. */
function dates(chart, splits) {
  const language = document.documentElement.lang === "en" ? "en-GB" : "zh-CN";
  const step = splits.length > 1 ? (splits[1] - splits[0]) / 86_400 : 1;
  const form = step < 20 ? { day: "numeric", month: "short" } : step < 200
    ? { month: "short", year: "2-digit" } : { year: "numeric" };
  const writer = new Intl.DateTimeFormat(language, { ...form, timeZone: "UTC" });
  return splits.map((at) => (at % 86_400 === 0 ? writer.format(new Date(at * 1000)) : ""));
}

function drawMark(chart, day) {
  if (day === null) return;
  const x = Math.round(chart.valToPos(toSeconds(day), "x", true));
  const { left, top, width, height } = chart.bbox;
  if (x < left || x > left + width) return;
  chart.ctx.save();
  chart.ctx.strokeStyle = css("--ink");
  chart.ctx.globalAlpha = 0.55;
  chart.ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  chart.ctx.beginPath();
  chart.ctx.moveTo(x, top);
  chart.ctx.lineTo(x, top + height);
  chart.ctx.stroke();
  chart.ctx.restore();
}
