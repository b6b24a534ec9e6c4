import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call } from '@/api/client'
import { useSending } from '@/api/sending'
import { queries } from '@/api/query'
import { useStatus } from '@/live/hooks'
import { Button, Card, Dialog, Field, Money, Segments, toast } from '@/ui'
import { typed } from '../ticket/logic'
import { useAccount, useSums } from '../blotter/data'

/** What the account has in cash, and what stands where; in the demo also the way to move it. */
export function Cash() {
  const { t } = useTranslation('account')
  const account = useAccount()
  const sums = useSums(account.data?.data)
  const status = useStatus()
  const [moving, setMoving] = useState(false)
  const b = account.data?.data.balance
  const rows: [string, string | undefined][] = [['available', b?.available], ['frozen', b?.frozen], ['withdrawable', b?.withdrawable], ['inTransit', b?.receivable]]
  return (
    <Card title={t('summary')} after={status?.demo ? <Button size="small" onClick={() => setMoving(true)}>{t('move.open')}</Button> : null}>
      <dl className="num flex flex-wrap gap-x-8 gap-y-3 [&_dt]:text-muted">
        <div><dt>{t('equity')}</dt><dd className="text-[22px] leading-tight font-semibold"><Money value={sums?.equity} /></dd></div>
        <div><dt>{t('value')}</dt><dd className="text-[15px]"><Money value={sums?.value} /></dd></div>
        <div><dt>{t('profit')}</dt><dd className="text-[15px]"><Money value={sums?.profit} signed /></dd></div>
      </dl>
      <dl className="num mt-3 grid grid-cols-4 gap-3 border-t border-line pt-3 max-phone:grid-cols-2 [&_dt]:text-muted">
        {rows.map(([key, value]) => <div key={key} title={t(`what.${key}`)}><dt>{t(key)}</dt><dd className="text-[15px]"><Money value={value} /></dd></div>)}
      </dl>
      {moving ? <Move onClose={() => setMoving(false)} withdrawable={b?.withdrawable} /> : null}
    </Card>
  )
}

function Move({ onClose, withdrawable }: { onClose: () => void; withdrawable?: string }) {
  const { t } = useTranslation('account')
  const [way, setWay] = useState<'in' | 'out'>('in')
  const [amount, setAmount] = useState('')
  const [reference] = useState(() => `web-${Date.now().toString(36)}-${crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36)}`) // the same for each try: it moves once
  const { busy, said, submit, clear } = useSending(async () => {
    if (!(Number(amount) > 0)) throw t('move.amountNeeded')
    await call('post', '/api/v1/cash', { body: { amount: (way === 'in' ? '' : '-') + amount, reference } })
    await queries.invalidateQueries({ queryKey: ['account'] })
    toast('good', t('move.done'))
    onClose()
  })
  return (
    <Dialog open onClose={onClose} title={t('move.title')} text={t('move.text')} actions={<><Button onClick={onClose}>{t('action.cancel')}</Button><Button look="primary" busy={busy} onClick={() => submit()}>{t('move.go')}</Button></>}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Segments label={t('move.way')} options={[{ key: 'in', label: t('move.in') }, { key: 'out', label: t('move.out') }]} value={way} onChange={setWay} />
        <Field label={t('move.amount')} autoFocus inputMode="decimal" autoComplete="off" className="num" value={amount} onChange={(e) => { clear(); setAmount(typed(e.target.value, false)) }} error={said} hint={way === 'out' && withdrawable ? t('move.most', { amount: withdrawable }) : undefined} />
      </form>
    </Dialog>
  )
}
