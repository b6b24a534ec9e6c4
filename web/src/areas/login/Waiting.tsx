import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { countdown } from '@/lib/time'
import { Button } from '@/ui'
import { leftOf, progressOf, type Line } from './line'

/** Where somebody stands in the line of those who log in. `byItself`: the login goes through without being asked. */
export function Waiting({ line, byItself, onLeave }: { line: Line; byItself: boolean; onLeave: () => void }) {
  const { t, i18n } = useTranslation('login')
  const [now, setNow] = useState(Date.now)
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    head.current?.focus() // the form that had the focus is gone
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  const at = Math.max(now, line.told)
  const { ahead, called } = line.place
  const left = leftOf(line, at)
  const progress = Math.round(progressOf(line, at) * 100)
  const minutes = Math.ceil(left / 60_000)
  const roughly = called || ahead === 0 ? t('next') : minutes > 1 ? t('minutes', { n: minutes }) : t('soon')
  return (
    <section aria-labelledby="line" className="flex flex-col gap-3">
      <h2 id="line" ref={head} tabIndex={-1} className="font-semibold outline-none">{t('line')}</h2>
      <p className="text-muted">{t(byItself ? 'lineText' : 'lineAgain')}</p>
      <dl className="grid grid-cols-2 gap-2">
        <div className="rounded-control bg-raised px-3 py-2"><dt className="text-muted">{t('ahead')}</dt><dd className="num text-[22px]">{ahead.toLocaleString(i18n.language)}</dd></div>
        <div className="rounded-control bg-raised px-3 py-2"><dt className="text-muted">{t('expected')}</dt><dd className="num text-[22px]">{left > 0 ? countdown(left) : roughly}</dd></div>
      </dl>
      <div role="progressbar" aria-label={t('progress')} aria-valuemin={0} aria-valuemax={100} aria-valuenow={progress} className="h-2 overflow-hidden rounded bg-raised">
        <div className="h-full bg-accent" style={{ width: `${progress}%` }} />
      </div>
      <p role="status" className="sr-only">{roughly}</p>{/* it changes by minutes: who listens is not told every number */}
      {line.place.lane === 'first' ? <p className="rounded-control bg-raised px-3 py-2">{t('lane')}</p> : null}
      {line.place.renewed ? <p className="rounded-control bg-warn-soft px-3 py-2 text-warn">{t('renewed')}</p> : null}
      <p className="text-muted">{t('others')}</p>
      <Button size="large" onClick={onLeave}>{t('leave')}</Button>
    </section>
  )
}
