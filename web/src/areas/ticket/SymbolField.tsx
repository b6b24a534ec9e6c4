import { useId, useLayoutEffect, useState, type KeyboardEvent, type Ref } from 'react'
import { useTranslation } from 'react-i18next'
import { useSearch } from '@/api/search'
import { cx } from '@/lib/cx'
import { Failed } from '@/ui'

/** A code, a name or pinyin: the likeliest securities are offered below. */
export function SymbolField({ symbol, name, hint, onChoose, ref }: { symbol: string; name?: string; hint?: string; onChoose: (symbol: string) => void; ref?: Ref<HTMLInputElement> }) {
  const { t } = useTranslation('ticket')
  const id = useId()
  const [text, setText] = useState<string>() // undefined: nobody types
  const choose = (chosen: string) => { setText(undefined); onChoose(chosen) }
  const search = useSearch(text ?? '', 8, choose)
  useLayoutEffect(() => { // a security that comes while the field has the focus: what is typed replaces it, as it does on focus
    const field = document.getElementById(id)
    if (text === undefined && field instanceof HTMLInputElement && field === document.activeElement) field.select()
  }, [id, text, symbol, name])
  const key = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && text !== undefined) setText(undefined)
    else if (!search.key(event)) return
    event.preventDefault()
    event.stopPropagation()
  }
  return (
    <div className="relative">
      <label htmlFor={id} className="sr-only">{hint ?? t('symbol')}</label>
      <input ref={ref} id={id} value={text ?? (symbol ? `${symbol}  ${name ?? ''}` : '')} placeholder={hint ?? t('symbolHint')} autoComplete="off" spellCheck={false} role="combobox"
        aria-expanded={search.list.length > 0} aria-controls={`${id}-list`} aria-activedescendant={search.list[search.marked] ? `${id}-${search.marked}` : undefined}
        onFocus={(e) => e.currentTarget.select()} onChange={(e) => setText(e.target.value)} onKeyDown={key} onBlur={() => setTimeout(() => setText(undefined), 150)}
        className="touch num h-9 w-full rounded-control border border-edge bg-surface px-2.5 text-[14px] font-medium placeholder:font-normal placeholder:text-faint" />
      <ul id={`${id}-list`} role="listbox" aria-label={hint ?? t('symbol')} className={cx('absolute inset-x-0 top-full z-30 mt-1 max-h-80 overflow-y-auto rounded-card border border-line bg-raised p-1 shadow-[var(--shadow)]', search.list.length === 0 && !search.answered && !search.failed && 'hidden')}>
        {search.list.map((s, i) => (
          <li key={s.symbol} id={`${id}-${i}`} role="option" aria-selected={i === search.marked} onPointerDown={(e) => { e.preventDefault(); choose(s.symbol) }} onPointerMove={() => search.mark(i)}
            className={cx('touch flex cursor-pointer items-center gap-2 rounded-control px-2 py-1', search.answered ? i === search.marked && 'bg-accent-soft' : 'opacity-60')}>
            <span className="num w-[84px] text-muted">{s.symbol}</span><span className="flex-1 truncate">{s.name}</span>
          </li>
        ))}
        {search.failed ? <li role="presentation" onPointerDown={(e) => e.preventDefault()}><Failed error={search.failed} onRetry={search.again} /></li> : null}
        {search.answered && search.list.length === 0 ? <li role="presentation" className="p-2 text-muted">{t('symbolNone')}</li> : null}
      </ul>
    </div>
  )
}
