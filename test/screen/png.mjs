// Writes a PNG anew with a palette of at most 256 colours, which a picture of a screen hardly has more of: a third of
// the bytes, and nothing that an eye would see. Takes what Chromium writes: 8 bits a channel, not interlaced.
// Source: PNG Specification, Third Edition (W3C).
import { crc32, deflateSync, inflateSync } from 'node:zlib'

const most = 256

/** Gives width, height, and the pixels as 0xRRGGBB. */
function read(png) {
  let [at, width, height, channels] = [8, 0, 0, 0]
  const parts = []
  while (at < png.length) {
    const [size, kind] = [png.readUInt32BE(at), png.toString('latin1', at + 4, at + 8)]
    const data = png.subarray(at + 8, at + 8 + size)
    if (kind === 'IHDR') {
      [width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)]
      channels = { 2: 3, 6: 4 }[data[9]]
      if (data[8] !== 8 || !channels || data[12] !== 0) throw new Error('png: only 8 bits of RGB or RGBA, not interlaced')
    }
    if (kind === 'IDAT') parts.push(data)
    at += size + 12
  }
  const raw = inflateSync(Buffer.concat(parts))
  const stride = width * channels
  const pixels = new Uint32Array(width * height)
  let above = Buffer.alloc(stride)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]
    const line = raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1))
    for (let x = 0; x < stride; x++) {
      const left = x < channels ? 0 : line[x - channels]
      const up = above[x]
      const corner = x < channels ? 0 : above[x - channels]
      let by = 0
      if (filter === 1) by = left
      else if (filter === 2) by = up
      else if (filter === 3) by = (left + up) >> 1
      else if (filter === 4) {
        const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)]
        by = a <= b && a <= c ? left : b <= c ? up : corner
      }
      line[x] = (line[x] + by) & 255
    }
    for (let x = 0; x < width; x++) pixels[y * width + x] = (line[x * channels] << 16) | (line[x * channels + 1] << 8) | line[x * channels + 2]
    above = line
  }
  return { width, height, pixels }
}

/** The colours that stand for all: the most frequent ones, and of the others such as lie apart from all chosen before. */
function palette(counts) {
  const all = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([colour]) => colour)
  if (all.length <= most) return all
  const first = all.slice(0, most * 0.75)
  for (let apart = 8; ; apart += 4) {
    const chosen = [...first]
    for (const colour of all.slice(first.length)) {
      if (chosen.every((other) => distance(colour, other) > apart * apart)) chosen.push(colour)
      if (chosen.length > most) break
    }
    if (chosen.length <= most) return chosen
  }
}

function distance(a, b) {
  const [r, g, u] = [(a >> 16) - (b >> 16), ((a >> 8) & 255) - ((b >> 8) & 255), (a & 255) - (b & 255)]
  return r * r + g * g + u * u
}

function chunk(kind, data) {
  const out = Buffer.alloc(data.length + 12)
  out.writeUInt32BE(data.length, 0)
  out.write(kind, 4, 'latin1')
  data.copy(out, 8)
  out.writeUInt32BE(crc32(out.subarray(4, data.length + 8)), data.length + 8)
  return out
}

/** The same picture, smaller. */
export function reduce(png) {
  const { width, height, pixels } = read(png)
  const counts = new Map()
  for (const colour of pixels) counts.set(colour, (counts.get(colour) ?? 0) + 1)
  const colours = palette(counts)
  const index = new Map()
  for (const colour of counts.keys()) {
    let best = 0
    for (let n = 1; n < colours.length; n++) if (distance(colour, colours[n]) < distance(colour, colours[best])) best = n
    index.set(colour, best)
  }
  const raw = Buffer.alloc(height * (width + 1))
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) raw[y * (width + 1) + 1 + x] = index.get(pixels[y * width + x])
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 3, 0, 0, 0], 8)
  const table = Buffer.from(colours.flatMap((c) => [c >> 16, (c >> 8) & 255, c & 255]))
  return Buffer.concat([png.subarray(0, 8), chunk('IHDR', head), chunk('PLTE', table), chunk('IDAT', deflateSync(raw, { level: 9 })), chunk('IEND', Buffer.alloc(0))])
}
