// Colour tables, from the driest to the wettest and from small to large. Lightness (OKLCH) runs in
// equal steps from 0.40 to 0.92 on each side of a diverging table, hue from orange to blue, which
// all common kinds of colour blindness keep apart. A test measures the lightness.

export const DIVERGING = [
  "#74310c", "#984d13", "#bc6b19", "#d3934e", "#e6ba82", "#f3e2c7",
  "#d0eaf3", "#90cde9", "#60acd8", "#3789c5", "#2767a5", "#1b4684"];

export const CLASSES = [
  "#74310c", "#a15415", "#c87f36", "#e3b071", "#f3e2c7", "#f4f3f0",
  "#d0eaf3", "#80c5e7", "#4b9bcf", "#2b6fad", "#1b4684"];

export const SEQUENTIAL = ["#f4eef5", "#d6c0e0", "#b793cd", "#946bb6", "#6e4798", "#482971"];

// Bounds of the drought severity index for the classes D4 to W4, in standard deviations.
const ANOMALY_BOUNDS = [-2, -1.6, -1.3, -0.8, -0.5, 0.5, 0.8, 1.3, 1.6, 2];

const multiples = (step, from, to) =>
  Array.from({ length: to - from + 1 }, (_, number) => step * (from + number));

/** Classes of a layer: colours, the bounds between them, and how its values are written. */
export function scaleOf(layer, index) {
  switch (layer) {
    case "twsa":
      return { colours: DIVERGING, bounds: multiples(index.legend_step_mm.twsa, -5, 5),
        unit: "mm", decimals: 1, signed: true, ends: ["drier", "wetter"] };
    case "anomaly":
      return { colours: CLASSES, bounds: ANOMALY_BOUNDS, unit: "sd", decimals: 2, signed: true,
        ends: ["drier", "wetter"] };
    case "percentile":
      return { colours: CLASSES, bounds: index.category_bounds_percent, unit: "percentile",
        decimals: 1, signed: false, ends: ["drier", "wetter"] };
    case "sigma":
      return { colours: SEQUENTIAL, bounds: multiples(index.legend_step_mm.twsa_sigma, 1, 5),
        unit: "mm", decimals: 1, signed: false, ends: ["surer", "lessSure"] };
    default:
      return { colours: CLASSES, names: index.categories, ends: ["drier", "wetter"] };
  }
}

/** Number of the class that a value falls into. */
export function classOf(value, bounds) {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value >= bounds[middle]) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function toRgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** Black or white, whichever is read better on a colour (WCAG's relative luminance). */
export function inkOn(hex) {
  const [r, g, b] = toRgb(hex).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return luminance > 0.19 ? "#111820" : "#ffffff";
}

export function colourOfCategory(category, index) {
  return CLASSES[index.categories.indexOf(category)] ?? null;
}
