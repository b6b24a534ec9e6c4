import { createChart, type DeepPartial, type IChartApi, type TimeChartOptions, type Time } from 'lightweight-charts'
import { useEffect, useRef, type KeyboardEvent, type RefObject } from 'react'
import { usePreferences } from '@/lib/preferences'

export interface Ink { up: string; down: string; text: string; line: string; accent: string; warn: string; faint: string; surface: string; lines: string[] }

/** The colours of the theme, as a canvas needs them. */
function ink(): Ink {
  const style = getComputedStyle(document.documentElement)
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim() || style.color
  return { up: of('up'), down: of('down'), text: of('muted'), line: of('line'), accent: of('accent'), warn: of('warn'), faint: of('faint'), surface: of('surface'), lines: [of('warn'), of('accent'), of('chart-3'), of('chart-4')] }
}

/** A chart that lives as long as the element, and is made anew when the colours or `again` change. draw returns what ends it. */
export function useChart(element: RefObject<HTMLElement | null>, draw: (chart: IChartApi, ink: Ink) => void | (() => void), again: readonly unknown[], options: DeepPartial<TimeChartOptions> = {}): RefObject<IChartApi | undefined> {
  const made = useRef<IChartApi>(undefined)
  const { theme, colors, language } = usePreferences()
  useEffect(() => {
    if (!element.current) return
    const colours = ink()
    const chart = createChart(element.current, {
      autoSize: true,
      ...options,
      // Its logo brings a <style> element, which our policy forbids: the page names TradingView in words instead.
      layout: { background: { color: 'transparent' }, textColor: colours.text, fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11, attributionLogo: false, panes: { separatorColor: colours.line, separatorHoverColor: colours.line }, ...options.layout },
      grid: { vertLines: { color: colours.line }, horzLines: { color: colours.line } },
      rightPriceScale: { borderColor: colours.line, minimumWidth: 62, ...options.rightPriceScale },
      timeScale: { borderColor: colours.line, ...options.timeScale },
      crosshair: { mode: 0 },
    })
    made.current = chart
    const end = draw(chart, colours)
    return () => { made.current = undefined; end?.(); chart.remove() }
  }, [theme, colors, language, ...again])
  return made
}

/** Arrows move a chart, + and - zoom, End goes to the newest. */
export function chartKey(chart: IChartApi | undefined, event: KeyboardEvent): void {
  const scale = chart?.timeScale()
  const range = scale?.getVisibleLogicalRange()
  if (!scale || !range || event.ctrlKey || event.metaKey || event.altKey) return
  const width = range.to - range.from
  const to = (from: number, until: number) => scale.setVisibleLogicalRange({ from, to: until })
  if (event.key === 'ArrowLeft') to(range.from - width / 10, range.to - width / 10)
  else if (event.key === 'ArrowRight') to(range.from + width / 10, range.to + width / 10)
  else if (event.key === '+' || event.key === '=') to(range.from + width / 5, range.to)
  else if (event.key === '-') to(range.from - width / 4, range.to)
  else if (event.key === 'End') scale.scrollToRealTime()
  else return
  event.preventDefault()
}

const shanghai = 8 * 3600

/** The library knows no zones: a moment becomes what Shanghai's clock says, as if it were UTC. */
export const wall = (moment: string): Time => (Math.floor(Date.parse(moment) / 1000) + shanghai) as Time

/** "14:03" of such a moment. */
export function hourOf(time: Time): string {
  return new Date(Number(time) * 1000).toISOString().slice(11, 16)
}

/** "2026-11-25 14:03", or the day alone. */
export function dateOf(time: Time): string {
  return typeof time === 'number' ? new Date(time * 1000).toISOString().slice(0, 16).replace('T', ' ') : String(time)
}
