import type { ReactNode } from 'react'
import { cx } from '@/lib/cx'

/** A small choice of one among few, as buttons in a row. */
export function Segments<K extends string>({ label, options, value, onChange, className }: {
  label: string; options: { key: K; label: ReactNode }[]; value: K; onChange: (key: K) => void; className?: string
}) {
  return (
    <div role="group" aria-label={label} className={cx('inline-flex max-w-full overflow-x-auto rounded-control bg-raised p-0.5', className)}>
      {options.map((option) => (
        <button key={option.key} type="button" aria-pressed={option.key === value} onClick={() => onChange(option.key)}
          className="touch h-7 shrink-0 rounded-[5px] px-2.5 text-muted transition-colors hover:text-text aria-pressed:bg-surface aria-pressed:font-medium aria-pressed:text-text aria-pressed:shadow-sm">
          {option.label}
        </button>
      ))}
    </div>
  )
}
