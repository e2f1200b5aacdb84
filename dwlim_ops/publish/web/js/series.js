// A basin's document as columns on one axis of days, without gaps in the days.

const DAY_MS = 86_400_000;
export const toSeconds = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
export const toDay = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

/** z of a 90 % interval of the normal distribution. */
export const Z90 = 1.645;

/** Columns by day; null where a day has no value. */
export function columnsOf(document, rain) {
  const days = everyDay(document, rain);
  const row = new Map(days.map((day, at) => [day, at]));
  const spread = (dates, values) => {
    const column = new Array(days.length).fill(null);
    dates.forEach((day, at) => { if (row.has(day)) column[row.get(day)] = values[at]; });
    return column;
  };
  const estimates = Object.fromEntries(Object.entries(document.series).map(([method, one]) => [
    method, { twsa: spread(one.date, one.twsa_mm), sigma: spread(one.date, one.sigma_mm) }]));
  const { climatology } = document;
  const normal = climatology ? days.map((day) => climatology.normal_mm[dayOfLeapYear(day)]) : null;
  const spreads = climatology ? days.map((day) => climatology.spread_mm[dayOfLeapYear(day)]) : null;
  return { days, estimates, normal, spread: spreads,
    rain: rain ? spread(rain.date, rain.precipitation_mm) : null };
}

function everyDay(document, rain) {
  const known = Object.values(document.series).flatMap((one) => one.date);
  if (!known.length) return [];
  const first = known.reduce((a, b) => (a < b ? a : b));
  const last = [...known, ...(rain ? rain.date.slice(-1) : [])].reduce((a, b) => (a > b ? a : b));
  const n_days = Math.round((Date.parse(last) - Date.parse(first)) / DAY_MS) + 1;
  const start = Date.parse(`${first}T00:00:00Z`);
  return Array.from({ length: n_days }, (_, at) =>
    new Date(start + at * DAY_MS).toISOString().slice(0, 10));
}

/** Place of a day in the tables of a leap year: 0 is 1 January, 59 is 29 February. */
export function dayOfLeapYear(day) {
  return Math.round((Date.parse(`2000${day.slice(4)}T00:00:00Z`) - Date.UTC(2000, 0, 1)) / DAY_MS);
}
