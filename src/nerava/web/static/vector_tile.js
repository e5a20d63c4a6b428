// Reads vector tiles (Mapbox Vector Tile 2.1): bytes in, layers of features with tags and outlines out.

class Reader {
  constructor(bytes, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  varint() {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  // Yields the number of each field, and its value: a number, or a reader of what it holds.
  *fields() {
    while (this.at < this.end) {
      const tag = this.varint();
      const kind = tag & 7;
      if (kind === 0) {
        yield [tag >> 3, this.varint()];
      } else if (kind === 2) {
        const length = this.varint();
        const inner = new Reader(this.bytes, this.at, this.at + length);
        this.at += length;
        yield [tag >> 3, inner];
      } else {
        this.at += kind === 1 ? 8 : 4;
      }
    }
  }

  numbers() {
    const found = [];
    while (this.at < this.end) found.push(this.varint());
    return found;
  }

  text() {
    return new TextDecoder().decode(this.bytes.subarray(this.at, this.end));
  }
}

const signed = (value) => (value % 2 ? -(value + 1) / 2 : value / 2);

function outlineOf(commands, toMap) {
  let x = 0;
  let y = 0;
  const path = [];
  for (let at = 0; at < commands.length; ) {
    const command = commands[at] & 7;
    const count = commands[at++] >> 3;
    if (command === 7) {
      path.push("Z");
      continue;
    }
    for (let step = 0; step < count; step++) {
      x += signed(commands[at++]);
      y += signed(commands[at++]);
      path.push(`${command === 1 ? "M" : "L"}${toMap(x, y)}`);
    }
  }
  return path.join("");
}

function valueOf(reader) {
  for (const [number, value] of reader.fields()) {
    if (number === 1) return value.text();
    if (number === 4 || number === 5) return value;
    if (number === 6) return signed(value);
  }
  return null;
}

function featureOf(reader, keys, values, toMap) {
  let tags = [];
  let outline = "";
  for (const [number, value] of reader.fields()) {
    if (number === 2) tags = value.numbers();
    if (number === 4) outline = outlineOf(value.numbers(), toMap);
  }
  const named = {};
  for (let at = 0; at < tags.length; at += 2) named[keys[tags[at]]] = values[tags[at + 1]];
  return { tags: named, outline };
}

// `toMap` turns coordinates of the tile, as parts of its side, into those of the map, as text of a path.
export function layersOf(bytes, toMap) {
  const layers = new Map();
  for (const [number, layer] of new Reader(bytes).fields()) {
    if (number !== 3) continue;
    let name = "";
    let extent = 4096;
    const keys = [];
    const values = [];
    const features = [];
    for (const [field, value] of layer.fields()) {
      if (field === 1) name = value.text();
      if (field === 2) features.push(value);
      if (field === 3) keys.push(value.text());
      if (field === 4) values.push(valueOf(value));
      if (field === 5) extent = value;
    }
    const place = (x, y) => toMap(x / extent, y / extent);
    layers.set(
      name,
      features.map((one) => featureOf(one, keys, values, place)),
    );
  }
  return layers;
}
