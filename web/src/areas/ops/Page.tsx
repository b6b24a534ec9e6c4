import { useEffect, useRef, useState } from 'react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import { call, Refusal } from '@/api/client'
import { useStatus } from '@/live/hooks'
import { cx } from '@/lib/cx'
import { span } from '@/lib/time'
import { Banner, Button, Card, EmptyState, Failed, Skeleton } from '@/ui'
import { Act, type Wish } from './Act'
import { Chart } from './Chart'
import { behind, between, standings, type Ops, type Point } from './measure'

const every = 1_000
const points = 180 // three minutes
const window = 5 // looks over which rates are told, so that a quiet second is no gap

/** The operators' page: how the house is, what can be done about it, and what was. */
export default function Page() {
  const { t } = useTranslation('ops')
  const look = useQuery({ queryKey: ['ops'], queryFn: () => call('get', '/api/v1/ops'), refetchInterval: every, staleTime: 0, retry: false })
  const series = useSeries(look.data)
  const [wish, setWish] = useState<Wish>()
  if (look.error instanceof Refusal && look.error.reason === 'SECOND_PROOF_NEEDED') {
    return <EmptyState icon="lock" title={t('needed')} action={<Link href="/settings" className="text-accent underline">{t('toSettings')}</Link>}>{t('neededText')}</EmptyState>
  }
  if (!look.data) return look.error ? <Failed error={look.error} onRetry={() => void look.refetch()} /> : <Skeleton lines={10} />
  const ops = look.data
  return (
    <div className="flex flex-col gap-3 p-3">
      <h1 className="sr-only">{t('title')}</h1>
      {look.error ? <Banner tone="danger">{t('silent')}</Banner> : null}
      {standings(ops.nodes).filter((s) => s.alert).map((s) => <Banner key={s.name} tone="warn">{t(s.use !== null && s.use >= alertShare ? 'capacity.used' : 'capacity.short', { name: t(`capacity.class.${s.name}`), use: percent(s.use), room: s.headroom?.toFixed(1), law: lawful(ops) })}</Banner>)}
      <House ops={ops} onAct={setWish} />
      <Charts series={series} />
      <div className="grid items-start gap-3 min-[1100px]:grid-cols-2">
        <Nodes ops={ops} onAct={setWish} />
        <Shards ops={ops} onAct={setWish} />
        <Crowd ops={ops} />
        <Capacity ops={ops} />
        <Halts ops={ops} onAct={setWish} />
        <Record ops={ops} />
      </div>
      {wish ? <Act wish={wish} ops={ops} onOver={() => setWish(undefined)} /> : null}
    </div>
  )
}

/** The last looks at the house, as the charts draw them. */
function useSeries(now: Ops | undefined): Point[] {
  const looks = useRef<Ops[]>([])
  const [series, setSeries] = useState<Point[]>([])
  useEffect(() => {
    if (!now) return
    const before = looks.current[Math.max(0, looks.current.length - window)]
    if (looks.current.at(-1)?.time === now.time) return
    looks.current = [...looks.current.slice(1 - window), now]
    if (before) setSeries((list) => [...list.slice(1 - points), between(before, now)])
  }, [now])
  return series
}

function House({ ops, onAct }: { ops: Ops; onAct: (wish: Wish) => void }) {
  const { t, i18n } = useTranslation('ops')
  const status = useStatus()
  const only = ops.house.read_only
  const waits = ops.nodes.filter((n) => n.trouble || n.waits.length > 0)
  return (
    <Card title={t('house')} after={<div className="flex gap-2"><Button size="small" onClick={() => onAct({ act: 'halt' })}>{t('act.halt')}</Button>
      <Button size="small" look={only ? 'primary' : 'danger'} onClick={() => onAct({ act: only ? 'read_write' : 'read_only' })}>{t(`act.${only ? 'read_write' : 'read_only'}`)}</Button></div>}>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 phone:grid-cols-[auto_1fr_auto_1fr]">
        <dt className="text-muted">{t('mode')}</dt><dd className={only ? 'font-medium text-danger' : ''}>{only ? t('readOnly', { who: ops.house.who, reason: ops.house.reason }) : t('open')}</dd>
        <dt className="text-muted">{t('well')}</dt><dd className={waits.length > 0 ? 'text-warn' : 'text-good'}>{waits.length > 0 ? t('waiting', { n: waits.length }) : t('allWell')}</dd>
        <dt className="text-muted">{t('exchange')}</dt><dd>{status ? `${t('orders')} ${t(`link.${status.exchange.orders}`)} · ${t('data')} ${t(`link.${status.exchange.data}`)}` : '–'}</dd>
        <dt className="text-muted">{t('phases')}</dt><dd>{status?.phases.map((p) => `${t(`venue.${p.market}`)} ${i18n.language === 'zh' ? p.text_zh : p.text_en}`).join(' · ') ?? '–'}</dd>
      </dl>
    </Card>
  )
}

