// The equity curve as lines to draw: only drawing needs floats, and only here.

export interface Curve { line: string; area: string; low: number; high: number; put: string | undefined }

/** Paths through values in a box of width and height; put is what gains are counted from at each of them. */
export function curve(values: readonly number[], width: number, height: number, put?: readonly number[]): Curve | undefined {
  if (values.length < 2) return undefined
  const all = [...values, ...(put ?? [])]
  let [low, high] = [Math.min(...all), Math.max(...all)]
  if (low === high) [low, high] = [low - Math.max(1, Math.abs(low) * 0.001), high + Math.max(1, Math.abs(high) * 0.001)]
  const y = (v: number) => Math.round((1 - (v - low) / (high - low)) * height * 10) / 10
  const x = (i: number) => Math.round((i / (values.length - 1)) * width * 10) / 10
  const path = (list: readonly number[]) => list.map((v, i) => `${i === 0 ? 'M' : 'L'}${x(i)} ${y(v)}`).join('')
  const line = path(values)
  return { line, area: `${line}L${width} ${height}L0 ${height}Z`, low, high, put: put && path(put) }
}
