import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Refusal } from '@/api/client'
import { cx } from '@/lib/cx'
import { span } from '@/lib/time'
import { Button } from './Button'
import { Icon, type IconName } from './Icon'

/** Something to say in place of rows. */
export function EmptyState({ icon = 'info', title, children, action }: { icon?: IconName; title: ReactNode; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center justify-center gap-2 px-6 py-10 text-center">
      <Icon name={icon} size={28} className="text-faint" />
      <p className="font-medium text-text">{title}</p>
      {children ? <div className="max-w-md text-muted">{children}</div> : null}
      {action}
    </div>
  )
}

/** What went wrong with a question, and the way to ask again. */
export function Failed({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t, i18n } = useTranslation()
  const zh = i18n.language === 'zh' ? 'zh' : 'en'
  const why = error instanceof Refusal ? error.words(i18n.language) : error instanceof Error ? error.message : String(error)
  return (
    <EmptyState icon="warn" title={t('state.failed')} action={onRetry ? <Button icon="refresh" onClick={onRetry}>{t('action.retry')}</Button> : null}>
      <p>{why}</p>
      {error instanceof Refusal && error.after ? <p>{t('refusal.retry', { age: span(error.after * 1000, zh) })}</p> : null}
      {error instanceof Refusal && error.details.request_id ? <p className="text-faint">{t('refusal.requestId', { id: error.details.request_id })}</p> : null}
    </EmptyState>
  )
}

/** Grey lines while something is on its way. */
export function Skeleton({ lines = 3, className }: { lines?: number; className?: string }) {
  const { t } = useTranslation()
  return (
    <div role="status" className={cx('flex flex-col gap-2 p-3', className)}>
      <span className="sr-only">{t('state.loading')}</span>
      {Array.from({ length: lines }, (_, i) => <div key={i} className="animate-skeleton h-4 rounded bg-raised" style={{ width: `${92 - ((i * 17) % 40)}%` }} />)}
    </div>
  )
}

const tones = { info: 'bg-accent-soft text-text', warn: 'bg-warn-soft text-warn', danger: 'bg-danger-soft text-danger', good: 'bg-good-soft text-good' }

/** One line over the page that says what holds now. */
export function Banner({ tone, icon, children, action }: { tone: keyof typeof tones; icon?: IconName; children: ReactNode; action?: ReactNode }) {
  return (
    <div className={cx('flex items-center gap-2 px-3 py-1.5', tones[tone])}>
      <Icon name={icon ?? (tone === 'good' ? 'check' : tone === 'info' ? 'info' : 'warn')} size={16} className="shrink-0" />
      <p className="min-w-0 flex-1">{children}</p>
      {action}
    </div>
  )
}

/** A box with a heading. */
export function Card({ title, after, children, className, flush, print }: { title?: ReactNode; after?: ReactNode; children: ReactNode; className?: string; flush?: boolean; /** left out on paper */ print?: 'hide' }) {
  return (
    <section data-print={print} className={cx('flex min-h-0 min-w-0 flex-col overflow-hidden rounded-card border border-line bg-surface', className)}>
      {title ? <header className="flex min-h-9 items-center gap-2 border-b border-line py-1 pr-1 pl-3"><h2 className="flex-1 font-semibold">{title}</h2>{after}</header> : null}
      <div className={cx('min-h-0 flex-1', !flush && 'p-3')}>{children}</div>
    </section>
  )
}