function Charts({ series }: { series: Point[] }) {
  const { t } = useTranslation('ops')
  const of = (key: keyof Point) => series.map((p) => p[key])
  const most = Math.max(60, series.length)
  const perSecond = t('perSecond')
  return (
    <section aria-label={t('charts')} className="grid grid-cols-4 gap-3 max-[1100px]:grid-cols-2 max-phone:gap-2">
      <Chart most={most} title={t('chart.requests')} unit={perSecond} lines={[{ name: t('chart.all'), values: of('requests') }, { name: t('chart.refused'), values: of('refused'), tone: 'danger' }]} />
      <Chart most={most} title={t('chart.orders')} unit="ms" lines={[{ name: 'p50', values: of('p50') }, { name: 'p99', values: of('p99'), tone: 'warn' }]} />
      <Chart most={most} title={t('chart.reads')} unit="ms" lines={[{ name: 'p99', values: of('reads99') }]} />
      <Chart most={most} title={t('chart.entries')} unit={perSecond} lines={[{ name: t('chart.entries'), values: of('entries') }]} />
      <Chart most={most} title={t('chart.queues')} lines={[{ name: t('chart.waiting'), values: of('waiting'), tone: 'warn' }, { name: t('chart.log'), values: of('queued'), tone: 'danger' }]} />
      <Chart most={most} title={t('chart.inFlight')} lines={[{ name: t('chart.inFlight'), values: of('inFlight') }]} />
      <Chart most={most} title={t('chart.lag')} lines={[{ name: t('chart.lag'), values: of('lag'), tone: 'warn' }]} />
      <Chart most={most} title={t('chart.exchange')} lines={[{ name: t('chart.outbox'), values: of('outbox'), tone: 'warn' }, { name: t('chart.reports'), values: of('reports') }]} />
    </section>
  )
}

