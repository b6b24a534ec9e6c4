import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useState, type KeyboardEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'wouter'
import { call } from '@/api/client'
import { cx } from '@/lib/cx'
import { Dialog, Failed, Field } from '@/ui'

/** A code, a name or pinyin initials, typed anywhere: the security opens. */
export function Jump({ text, onText }: { text: string | undefined; onText: (text: string | undefined) => void }) {
  const { t } = useTranslation()
  const [, go] = useLocation()
  const [at, setAt] = useState(0)
  const asked = text?.trim() ?? ''
  const found = useQuery({
    queryKey: ['search', asked, 12], enabled: asked !== '', staleTime: 60_000, placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call('get', '/api/v1/search', { query: { q: asked, limit: 12 }, signal }),
  })
  const list = asked === '' ? [] : (found.data?.securities ?? [])
  // What is listed may still be the answer to less text: nothing of it is chosen then, and Enter waits for the answer.
  const answered = found.isSuccess && !found.isPlaceholderData
  const [entered, setEntered] = useState<string>()
  useEffect(() => { setAt(0); setEntered(undefined) }, [asked])
  useEffect(() => {
    const typed = (event: globalThis.KeyboardEvent) => {
      const target = event.target as HTMLElement
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || text !== undefined) return
      if (target.closest('input, textarea, select, [contenteditable], [role=dialog]')) return
      if (!/^[0-9/]$/.test(event.key)) return
      event.preventDefault()
      onText(event.key === '/' ? '' : event.key)
    }
    addEventListener('keydown', typed)
    return () => removeEventListener('keydown', typed)
  }, [text, onText])
  const open = (symbol: string) => { onText(undefined); go(`/security/${symbol}`) }
  const first = list[0]?.symbol
  useEffect(() => {
    if (!answered || entered !== asked) return
    setEntered(undefined)
    if (first) open(first)
  })
  const key = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return // this Enter belongs to the input method
    if (event.key === 'ArrowDown') setAt(Math.min(list.length - 1, at + 1))
    else if (event.key === 'ArrowUp') setAt(Math.max(0, at - 1))
    else if (event.key === 'Enter' && !answered) setEntered(asked)
    else if (event.key === 'Enter' && list[at]) open(list[at].symbol)
    else return
    event.preventDefault()
  }
  return (
    <Dialog open={text !== undefined} onClose={() => onText(undefined)} title={t('jump.title')}>
      <Field quiet label={t('jump.hint')} placeholder={t('jump.hint')} autoFocus autoComplete="off" spellCheck={false} value={text ?? ''} role="combobox" aria-expanded={list.length > 0}
        aria-controls="jump-list" aria-activedescendant={answered && list[at] ? `jump-${at}` : undefined} onChange={(e) => onText(e.target.value)} onKeyDown={key} />
      <ul id="jump-list" role="listbox" aria-label={t('jump.title')} className="mt-2 min-h-[240px]">
        {list.map((s, i) => (
          <li key={s.symbol} id={`jump-${i}`} role="option" aria-selected={answered && i === at} onClick={() => open(s.symbol)} onPointerMove={() => setAt(i)}
            className={cx('touch flex cursor-pointer items-center gap-3 rounded-control px-2 py-1.5', answered ? i === at && 'bg-accent-soft' : 'opacity-60')}>
            <span className="num w-24 text-muted">{s.symbol}</span><span className="flex-1">{s.name}</span><span className="text-faint uppercase">{s.pinyin}</span>
          </li>
        ))}
        {found.isError ? <li role="presentation"><Failed error={found.error} onRetry={() => void found.refetch()} /></li> : null}
        {asked !== '' && answered && list.length === 0 ? <li role="presentation" className="p-3 text-muted">{t('jump.none')}</li> : null}
      </ul>
    </Dialog>
  )
}
