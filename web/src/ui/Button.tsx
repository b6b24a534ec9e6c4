import type { ComponentProps } from 'react'
import { cx } from '@/lib/cx'
import { Icon, type IconName } from './Icon'

type Look = 'primary' | 'plain' | 'ghost' | 'danger' | 'buy' | 'sell'

const looks: Record<Look, string> = {
  primary: 'bg-accent text-accent-ink hover:brightness-110 font-medium',
  plain: 'bg-raised text-text border border-edge hover:bg-hover',
  ghost: 'text-muted hover:bg-hover hover:text-text',
  danger: 'bg-danger-soft text-danger border border-danger/40 hover:brightness-110',
  buy: 'bg-up-solid text-white hover:brightness-110 font-medium',
  sell: 'bg-down-solid text-white hover:brightness-110 font-medium',
}

export interface ButtonProps extends ComponentProps<'button'> {
  look?: Look
  size?: 'small' | 'normal' | 'large'
  icon?: IconName
  /** Under way: it cannot be pressed again, and says so. */
  busy?: boolean
}

export function Button({ look = 'plain', size = 'normal', icon, busy, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={cx(
        'touch inline-flex items-center justify-center gap-1.5 rounded-control whitespace-nowrap transition-colors select-none disabled:opacity-55',
        size === 'small' ? 'h-7 px-2' : size === 'large' ? 'h-11 px-5 text-[15px]' : 'h-8 px-3',
        looks[look], className,
      )}
      {...rest}
    >
      {busy ? <Spinner /> : icon ? <Icon name={icon} size={16} /> : null}
      {children}
    </button>
  )
}

/** A button that is only an icon: its label is heard and shown on hover. */
export function IconButton({ icon, label, className, size = 18, ...rest }: { icon: IconName; label: string; size?: number } & ComponentProps<'button'>) {
  return (
    <button
      type="button" aria-label={label} title={label}
      className={cx('touch inline-flex size-8 items-center justify-center rounded-control text-muted transition-colors hover:bg-hover hover:text-text disabled:opacity-50 max-phone:size-11', className)}
      {...rest}
    >
      <Icon name={icon} size={size} />
    </button>
  )
}

export function Spinner() {
  return <span aria-hidden="true" className="size-3.5 animate-spin rounded-full border-2 border-current border-t-transparent" />
}
