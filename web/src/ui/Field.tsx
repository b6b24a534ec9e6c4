import { useId, type ComponentProps, type ReactNode } from 'react'
import { cx } from '@/lib/cx'
import { Icon } from './Icon'

const box = 'touch h-8 w-full rounded-control border bg-surface px-2.5 text-text placeholder:text-faint disabled:opacity-60'

interface Around {
  label: ReactNode
  /** Said under the field, and read with it. */
  hint?: ReactNode
  /** What is wrong; the field is marked as invalid. */
  error?: ReactNode
  /** Keeps the label for screen readers only. */
  quiet?: boolean
}

function Frame({ id, label, hint, error, quiet, children }: Around & { id: string; children: ReactNode }) {
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <label htmlFor={id} className={quiet ? 'sr-only' : 'text-muted'}>{label}</label>
      {children}
      {error ? <p id={`${id}-said`} role="alert" className="flex items-start gap-1 text-danger"><Icon name="warn" size={14} className="mt-0.5 shrink-0" /><span>{error}</span></p>
        : hint ? <p id={`${id}-said`} className="text-faint">{hint}</p> : null}
    </div>
  )
}

/** A labelled input. Numbers of money are texts with inputMode="decimal", never type="number". */
export function Field({ label, hint, error, quiet, className, after, ...rest }: Around & { after?: ReactNode } & Omit<ComponentProps<'input'>, 'id'>) {
  const id = useId()
  return (
    <Frame {...{ id, label, hint, error, quiet }}>
      <div className="relative flex min-w-0 items-stretch">
        <input id={id} aria-invalid={error ? true : undefined} aria-describedby={hint || error ? `${id}-said` : undefined}
          className={cx(box, error ? 'border-danger' : 'border-edge', className)} {...rest} />
        {after}
      </div>
    </Frame>
  )
}

/** The system's own select: right on every phone, with every keyboard and screen reader. */
export function Select({ label, hint, error, quiet, className, children, ...rest }: Around & Omit<ComponentProps<'select'>, 'id'>) {
  const id = useId()
  return (
    <Frame {...{ id, label, hint, error, quiet }}>
      <div className="relative">
        <select id={id} aria-invalid={error ? true : undefined} aria-describedby={hint || error ? `${id}-said` : undefined}
          className={cx(box, 'appearance-none pr-8', error ? 'border-danger' : 'border-edge', className)} {...rest}>{children}</select>
        <Icon name="down" size={16} className="pointer-events-none absolute top-1/2 right-2 -translate-y-1/2 text-muted" />
      </div>
    </Frame>
  )
}

export function Check({ label, className, ...rest }: { label: ReactNode } & Omit<ComponentProps<'input'>, 'id' | 'type'>) {
  return (
    <label className={cx('touch inline-flex cursor-pointer items-center gap-2', className)}>
      <input type="checkbox" className="size-4 accent-accent" {...rest} />
      <span>{label}</span>
    </label>
  )
}
