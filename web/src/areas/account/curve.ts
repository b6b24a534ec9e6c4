// The equity curve as lines to draw: only drawing needs floats, and only here.

export interface Curve { line: string; area: string; low: number; high: number; zero: number | undefined }

/** A path through values in a box of width and height; from is the value that gains are counted from. */
export function curve(values: readonly number[], width: number, height: number, from: number | undefined): Curve | undefined {
  if (values.length < 2) return undefined
  const all = from === undefined ? values : [...values, from]
  let [low, high] = [Math.min(...all), Math.max(...all)]
  if (low === high) [low, high] = [low - Math.max(1, Math.abs(low) * 0.001), high + Math.max(1, Math.abs(high) * 0.001)]
  const y = (v: number) => Math.round((1 - (v - low) / (high - low)) * height * 10) / 10
  const x = (i: number) => Math.round((i / (values.length - 1)) * width * 10) / 10
  const line = values.map((v, i) => `${i === 0 ? 'M' : 'L'}${x(i)} ${y(v)}`).join('')
  return { line, area: `${line}L${width} ${height}L0 ${height}Z`, low, high, zero: from === undefined ? undefined : y(from) }
}
