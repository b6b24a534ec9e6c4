// Averages and MACD of closes, for drawing: floats do. An entry without enough before it is undefined.

/** The mean of the last n values at each place. */
export function mean(values: readonly number[], n: number): (number | undefined)[] {
  let sum = 0
  return values.map((value, i) => {
    sum += value - (i >= n ? values[i - n]! : 0)
    return i >= n - 1 ? sum / n : undefined
  })
}

function exponential(values: readonly number[], n: number): number[] {
  let at = values[0] ?? 0
  return values.map((value) => (at += ((value - at) * 2) / (n + 1)))
}

/** As the market draws it: DIF of 12 and 26, DEA of 9, bars of twice their difference. */
export function macd(closes: readonly number[]): { dif: number[]; dea: number[]; bar: number[] } {
  const [fast, slow] = [exponential(closes, 12), exponential(closes, 26)]
  const dif = closes.map((_, i) => fast[i]! - slow[i]!)
  const dea = exponential(dif, 9)
  return { dif, dea, bar: dif.map((d, i) => 2 * (d - dea[i]!)) }
}
