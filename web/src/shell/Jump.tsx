import { useEffect, type KeyboardEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'wouter'
import { useSearch } from '@/api/search'
import { cx } from '@/lib/cx'
import { Dialog, Failed, Field } from '@/ui'

/** A code, a name or pinyin initials, typed anywhere: the security opens. */
export function Jump({ text, onText }: { text: string | undefined; onText: (text: string | undefined) => void }) {
  const { t } = useTranslation()
  const [, go] = useLocation()
  const open = (symbol: string) => { onText(undefined); go(`/security/${symbol}`) }
  const search = useSearch(text ?? '', 12, open)
  useEffect(() => {
    const typed = (event: globalThis.KeyboardEvent) => {
      const target = event.target as HTMLElement
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || text !== undefined) return
      if (target.closest('input, textarea, select, [contenteditable], [role=dialog]:not([data-passive])')) return
      if (!/^[0-9/]$/.test(event.key)) return
      event.preventDefault()
      onText(event.key === '/' ? '' : event.key)
    }
    addEventListener('keydown', typed)
    return () => removeEventListener('keydown', typed)
  }, [text, onText])
  const key = (event: KeyboardEvent) => { if (search.key(event)) event.preventDefault() }
  return (
    <Dialog open={text !== undefined} onClose={() => onText(undefined)} title={t('jump.title')}>
      <Field quiet label={t('jump.hint')} placeholder={t('jump.hint')} autoFocus autoComplete="off" spellCheck={false} value={text ?? ''} role="combobox" aria-expanded={search.list.length > 0}
        aria-controls="jump-list" aria-activedescendant={search.list[search.marked] ? `jump-${search.marked}` : undefined} onChange={(e) => onText(e.target.value)} onKeyDown={key} />
      <ul id="jump-list" role="listbox" aria-label={t('jump.title')} className="mt-2 min-h-[240px]">
        {search.list.map((s, i) => (
          <li key={s.symbol} id={`jump-${i}`} role="option" aria-selected={i === search.marked} onClick={() => open(s.symbol)} onPointerMove={() => search.mark(i)}
            className={cx('touch flex cursor-pointer items-center gap-3 rounded-control px-2 py-1.5', search.answered ? i === search.marked && 'bg-accent-soft' : 'opacity-60')}>
            <span className="num w-24 text-muted">{s.symbol}</span><span className="flex-1">{s.name}</span><span className="text-faint uppercase">{s.pinyin}</span>
          </li>
        ))}
        {search.failed ? <li role="presentation"><Failed error={search.failed} onRetry={search.again} /></li> : null}
        {search.answered && search.list.length === 0 ? <li role="presentation" className="p-3 text-muted">{t('jump.none')}</li> : null}
      </ul>
    </Dialog>
  )
}
