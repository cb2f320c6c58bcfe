// Strokes onto a canvas, or as SVG: in the order of the trace, so that the picture of a size is a beginning of the whole.
import { pathRound, type Path } from "d3-path";
import { bend, columnX, layerY, margin, Shape, widths, type Layout, type Strokes } from "./graph";

export interface Palette {
  /** What could be there. */
  ghost: string;
  residual: string;
  attention: string;
  mlp: string;
}

const shapes = [Shape.residual, Shape.arc, Shape.own, Shape.mlp];
const colourOf = (palette: Palette, shape: Shape): string => (shape === Shape.residual ? palette.residual : shape === Shape.mlp ? palette.mlp : palette.attention);

/** The line of one of the widths; on dense pictures all are finer. */
const lineWidth = ({ pitchX, pitchY }: Layout, shape: Shape, width: number): number => {
  const fine = Math.min(1, Math.max(0.45, Math.min(pitchX / 26, pitchY / 13)));
  return fine * (shape === Shape.residual ? 1 + 0.28 * width : shape === Shape.arc ? 0.7 + 0.42 * width : 0.8 + 0.3 * width);
};
const opacity = (shape: Shape, width: number): number => (shape === Shape.residual ? 0.5 + 0.07 * width : Math.min(0.95, 0.16 + 0.16 * width));

/** How far what stays at its own token bulges aside. */
const bulge = ({ pitchX, pitchY }: Layout): number => Math.min(0.3 * pitchX, 0.42 * pitchY, 9);

type Pen = Pick<Path, "moveTo" | "lineTo" | "bezierCurveTo">;

function follow(pen: Pen, strokes: Strokes, at: number, layout: Layout): void {
  const [x0, y0, x1, y1] = [strokes.x0[at], strokes.y0[at], strokes.x1[at], strokes.y1[at]];
  pen.moveTo(x0, y0);
  if (strokes.shape[at] === Shape.residual) pen.lineTo(x1, y1);
  else if (strokes.shape[at] === Shape.arc) pen.bezierCurveTo(x0 + bend.x[0] * (x1 - x0), y0 + bend.y[0] * (y1 - y0), x0 + bend.x[1] * (x1 - x0), y0 + bend.y[1] * (y1 - y0), x1, y1);
  else {
    const aside = (strokes.shape[at] === Shape.mlp ? 1 : -1) * bulge(layout) * (4 / 3);
    pen.bezierCurveTo(x0 + aside, y0, x0 + aside, y1, x1, y1);
  }
}

/** Strokes from..to by their look: one path for all that look the same. */
function* looks(strokes: Strokes, from: number, to: number): Generator<[shape: Shape, width: number, members: number[]]> {
  const groups = new Map<number, number[]>();
  for (let at = from; at < to; at += 1) {
    const look = strokes.shape[at] * widths + strokes.width[at];
    const group = groups.get(look);
    if (group) group.push(at);
    else groups.set(look, [at]);
  }
  for (const shape of shapes)
    for (let width = 0; width < widths; width += 1) {
      const members = groups.get(shape * widths + width);
      if (members) yield [shape, width, members];
    }
}

