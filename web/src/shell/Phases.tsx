import { useTranslation } from 'react-i18next'
import { live } from '@/live/live'
import { useStatus, useTick } from '@/live/hooks'
import { clock, countdown } from '@/lib/time'
import { cx } from '@/lib/cx'
import { usePhone } from '@/lib/media'
import { typeset } from '@/lib/typeset'

/** Where each exchange stands in its day, how long that lasts, and the market's clock. */
export function Phases() {
  const { t, i18n } = useTranslation()
  const status = useStatus()
  const phone = usePhone() // the countdown has its seconds, and must be seen without scrolling
  useTick(1000)
  if (!status) return null
  const now = live.time()
  const same = status.phases.every((p) => p.phase === status.phases[0]?.phase && p.until === status.phases[0]?.until)
  const shown = same ? status.phases.slice(0, 1) : status.phases
  return (
    <div className="flex items-center gap-3 overflow-x-auto whitespace-nowrap max-phone:gap-2">
      <span className="num text-muted">{phone ? clock(now).slice(0, 5) : clock(now)}</span>
      {shown.map((p) => (
        <span key={p.market} className="flex items-center gap-1.5">
          <span className={cx('size-2 rounded-full', p.open ? 'bg-good' : 'bg-faint')} aria-hidden="true" />
          {same ? null : <span className="text-muted">{t(`venue.${p.market}`)}</span>}
          <span>{i18n.language === 'zh' ? typeset(p.text_zh) : p.text_en}</span>
          {p.until ? <span className="num text-muted" title={t('phase.untilChange')}>{countdown(Date.parse(p.until) - now)}</span> : null}
        </span>
      ))}
    </div>
  )
}
