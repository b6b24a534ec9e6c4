import { useCallback, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'wouter'
import { queries } from '@/api/query'
import { usePhone } from '@/lib/media'
import { useHabit } from '@/lib/preferences'
import { useLink, useStatus } from '@/live/hooks'
import { Card, Money, Split, Tabs, type Tab } from '@/ui'
import { useAccount, useOrders, useSums } from '../blotter/data'
import { CancelAll, Orders } from '../blotter/Orders'
import { Positions } from '../blotter/Positions'
import { Trades } from '../blotter/Trades'
import { intent } from '../ticket/intent'
import { Levels } from '../ticket/Levels'
import { Sents } from '../ticket/Sents'
import { Ticket } from '../ticket/Ticket'

type Part = 'positions' | 'open' | 'orders' | 'trades'

/** The account's money. Drawn by itself: it moves with every price. */
function Head() {
  const { t } = useTranslation('trade')
  const account = useAccount()
  const sums = useSums(account.data?.data)
  const link = useLink()
  const balance = account.data?.data.balance
  const money = (
    <dl className="num flex min-w-0 gap-x-5 gap-y-1 max-phone:grid max-phone:grid-cols-3 max-phone:gap-x-3 max-phone:text-[13px] [&_dt]:text-[11px] [&_dt]:text-muted">
      <div><dt>{t('equity')}</dt><dd className="font-semibold"><Money value={sums?.equity} /></dd></div>
      <div><dt>{t('available')}</dt><dd><Money value={balance?.available} /></dd></div>
      <div><dt>{t('profit')}</dt><dd><Money value={sums?.profit} signed /></dd></div>
    </dl>
  )
  const old = link.state !== 'live' || account.data?.stale !== undefined
  return <div className="flex items-center gap-x-3 gap-y-1 px-3 py-2 max-phone:flex-wrap" data-old={old || undefined}>{money}{old ? <span className="ml-auto text-[11px] text-stale max-phone:basis-full">{t('mayBeOld')}</span> : null}</div>
}

/** The ticket, the depth beside it, and the account's orders and positions below. */
export default function Page({ params }: { params: Record<string, string | undefined> }) {
  const { t } = useTranslation('trade')
  const phone = usePhone()
  const [, go] = useLocation()
  const [part, setPart] = useHabit<Part>('trade', 'part', 'open')
  const [cancelling, setCancelling] = useState(false)
  const account = useAccount()
  const open = useOrders('open')
  const status = useStatus()
  const symbol = params['symbol'] ?? intent.get()?.symbol ?? account.data?.data.positions[0]?.symbol ?? ''
  const show = useCallback((next: string) => go(`/trade/${next}`, { replace: true }), [go])
  const cancelAll = useCallback(() => setCancelling(true), [])
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return
      if (event.key === 'F5') void queries.invalidateQueries()
      else if (event.key === 'F8') setCancelling(true)
      else return
      event.preventDefault()
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [])
  const tabs: Tab<Part>[] = [
    { key: 'open', label: t('tab.open', { ns: 'blotter' }), count: open.data?.length, content: <Orders which="open" onAll={cancelAll} /> },
    { key: 'positions', label: t('tab.positions', { ns: 'blotter' }), count: account.data?.data.positions.length, content: <Positions selected={symbol} onOpen={(p) => intent.set({ symbol: p.symbol, side: 'sell' })} /> },
    { key: 'orders', label: t('tab.orders', { ns: 'blotter' }), content: <Orders which="all" /> },
    { key: 'trades', label: t('tab.trades', { ns: 'blotter' }), content: <Trades /> },
  ]
  const blotter = <div data-tour="blotter" className="h-full"><Tabs label={t('blotter')} tabs={tabs} value={part} onChange={setPart} className="h-full" contentClassName="h-full" /></div>
  const price = useCallback((p: string) => intent.set({ symbol, price: p }), [symbol])
  const all = <CancelAll open={cancelling} onClose={() => setCancelling(false)} />
  const blocked = status?.read_only ? <p className="bg-warn-soft px-3 py-1 text-warn">{t('readOnly')}</p> : null
  if (phone) return (
    <div className="flex min-h-full flex-col bg-ground">
      <h1 className="sr-only">{t('title')}</h1>
      <div className="bg-surface"><Head /></div>{blocked}
      <Sents />
      <div className="flex border-t border-line bg-surface">
        <div className="min-w-0 flex-[1.7]"><Ticket symbol={symbol} onSymbol={show} /></div>
        <div className="min-w-0 flex-1 border-l border-line py-2"><Levels symbol={symbol} onPrice={price} /></div>
      </div>
      <div className="mt-2 h-[420px] bg-surface">{blotter}</div>
      {all}
    </div>
  )
  return (
    <div className="flex h-full min-h-0 flex-col gap-2 p-2">
      <h1 className="sr-only">{t('title')}</h1>
      <Card flush className="shrink-0"><Head />{blocked}<Sents /></Card>
      <Split area="trade" label={t('resize')} panes={[
        { id: 'ticket', size: 25, min: '290px', content: <Card flush print="hide" className="h-full"><div className="h-full overflow-y-auto"><Ticket symbol={symbol} onSymbol={show} /></div></Card> },
        { id: 'depth', size: 17, min: '190px', content: <Card flush print="hide" title={t('depth')}><Levels symbol={symbol} onPrice={price} className="py-1" /></Card> },
        { id: 'blotter', size: 58, min: '380px', content: <Card flush className="h-full">{blotter}</Card> },
      ]} />
      {all}
    </div>
  )
}