function paint(context: CanvasRenderingContext2D, strokes: Strokes, from: number, to: number, layout: Layout, palette: Palette): void {
  for (const [shape, width, members] of looks(strokes, from, to)) {
    context.strokeStyle = colourOf(palette, shape);
    context.globalAlpha = opacity(shape, width);
    context.lineWidth = lineWidth(layout, shape, width);
    context.beginPath();
    for (const at of members) follow(context, strokes, at, layout);
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** What stands behind the strokes: the line of each token, and its nodes. */
function ghost(pen: Pen & Pick<Path, "arc">, layout: Layout): void {
  const dots = layout.pitchX >= 9 && layout.pitchY >= 9;
  layout.tokens.forEach((_, column) => {
    const x = columnX(layout, column);
    const last = column === layout.tokens.length - 1;
    const top = last ? layout.layers - 1 : layout.layers - 2; // in the last layer only the last token leads on
    pen.moveTo(x, layerY(layout, -1));
    pen.lineTo(x, layerY(layout, top));
    for (let layer = -1; dots && layer <= top; layer += 1) {
      pen.moveTo(x + 1.1, layerY(layout, layer));
      pen.arc(x, layerY(layout, layer), 1.1, 0, 2 * Math.PI);
    }
  });
}

const slice = 128; // strokes
const budget = 8; // slices a frame: most of what they cost comes after the script
const memory = 80e6; // bytes for pictures to go back to

export interface Painter {
  /** Draws the first strokes; false while some are still to be drawn, in another frame. */
  show(count: number): boolean;
}

/** Draws onto a canvas, on from where it stands or back from the last stop before it, never longer than a frame bears. */
export function painter(canvas: HTMLCanvasElement, strokes: Strokes, layout: Layout, palette: Palette, ratio: number): Painter | null {
  const context = canvas.getContext("2d");
  if (!context) return null;
  canvas.width = Math.round(layout.width * ratio);
  canvas.height = Math.round(layout.height * ratio);
  context.scale(ratio, ratio);
  context.lineCap = "round";
  context.strokeStyle = palette.ghost;
  context.lineWidth = 1;
  context.beginPath();
  ghost(context, layout);
  context.stroke();
  const stops: [count: number, picture: HTMLCanvasElement][] = [[0, copy(canvas)]];
  const most = Math.max(4, Math.floor(memory / (4 * canvas.width * canvas.height)));
  const apart = slice * Math.ceil(strokes.count / most / slice); // strokes
  let drawn = 0;
  return {
    show(count) {
      let slices = 0;
      if (count < drawn) {
        const [reached, picture] = stops.filter(([stop]) => stop <= count).pop()!;
        context.clearRect(0, 0, layout.width, layout.height);
        context.drawImage(picture, 0, 0, layout.width, layout.height);
        drawn = reached;
      }
      while (drawn < count) {
        const to = Math.min(count, drawn + slice - (drawn % slice));
        paint(context, strokes, drawn, to, layout, palette);
        drawn = to;
        if (drawn === stops.length * apart) stops.push([drawn, copy(canvas)]);
        slices += 1;
        if (slices === budget && drawn < count) return false;
      }
      return true;
    },
  };
}

function copy(canvas: HTMLCanvasElement): HTMLCanvasElement {
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [canvas.width, canvas.height];
  picture.getContext("2d")?.drawImage(canvas, 0, 0);
  return picture;
}

/** Draws some strokes so that they stand out, over nothing else. In haste only their glow, coarsely. */
export function highlight(canvas: HTMLCanvasElement, strokes: Strokes, layout: Layout, colours: { line: string; glow: string }, pixels: number, haste: boolean): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const ratio = haste ? 0.5 : pixels;
  if (canvas.width !== Math.round(layout.width * ratio) || canvas.height !== Math.round(layout.height * ratio)) {
    canvas.width = Math.round(layout.width * ratio);
    canvas.height = Math.round(layout.height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, layout.width, layout.height);
  context.lineCap = "round";
  const members = [...looks(strokes, 0, strokes.count)];
  const passes = [{ extra: haste ? 2.5 : 5, alpha: haste ? 0.85 : 0.28, colour: colours.glow }, { extra: 1, alpha: 1, colour: colours.line }];
  for (const { extra, alpha, colour } of haste ? passes.slice(0, 1) : passes) {
    context.strokeStyle = colour;
    context.globalAlpha = alpha;
    for (const [shape, width, alike] of members) {
      context.lineWidth = extra + lineWidth(layout, shape, width);
      context.beginPath();
      for (const at of alike) follow(context, strokes, at, layout);
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

/** Strokes as the `d` of a path. */
export function outline(strokes: Strokes, layout: Layout): string {
  const lines = pathRound(1);
  for (let at = 0; at < strokes.count; at += 1) follow(lines, strokes, at, layout);
  return `${lines}`;
}

export interface Caption {
  tokens: string[];
  prediction: string;
  title: string;
}

/** The first strokes as an SVG file, and over them what is switched. Token text is data: it is escaped. */
export function graphSvg(strokes: Strokes, count: number, layout: Layout, palette: Palette & Record<"text" | "surface", string>, caption: Caption, switched = ""): string {
  const behind = pathRound(1);
  ghost(behind, layout);
  const drawn = [...looks(strokes, 0, count)].map(([shape, width, members]) => {
    const lines = pathRound(1);
    for (const at of members) follow(lines, strokes, at, layout);
    return `<path d="${lines}" stroke="${colourOf(palette, shape)}" stroke-opacity="${opacity(shape, width).toFixed(2)}" stroke-width="${lineWidth(layout, shape, width).toFixed(2)}"/>`;
  });
  const labels = caption.tokens.map((token, column) => {
    const [x, y] = [columnX(layout, column), layout.height + 6];
    return `<text x="${x.toFixed(1)}" y="${y}" transform="rotate(90 ${x.toFixed(1)} ${y})" dominant-baseline="central">${escaped(token)}</text>`;
  });
  const every = Math.ceil(14 / layout.pitchY);
  const numbers = Array.from({ length: layout.layers }, (_, layer) => layer)
    .filter((layer) => layer % every === 0)
    .map((layer) => `<text x="${margin.left - 10}" y="${(layerY(layout, layer) + layout.pitchY / 2 + 4).toFixed(1)}" text-anchor="end">${layer}</text>`);
  const [width, height] = [layout.width, layout.height + 12 + 7 * Math.max(...caption.tokens.map((token) => [...token].length))];
  const end = columnX(layout, layout.tokens.length - 1);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="11" fill="${palette.text}">` +
    `<title>${escaped(caption.title)}</title><rect width="100%" height="100%" fill="${palette.surface}"/>` +
    `<path d="${behind}" fill="none" stroke="${palette.ghost}"/><g fill="none" stroke-linecap="round">${drawn.join("")}</g>${switched}` +
    `<text x="${end}" y="${margin.top - 16}" text-anchor="end" font-size="13" font-weight="bold">${escaped(caption.prediction)}</text>` +
    `${numbers.join("")}${labels.join("")}</svg>`
  );
}

const escaped = (text: string): string =>
  text.replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd").replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
