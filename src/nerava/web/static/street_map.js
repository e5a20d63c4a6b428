// Draws the base map of the product into an SVG, and pins onto it; colours are the style sheet's.

import { layersOf } from "/static/vector_tile.js";

const SVG = "http://www.w3.org/2000/svg";
const ZOOM = 15;
const SIDE = 512;
const TILES_MAX = 12;
const ORDER = ["sea", "water", "green", "plaza", "building", "waterway", "rail", "road"];
const ROADS = ["steps", "foot", "service", "pedestrian", "street", "tertiary", "secondary", "primary", "trunk", "motorway"];

function made(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Web Mercator, in units of which a tile of this zoom has 512 on a side.
function projected(latitude, longitude) {
  const tiles = 2 ** ZOOM;
  const sine = Math.sin((latitude * Math.PI) / 180);
  const x = ((longitude + 180) / 360) * tiles * SIDE;
  const y = (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * tiles * SIDE;
  return [x, y];
}

export class StreetMap {
  constructor(svg) {
    this.svg = svg;
    this.ground = made("g", { class: "ground" });
    this.pins = made("g", { class: "pins" });
    svg.append(this.ground, this.pins);
    this.origin = [0, 0];
    new ResizeObserver(() => this.#keepPinsReadable()).observe(svg);
  }

  // Show what is around these places, with some room on each side.
  frame(places) {
    const points = places.map((one) => projected(one.latitude, one.longitude));
    const [xs, ys] = [0, 1].map((axis) => points.map((one) => one[axis]));
    this.origin = [Math.min(...xs), Math.min(...ys)];
    const width = Math.max(...xs) - this.origin[0];
    const height = Math.max(...ys) - this.origin[1];
    const room = Math.max(width, height, 200) * 0.12;
    this.svg.setAttribute("viewBox", `${-room} ${-room} ${width + 2 * room} ${height + 2 * room}`);
    this.#keepPinsReadable();
  }

  // However small the map is shown, a pin is as large on the screen.
  #keepPinsReadable() {
    const { width, height } = this.svg.viewBox.baseVal ?? {};
    const box = this.svg.getBoundingClientRect();
    if (width && box.width) this.svg.style.setProperty("--pixel", Math.max(width / box.width, height / box.height));
  }

  // Show a part around the middle: below 1 a smaller one, above 1 a larger one.
  zoom(factor) {
    const { x, y, width, height } = this.svg.viewBox.baseVal;
    const [wide, tall] = [width * factor, height * factor];
    this.#look(x + (width - wide) / 2, y + (height - tall) / 2, wide, tall);
  }

  // Let the map be moved by a finger or the mouse.
  letDrag() {
    let from = null;
    this.svg.addEventListener("pointerdown", (event) => (from = [event.clientX, event.clientY]));
    window.addEventListener("pointerup", () => (from = null));
    window.addEventListener("pointermove", (event) => {
      if (!from) return;
      const { x, y, width, height } = this.svg.viewBox.baseVal;
      const pixel = Number(this.svg.style.getPropertyValue("--pixel")) || 1;
      this.#look(x - (event.clientX - from[0]) * pixel, y - (event.clientY - from[1]) * pixel, width, height);
      from = [event.clientX, event.clientY];
    });
  }

  #look(...box) {
    this.svg.setAttribute("viewBox", box.join(" "));
    this.#keepPinsReadable();
  }

  // Let a pin lead to a page.
  link(pin, address) {
    const link = made("a", { href: address, draggable: "false" });
    link.setAttribute("aria-label", pin.querySelector("title").textContent);
    pin.replaceWith(link);
    link.append(pin);
  }

  at(latitude, longitude) {
    const [x, y] = projected(latitude, longitude);
    return [x - this.origin[0], y - this.origin[1]];
  }

  // Draw every tile of the map that the server shows; returns whom to name, as HTML.
  async draw() {
    const answer = await fetch("/v1/map");
    if (!answer.ok) return "";
    const map = await answer.json();
    const [west, south, east, north] = map.bounds;
    const tile = (latitude, longitude) => projected(latitude, longitude).map((one) => Math.floor(one / SIDE));
    const [left, top] = tile(north, west);
    const [right, bottom] = tile(south, east);
    const wanted = [];
    const seen = this.#tilesInView();
    for (let x = Math.max(left, seen.left); x <= Math.min(right, seen.right); x++)
      for (let y = Math.max(top, seen.top); y <= Math.min(bottom, seen.bottom); y++)
        wanted.push(this.#layers(map.tiles[0], x, y));
    this.#paint(await Promise.all(wanted));
    return map.attribution;
  }

  // What can be seen and somewhat more: a map of a country is not fetched for a street.
  #tilesInView() {
    const { x, y, width, height } = this.svg.viewBox.baseVal;
    const around = Math.max(width, height, 2 * SIDE);
    const tile = (at) => Math.floor(at / SIDE);
    const [across, down] = [this.origin[0] + x + width / 2, this.origin[1] + y + height / 2];
    const half = Math.min(around, TILES_MAX * SIDE / 2);
    return { left: tile(across - half), right: tile(across + half), top: tile(down - half), bottom: tile(down + half) };
  }

  async #layers(template, x, y) {
    const address = new URL(template.replace("{z}", ZOOM).replace("{x}", x).replace("{y}", y));
    const answer = await fetch(address.pathname + address.search);
    if (answer.status !== 200) return new Map();
    const place = (across, down) => {
      const at = [(x + across) * SIDE - this.origin[0], (y + down) * SIDE - this.origin[1]];
      return at.map((one) => one.toFixed(1)).join(" ");
    };
    return layersOf(new Uint8Array(await answer.arrayBuffer()), place);
  }

  #paint(tiles) {
    for (const layer of ORDER) {
      const outlines = new Map();
      for (const one of tiles.flatMap((layers) => layers.get(layer) ?? [])) {
        const kind = one.tags.class ?? layer;
        outlines.set(kind, (outlines.get(kind) ?? "") + one.outline);
      }
      const kinds = [...outlines.keys()].sort((one, other) => ROADS.indexOf(one) - ROADS.indexOf(other));
      for (const kind of kinds) {
        this.ground.append(made("path", { class: `${layer} ${layer}-${kind}`, d: outlines.get(kind) }));
      }
    }
  }

  // Put a pin; `words` are what it says to who points at it.
  pin(place, kind, words) {
    const [x, y] = this.at(place.latitude, place.longitude);
    const sign = kind === "offer" ? "M-6-1h12l-1.5-5h-9zM-5 1h10v5h-10z" : "M1-7-5 1.5h4L-1 7 5-1.5H1z";
    const pin = made(
      "g",
      { class: `pin ${kind}`, transform: `translate(${x} ${y})` },
      made("title", {}),
      made(
        "g",
        { class: "sign" },
        made("circle", { class: "wave", r: 11 }),
        made("circle", { class: "body", r: 11 }),
        made("path", { d: sign }),
      ),
    );
    pin.querySelector("title").textContent = words;
    this.pins.append(pin);
    return pin;
  }
}

// Let a pin tell that something happened there.
export function pulse(pin, outcome) {
  pin.classList.remove("earned", "nothing");
  void pin.getBoundingClientRect();
  pin.classList.add(outcome);
}
