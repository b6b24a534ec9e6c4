import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'wouter'
import { usePhone } from '@/lib/media'
import { Button, Card, IconButton, Tabs, type Tab } from '@/ui'
import { Positions } from '../blotter/Positions'
import { intent } from '../ticket/intent'
import { Cash } from './Cash'
import { Equity } from './Equity'
import { CashHistory, OrderHistory, TradeHistory } from './History'
import { Statements } from './Statements'

type Part = 'positions' | 'orders' | 'trades' | 'cash' | 'statements'

/** What the account has, how it came to it, and the papers. */
export default function Page() {
  const { t } = useTranslation('account')
  const phone = usePhone()
  const [, go] = useLocation()
  const [part, setPart] = useState<Part>('positions')
  const tabs: Tab<Part>[] = [
    { key: 'positions', label: t('tab.positions'), content: <Positions onOpen={(p) => { intent.set({ symbol: p.symbol, side: 'sell' }); go(`/trade/${p.symbol}`) }} /> },
    { key: 'orders', label: t('tab.orders'), content: <OrderHistory /> },
    { key: 'trades', label: t('tab.trades'), content: <TradeHistory /> },
    { key: 'cash', label: t('tab.cash'), content: <CashHistory /> },
    { key: 'statements', label: t('tab.statements'), content: <Statements /> },
  ]
  return (
    <div className={phone ? 'flex flex-col gap-2 p-2' : 'flex h-full min-h-0 flex-col gap-2 p-2'}>
      <h1 className="sr-only">{t('title')}</h1>
      <div className="grid shrink-0 grid-cols-2 gap-2 max-phone:grid-cols-1"><Cash /><Equity /></div>
      <Card flush className={phone ? 'h-[560px]' : 'flex-1'}><Tabs label={t('title')} tabs={tabs} value={part} onChange={setPart} after={phone ? null : <IconButton icon="print" label={t('action.print', { ns: 'common' })} onClick={() => print()} />} className="h-full" contentClassName="h-full" /></Card>
      {phone ? <Button icon="print" className="self-end" data-print="hide" onClick={() => print()}>{t('action.print', { ns: 'common' })}</Button> : null}
    </div>
  )
}
