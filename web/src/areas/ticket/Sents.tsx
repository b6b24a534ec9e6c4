import { memo } from 'react'
import { useTranslation } from 'react-i18next'
import { useLink, useTick } from '@/live/hooks'
import { useStore } from '@/lib/store'
import { clock, span } from '@/lib/time'
import { Button, Icon, IconButton } from '@/ui'
import { certain, forget, release, sents, type Sent } from './sending'

const patience = 500 // an answer comes within milliseconds: a line that comes and goes would move the whole page twice

/** Orders without an answer, each with its age, and drafts that wait for a word. */
export const Sents = memo(function Sents() {
  const { t, i18n } = useTranslation('ticket')
  const left = useStore(sents).filter((s) => s.state !== 'taken' && s.state !== 'refused')
  const list = left.filter((s) => s.state !== 'sending' || Date.now() - s.at >= patience)
  const link = useLink()
  const now = useTick(list.length < left.length ? patience : 1000, left.length > 0)
  if (list.length === 0) return null
  const zh = i18n.language === 'zh' ? 'zh' : 'en'
  const what = (s: Sent) => `${t(`side.${s.wish.side}`)} ${s.wish.symbol} ${s.wish.price || t(`type.${s.wish.type}`)} × ${s.wish.quantity}`
  return (
    <ul aria-label={t('sent.label')} aria-live="polite" className="flex flex-col gap-1 p-2">
      {list.map((s) => {
        const age = span(now - s.at, zh)
        return (
          <li key={s.id} data-sent={s.state} className="flex flex-wrap items-center gap-2 rounded-control bg-warn-soft px-2 py-1.5 text-warn">
            <Icon name={s.state === 'draft' ? 'edit' : 'warn'} size={16} />
            <span className="min-w-0 flex-1"><span className="num block text-text">{what(s)}</span>
              <span className="block">{t(`sent.${s.state}`, { age, at: clock(s.at), left: span(Math.max(0, certain - (now - s.at)), zh) })}</span></span>
            {s.state === 'draft' || s.state === 'missing' ? (
              <><Button size="small" look="primary" disabled={link.state !== 'live'} onClick={() => void release(s.id)}>{t(s.state === 'draft' ? 'sent.sendDraft' : 'sent.sendAgain')}</Button>
                <IconButton icon="close" size={16} label={t('sent.drop')} onClick={() => forget(s.id)} /></>
            ) : null}
          </li>
        )
      })}
    </ul>
  )
})
