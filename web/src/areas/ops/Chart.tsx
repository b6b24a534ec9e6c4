import { useId } from 'react'
import { useTranslation } from 'react-i18next'

export interface Line { name: string; values: readonly (number | null)[]; tone?: 'accent' | 'warn' | 'danger' | 'muted' }

const width = 300
const height = 64
const strokes = { accent: 'var(--accent)', warn: 'var(--warn)', danger: 'var(--danger)', muted: 'var(--faint)' }

/** A small live chart: the last minutes, the newest value in figures. What cannot be seen is said. */
export function Chart({ title, unit, lines, most }: { title: string; unit?: string; lines: Line[]; most: number }) {
  const { t, i18n } = useTranslation('ops')
  const id = useId()
  const format = (v: number | null | undefined) => v === null || v === undefined ? '–' : v === Infinity ? '> 10 000' : v.toLocaleString(i18n.language === 'zh' ? 'zh-CN' : 'en-GB', { maximumFractionDigits: v < 10 ? 1 : 0 })
  const top = Math.max(1, ...lines.flatMap((l) => l.values.filter((v): v is number => v !== null && v !== Infinity)))
  const path = (values: Line['values']) => {
    let drawing = false
    return values.map((v, i) => {
      if (v === null) { drawing = false; return '' }
      const x = width - (values.length - 1 - i) * (width / (most - 1))
      const y = height - 2 - (Math.min(v, top) / top) * (height - 6)
      const step = `${drawing ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`
      drawing = true
      return step
    }).join('')
  }
  return (
    <figure className="flex min-w-0 flex-col gap-1 rounded-card border border-line bg-surface p-3">
      <figcaption id={id} className="flex flex-wrap items-baseline justify-between gap-x-2"><span className="text-muted">{title}</span>
        <span className="num text-[15px] font-semibold">{lines.map((l) => format(l.values.at(-1))).join(' / ')}{unit ? <span className="ml-1 text-[12px] font-normal text-faint">{unit}</span> : null}</span></figcaption>
      <svg role="img" aria-labelledby={id} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" className="h-16 w-full">
        <line x1="0" y1={height - 1} x2={width} y2={height - 1} stroke="var(--line)" />
        {lines.map((l) => <path key={l.name} d={path(l.values)} fill="none" stroke={strokes[l.tone ?? 'accent']} strokeWidth={1.5} vectorEffect="non-scaling-stroke" />)}
      </svg>
      <p className="flex justify-between text-[12px] text-faint"><span>{lines.length > 1 ? lines.map((l) => l.name).join(' / ') : '\u00a0'}</span><span className="num">{t('chart.top', { top: format(top) })}</span></p>
    </figure>
  )
}
