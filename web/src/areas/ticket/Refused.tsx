import { useTranslation } from 'react-i18next'
import { told as inWords, type Refusal } from '@/api/client'
import { span } from '@/lib/time'
import { Button, Icon } from '@/ui'

const show = (element: HTMLElement | null) => element?.scrollIntoView({ block: 'nearest' }) // on a phone it may be below

/** Why an order was refused: the rule, the numbers, and the nearest value that would pass, to be taken with a click. */
export function Refused({ refusal, nearest, onNearest, onClose }: { refusal: Refusal; nearest?: string; onNearest: (value: string) => void; onClose: () => void }) {
  const { t, i18n } = useTranslation('ticket')
  const { given, bound } = refusal.details
  const words = refusal.words(i18n.language)
  const shown = (value: string) => inWords(value, refusal.reason, { given: value })
  const told = given !== undefined && words.includes(shown(given)) // the sentence has the numbers already
  const zh = i18n.language === 'zh' ? 'zh' : 'en'
  return (
    <div ref={show} role="alert" data-reason={refusal.reason} className="rounded-control border border-danger/40 bg-danger-soft p-2 text-danger">
      <div className="flex items-start gap-2"><Icon name="warn" size={16} className="mt-0.5 shrink-0" /><p className="min-w-0 flex-1 font-medium">{words}</p>
        <button type="button" aria-label={t('action.close')} className="touch" onClick={onClose}><Icon name="close" size={14} /></button></div>
      {!told && (given || bound) ? <dl className="num mt-1 flex flex-wrap gap-x-4 pl-6">
        {given ? <div className="flex gap-1"><dt>{t('refusal.given')}</dt><dd className="font-medium">{shown(given)}</dd></div> : null}
        {bound ? <div className="flex gap-1"><dt>{t('refusal.bound')}</dt><dd className="font-medium">{shown(bound)}</dd></div> : null}
      </dl> : null}
      {nearest && nearest !== '0' && nearest !== given ? <p className="mt-1 pl-6"><Button size="small" onClick={() => onNearest(nearest)}>{t('takeNearest', { value: shown(nearest) })}</Button></p> : null}
      {refusal.after ? <p className="mt-1 pl-6">{t('refusal.retry', { age: span(refusal.after * 1000, zh) })}</p> : null}
      <p className="mt-1 pl-6 text-[11px]">{refusal.reason}</p>
    </div>
  )
}
