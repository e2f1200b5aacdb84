// A day's grid as a picture: flat cells, paled and hatched where the resolution is low.

import { classOf, toRgb } from "./colours.js";

const PIXELS = 6;

/** Draw a layer into a canvas, the northern row on top. Returns true if a cell is hatched. */
export function paint(canvas, grid, layer, scale) {
  canvas.width = grid.columns * PIXELS;
  canvas.height = grid.rows * PIXELS;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const colours = scale.colours.map(toRgb);
  let hatched = false;
  for (let row = 0; row < grid.rows; row += 1) {
    for (let column = 0; column < grid.columns; column += 1) {
      const cell = grid.cell[row * grid.columns + column];
      const value = grid.value(layer, cell);
      if (value === null) continue;
      const low = grid.flagged("low_resolution", cell);
      hatched ||= low;
      block(picture, (grid.rows - 1 - row) * PIXELS, column * PIXELS,
        colours[classOf(value, scale.bounds)], low);
    }
  }
  context.putImageData(picture, 0, 0);
  return hatched;
}

function block(picture, top, left, colour, low) {
  for (let y = top; y < top + PIXELS; y += 1) {
    for (let x = left; x < left + PIXELS; x += 1) {
      const at = 4 * (y * picture.width + x);
      const [share, other] = !low ? [1, 0] : (x + y) % 12 < 2 ? [0.55, 90] : [0.5, 246];
      for (let part = 0; part < 3; part += 1) {
        picture.data[at + part] = share * colour[part] + (1 - share) * other;
      }
      picture.data[at + 3] = 255;
    }
  }
}