function Nodes({ ops, onAct }: { ops: Ops; onAct: (wish: Wish) => void }) {
  const { t, i18n } = useTranslation('ops')
  const zh = i18n.language === 'zh' ? 'zh' : 'en'
  return (
    <Card title={t('nodes')} flush>
      <ul className="divide-y divide-line">
        {ops.nodes.map((n) => (
          <li key={n.node} className="flex items-start gap-3 px-3 py-2">
            <span aria-hidden="true" className={cx('mt-1.5 size-2 shrink-0 rounded-full', n.trouble ? 'bg-danger' : n.draining || n.waits.length > 0 ? 'bg-warn' : 'bg-good')} />
            <div className="min-w-0 flex-1">
              <p className="font-medium">{t('node', { n: n.node })}{n.draining ? <span className="ml-2 rounded-full bg-warn-soft px-2 py-0.5 text-[11px] text-warn">{t('drained')}</span> : null}{n.node === ops.node ? <span className="ml-2 text-faint">{t('answers')}</span> : null}</p>
              {n.trouble ? <p className="text-danger break-words">{n.trouble}</p>
                : <p className="text-muted break-words">{t('nodeFacts', { version: n.version, up: span(n.up_ms, zh), leads: n.shards.filter((s) => s.leads).length, streams: n.load?.streams ?? 0 })}</p>}
              {n.waits.map((w) => <p key={w} className="text-warn break-words">{w}</p>)}
            </div>
            {n.trouble ? null : <Button size="small" look={n.draining ? 'plain' : 'danger'} onClick={() => onAct({ act: n.draining ? 'undrain' : 'drain', node: n.node })}>{t(`act.${n.draining ? 'undrain' : 'drain'}`)}</Button>}
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Shards({ ops, onAct }: { ops: Ops; onAct: (wish: Wish) => void }) {
  const { t, i18n } = useTranslation('ops')
  const zh = i18n.language === 'zh' ? 'zh' : 'en'
  const numbers = [...new Set(ops.nodes.flatMap((n) => n.shards.map((s) => s.shard)))].sort((a, b) => a - b)
  return (
    <Card title={t('shards')} flush>
      <div className="relative overflow-x-auto" role="region" aria-label={t('shards')} tabIndex={0}>
        <table className="w-full text-left [&_td]:px-3 [&_td]:py-1.5 [&_th]:px-3 [&_th]:py-1.5 [&_th]:font-normal [&_th]:text-muted">
          <thead><tr><th>{t('shard')}</th><th>{t('member')}</th><th className="text-right">{t('term')}</th><th className="text-right">{t('applied')}</th><th className="text-right">{t('chart.lag')}</th><th className="text-right">{t('slow')}</th><th>{t('link.title')}</th><th><span className="sr-only">{t('act.transfer')}</span></th></tr></thead>
          <tbody>
            {numbers.flatMap((number) => ops.nodes.flatMap((n) => n.shards.filter((s) => s.shard === number).map((s) => {
              const far = behind(ops, s)
              return (
                <tr key={`${number} ${n.node}`} className="border-t border-line">
                  <td className="num">{number}</td>
                  <td className="whitespace-nowrap">{t('node', { n: n.node })}{s.leads ? <span className="ml-2 rounded-full bg-accent-soft px-2 py-0.5 text-[11px] text-accent">{t('leads', { well: s.voters_well, voters: s.voters })}</span> : null}{s.differ ? <p className="text-danger">{s.differ}</p> : null}</td>
                  <td className="num text-right">{s.term}</td><td className="num text-right">{s.applied}</td>
                  <td className={cx('num text-right', far > 4096 && 'text-danger')}>{far}</td>
                  <td className="num text-right">{s.slow_syncs} / {s.syncs}</td>
                  <td>{s.leads ? <span className={s.link === 'up' ? 'text-good' : 'text-danger'}>{s.link === 'up' ? t('link.up') : s.link}{s.outbox > 0 ? ` · ${t('chart.outbox')} ${s.outbox}` : ''}{s.oldest_ms > 3000 ? <span className="text-danger"> · {t('oldest', { age: span(s.oldest_ms, zh) })}</span> : null}</span> : <span className="text-faint">–</span>}</td>
                  <td className="text-right">{s.leads && s.voters > 1 ? <Button size="small" onClick={() => onAct({ act: 'transfer', shard: number })}>{t('act.transfer')}</Button> : null}</td>
                </tr>
              )
            })))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

/** Who waits to log in, and how far the readers of streams are behind. */
function Crowd({ ops }: { ops: Ops }) {
  const { t } = useTranslation('ops')
  const right = ['waits', 'called', 'oldest', 'expected', 'turned', 'readers', 'behind', 'cut'] as const
  const most = ops.nodes.flatMap((n) => (n.load?.lag.most ?? []).map((reader) => ({ node: n.node, ...reader }))).sort((a, b) => b.lag_ms - a.lag_ms).slice(0, 5)
  return (
    <Card title={t('crowd.title')} flush>
      <div className="relative overflow-x-auto" role="region" aria-label={t('crowd.title')} tabIndex={0}>
        <table className="w-full text-left [&_td]:px-3 [&_td]:py-1.5 [&_th]:px-3 [&_th]:py-1.5 [&_th]:font-normal [&_th]:text-muted">
          <thead><tr><th>{t('member')}</th>{right.map((name) => <th key={name} className="text-right">{t(`crowd.${name}`)}</th>)}</tr></thead>
          <tbody>
            {ops.nodes.filter((n) => n.load).map(({ node, load }) => load && (
              <tr key={node} className="border-t border-line">
                <td className="whitespace-nowrap">{t('node', { n: node })}</td>
                <td className={cx('num text-right', load.room.waiting > 0 && 'text-warn')}>{load.room.waiting}{load.room.first > 0 ? ` (${load.room.first})` : ''}</td>
                <td className="num text-right">{load.room.called.toFixed(1)}</td>
                <td className="num text-right">{t('crowd.seconds', { n: load.room.oldest_s })}</td>
                <td className="num text-right">{t('crowd.seconds', { n: load.room.expected_s })}</td>
                <td className="num text-right">{load.room.turned_away}</td>
                <td className="num text-right">{load.lag.readers}</td>
                <td className={cx('num text-right whitespace-nowrap', load.lag.max_ms > 1000 && 'text-warn')}>{t('crowd.lag', { p50: load.lag.p50_ms.toFixed(0), p99: load.lag.p99_ms.toFixed(0), max: load.lag.max_ms.toFixed(0) })}</td>
                <td className="num text-right">{load.lag.cut_off}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {most.length > 0 ? <ul className="divide-y divide-line border-t border-line">{most.map((reader) => (
        <li key={`${reader.node} ${reader.stream} ${reader.login} ${reader.from}`} className="px-3 py-1.5 break-words">{t('crowd.reader', { ...reader, lag: reader.lag_ms.toFixed(0) })}</li>
      ))}</ul> : null}
    </Card>
  )
}

const alertShare = 0.7 // as the server has it: the alert itself is its own
const percent = (share: number | null) => (share === null ? '–' : `${(share * 100).toFixed(0)} %`)
const lawful = (ops: Ops) => ops.nodes.find((n) => n.load?.capacity)?.load?.capacity?.lawful_headroom ?? 0

/** What the house was asked for at most, and how much of what was measured that is. */
function Capacity({ ops }: { ops: Ops }) {
  const { t, i18n } = useTranslation('ops')
  const rows = standings(ops.nodes)
  const right = ['now', 'today', 'record', 'knee', 'use', 'headroom'] as const
  const figure = (v: number | null) => (v === null ? '–' : v.toLocaleString(i18n.language === 'zh' ? 'zh-CN' : 'en-GB', { maximumFractionDigits: v < 10 ? 1 : 0 }))
  return (
    <Card title={t('capacity.title')} flush>
      {rows.length === 0 ? <p className="p-3 text-muted">{t('capacity.none')}</p> : (
        <div className="relative overflow-x-auto" role="region" aria-label={t('capacity.title')} tabIndex={0}>
          <table className="w-full text-left [&_td]:px-3 [&_td]:py-1.5 [&_th]:px-3 [&_th]:py-1.5 [&_th]:font-normal [&_th]:text-muted">
            <thead><tr><th>{t('capacity.requests')}</th>{right.map((name) => <th key={name} className="text-right">{t(`capacity.${name}`)}</th>)}</tr></thead>
            <tbody>
              {rows.map((s) => (
                <tr key={s.name} className="border-t border-line">
                  <td className="whitespace-nowrap">{t(`capacity.class.${s.name}`)}{s.alert ? <span className="ml-2 rounded-full bg-warn-soft px-2 py-0.5 text-[11px] text-warn">{t('capacity.alert')}</span> : null}</td>
                  <td className="num text-right">{figure(s.now)}</td><td className="num text-right">{figure(s.today)}</td><td className="num text-right">{figure(s.record)}</td><td className="num text-right">{figure(s.knee)}</td>
                  <td className={cx('num text-right', s.use !== null && s.use >= alertShare && 'text-warn')}>{percent(s.use)}</td>
                  <td className={cx('num text-right', s.headroom !== null && s.headroom < lawful(ops) && 'text-warn')}>{s.headroom === null ? '–' : `${s.headroom.toFixed(1)} x`}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rows.some((s) => s.knee === null) ? <p className="border-t border-line px-3 py-2 text-faint">{t('capacity.unmeasured')}</p> : null}
    </Card>
  )
}

function Halts({ ops, onAct }: { ops: Ops; onAct: (wish: Wish) => void }) {
  const { t } = useTranslation('ops')
  return (
    <Card title={t('halts')} flush>
      {ops.halts.length === 0 ? <p className="p-3 text-muted">{t('noHalts')}</p> : (
        <ul className="divide-y divide-line">{ops.halts.map((h) => (
          <li key={h.symbol} className="flex items-center gap-3 px-3 py-2"><span className="num font-medium">{h.symbol}</span><span className="flex-1">{h.name}</span>
            <Button size="small" onClick={() => onAct({ act: 'resume', symbol: h.symbol })}>{t('act.resume')}</Button></li>
        ))}</ul>
      )}
    </Card>
  )
}

function Record({ ops }: { ops: Ops }) {
  const { t, i18n } = useTranslation('ops')
  const time = new Intl.DateTimeFormat(i18n.language === 'zh' ? 'zh-CN' : 'en-GB', { dateStyle: 'short', timeStyle: 'medium', timeZone: 'Asia/Shanghai' })
  const tones = { done: 'text-good', failed: 'text-danger', asked: 'text-warn' }
  return (
    <Card title={t('record')} flush>
      {ops.acts.length === 0 ? <p className="p-3 text-muted">{t('noRecord')}</p> : (
        <ol tabIndex={0} aria-label={t('record')} className="max-h-[420px] divide-y divide-line overflow-y-auto">{ops.acts.map((a) => (
          <li key={a.number} className="px-3 py-2">
            <p><span className="font-medium">{t(`act.${a.act}`)}</span>{' '}<span className="num">{[a.symbol, a.shard === undefined ? '' : `${t('shard')} ${a.shard}`, a.node ? t('node', { n: a.node }) : ''].filter(Boolean).join(' ')}</span>{' '}<span className={tones[a.outcome]}>{t(`outcome.${a.outcome}`)}</span></p>
            <p className="text-muted">{t('because', { who: a.who, reason: a.reason })} <span className="num text-faint">{time.format(new Date(a.time))}</span></p>
            {a.said ? <p className="text-faint break-words whitespace-pre-line">{a.said}</p> : null}
          </li>
        ))}</ol>
      )}
    </Card>
  )
}
