import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'wouter'
import { call } from '@/api/client'
import { cx } from '@/lib/cx'
import { usePhone } from '@/lib/media'
import { typeset } from '@/lib/typeset'
import { Button, Card, EmptyState, Failed, Field, Icon, Skeleton } from '@/ui'
import { found, groups, pieces, reasonRows, sectionsOf, wordsOf, type Row, type Section, type Texts } from './help'
import { tour } from './tour'

/** Everything that an investor meets, with a table of contents and a search. The reasons are the server's own texts. */
export default function Page() {
  const { t, i18n } = useTranslation('help')
  const [, go] = useLocation()
  const phone = usePhone()
  const [query, setQuery] = useState('')
  const zh = i18n.language === 'zh'
  const reasons = useQuery({ queryKey: ['reasons'], queryFn: ({ signal }) => call('get', '/api/v1/reasons', { signal }), staleTime: Infinity })
  const sections = useMemo(() => {
    const rows = reasonRows(reasons.data?.reasons ?? [], (r) => (zh ? typeset(r.message_zh) : r.message_en), (group) => t(`group.${group}`))
    return sectionsOf(t('sections', { returnObjects: true }) as unknown as Texts).map((s) => (s.id === 'refusals' ? { ...s, rows } : s))
  }, [reasons.data, t, zh])
  const shown = useMemo(() => found(sections, query), [sections, query])
  const words = wordsOf(query)
  const current = useCurrent(shown)
  const remarks = useMemo(() => new Map(groups.map((group) => [t(`group.${group}`), t(`groupText.${group}`)])), [t])
  useEffect(() => { // an address may name a section, which is there only now
    if (location.hash && reasons.data) document.getElementById(location.hash.slice(1))?.scrollIntoView()
  }, [reasons.data])
  const contents = (
    <ol className="flex flex-col">
      {shown.map((s) => <li key={s.id}><a href={`#${s.id}`} aria-current={!phone && s.id === current ? 'true' : undefined}
        className="touch flex items-center rounded-control px-2 py-1 text-muted hover:bg-hover hover:text-text aria-[current]:bg-accent-soft aria-[current]:text-text">{s.title}</a></li>)}
    </ol>
  )
  return (
    <div className="mx-auto flex max-w-[1080px] flex-col gap-3 p-3 max-phone:p-2">
      <div className="flex items-center justify-between gap-2 max-phone:px-1"><h1 className="text-[18px] font-semibold">{t('title')}</h1>
        <Button icon="next" data-print="hide" onClick={() => { go('/market'); tour.set(0) }}>{t('tour.start')}</Button></div>
      <div data-print="hide" role="search" className="sticky top-0 z-10 -mx-1 -my-1 bg-ground p-1">
        <Field quiet label={t('find')} placeholder={t('find')} type="search" autoComplete="off" spellCheck={false} value={query} onChange={(e) => setQuery(e.target.value)}
          onKeyDown={(e) => { if (e.key === 'Escape') setQuery('') }} className="h-10 pl-9 text-[14px]"
          after={<Icon name="search" size={16} className="pointer-events-none absolute top-1/2 left-3 -translate-y-1/2 text-muted" />} />
        <p role="status" className="sr-only">{words.length > 0 ? t('found', { n: shown.reduce((sum, s) => sum + s.rows.length, 0) }) : ''}</p>
      </div>
      <div className="flex items-start gap-4 max-phone:flex-col max-phone:items-stretch max-phone:gap-3">
        {phone ? (
          <details data-print="hide" className="group rounded-card border border-line bg-surface">
            <summary className="touch flex cursor-pointer list-none items-center justify-between px-3 font-semibold">{t('contents')}<Icon name="down" size={16} className="text-muted group-open:rotate-180" /></summary>
            <nav aria-label={t('contents')} className="border-t border-line p-1">{contents}</nav>
          </details>
        ) : <nav aria-label={t('contents')} className="sticky top-14 w-[190px] shrink-0 py-1">{contents}</nav>}
        <div className="flex min-w-0 flex-1 flex-col gap-3">
          {shown.map((s) => (
            <section key={s.id} id={s.id} data-topic className="scroll-mt-14">
              <Card title={<Marked text={s.title} words={words} />} flush>
                <p className="px-3 pt-3 pb-2 text-[14px] leading-relaxed"><Marked text={s.text} words={words} /></p>
                {s.id !== 'refusals' ? null : reasons.isError ? <Failed error={reasons.error} onRetry={() => void reasons.refetch()} /> : reasons.isPending ? <Skeleton lines={8} /> : null}
                <Rows rows={s.rows} words={words} remarks={remarks} look={s.id} />
              </Card>
            </section>
          ))}
          {shown.length === 0 ? <EmptyState icon="search" title={t('nothing')}>{t('nothingText')}</EmptyState> : null}
        </div>
      </div>
    </div>
  )
}

/** Terms and what they mean, side by side; keys as caps, reasons by name. */
function Rows({ rows, words, remarks, look }: { rows: Row[]; words: string[]; remarks: Map<string, string>; look: string }) {
  const keys = look === 'keys'
  const reasons = look === 'refusals'
  const runs = rows.reduce<Row[][]>((all, row) => { // one list for each group
    const last = all.at(-1)
    if (last && last[0]!.group === row.group) last.push(row)
    else all.push([row])
    return all
  }, [])
  return runs.map((run) => (
    <div key={run[0]!.id} className="pb-2">
      {run[0]!.group ? <div className="border-t border-line bg-raised px-3 py-1.5"><h3 className="font-semibold">{run[0]!.group}</h3><p className="text-muted">{remarks.get(run[0]!.group)}</p></div> : null}
      <dl>
        {run.map((row) => (
          <div key={row.id} data-help={row.id} className={cx('grid gap-x-4 px-3 py-1.5', keys ? 'grid-cols-[120px_1fr] max-phone:grid-cols-[92px_1fr]' : reasons ? 'phone:grid-cols-[250px_1fr]' : 'phone:grid-cols-[190px_1fr]')}>
            <dt className={cx('text-[14px] leading-relaxed', !keys && 'font-medium max-phone:text-muted', reasons && 'text-[12px] break-all text-muted')}>
              {keys ? <kbd className="num rounded border border-edge bg-raised px-1.5 py-0.5 whitespace-normal"><Marked text={row.term} words={words} /></kbd> : <Marked text={row.term} words={words} />}</dt>
            <dd className="text-[14px] leading-relaxed"><Marked text={row.text} words={words} /></dd>
          </div>
        ))}
      </dl>
    </div>
  ))
}

/** A text in which what was looked for stands out. */
function Marked({ text, words }: { text: string; words: string[] }) {
  if (words.length === 0) return text
  return pieces(text, words).map((piece, i) => (i % 2 ? <mark key={i} className="rounded-[3px] bg-warn-soft text-warn">{piece}</mark> : piece))
}

/** The section that is read now: the last one whose beginning has passed the upper part of the page. */
function useCurrent(sections: Section[]): string | undefined {
  const [current, setCurrent] = useState<string>()
  useEffect(() => {
    const main = document.getElementById('main')!
    const look = () => {
      const passed = [...main.querySelectorAll('[data-topic]')].filter((e) => e.getBoundingClientRect().top < main.getBoundingClientRect().top + 160)
      setCurrent(main.scrollTop + main.clientHeight >= main.scrollHeight - 2 && main.scrollTop > 0 ? sections.at(-1)?.id : (passed.at(-1)?.id ?? sections[0]?.id))
    }
    look()
    main.addEventListener('scroll', look, { passive: true })
    return () => main.removeEventListener('scroll', look)
  }, [sections])
  return current
}
