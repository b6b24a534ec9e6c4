import { memo, useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react'
import { useTranslation } from 'react-i18next'
import type { Refusal } from '@/api/client'
import { useAge, useHalted, useLink, useQuote, useStatus } from '@/live/hooks'
import { useHabit } from '@/lib/preferences'
import { cx } from '@/lib/cx'
import { painted } from '@/lib/painted'
import { groupedIn } from '@/lib/decimal'
import { Button, Check, Dialog, Field, Icon, Money, Quantity, Select, toast } from '@/ui'
import { learn } from '../blotter/follow'
import { intent, type Intent } from './intent'
import { fieldOf, priced, remarks, share, step, takes, typed, type Remark, type Type, type Wish } from './logic'
import { Refused } from './Refused'
import { send } from './sending'
import { SymbolField } from './SymbolField'
import { usePreview, useSecurity } from './use'

const every: Type[] = ['LIMIT', 'BEST5_IOC', 'BEST5_TO_LIMIT', 'IOC', 'FOK', 'OWN_BEST', 'OPPOSITE_BEST', 'FIXED_PRICE']

/** Where an order is written. symbol is what the page shows; B and S choose the side, Enter sends, Esc begins anew. */
export const Ticket = memo(function Ticket({ symbol, onSymbol }: { symbol: string; onSymbol: (symbol: string) => void }) {
  const { t } = useTranslation('ticket')
  const [confirming, setConfirming] = useHabit('ticket', 'confirm', true)
  const [wish, setWish] = useState<Wish>({ symbol, side: 'buy', type: 'LIMIT', price: '', quantity: '' })
  const [asking, setAsking] = useState(false)
  const [busy, setBusy] = useState(false)
  const [refusal, setRefusal] = useState<Refusal>()
  const form = useRef<HTMLFormElement>(null)
  const amount = useRef<HTMLInputElement>(null)
  const code = useRef<HTMLInputElement>(null)
  const takenUp = useRef<Intent>(undefined)
  const security = useSecurity(symbol)
  const quote = useQuote(symbol)
  const halted = useHalted(symbol)
  const stale = useAge(symbol) > 0
  const status = useStatus()
  const link = useLink()
  const preview = usePreview(wish)
  const change = (to: Partial<Wish>) => { setRefusal(undefined); setWish((now) => ({ ...now, ...to })) }

  useEffect(() => setWish((now) => (now.symbol === symbol ? now : { ...now, symbol, price: '', quantity: '', type: 'LIMIT' })), [symbol])
  useEffect(() => { // an empty price begins as what the other side asks
    if (!quote || wish.price !== '' || !priced(wish.type) || quote.symbol !== wish.symbol) return
    const other = wish.side === 'buy' ? quote.ask : quote.bid
    const first = [other, quote.last, quote.previous_close].find((p) => Number(p) > 0)
    if (first && document.activeElement?.getAttribute('name') !== 'price') setWish((now) => ({ ...now, price: first }))
  }, [quote, wish])
  useEffect(() => {
    const take = (next: Intent) => {
      takenUp.current = intent.get()
      if (next.symbol !== symbol) onSymbol(next.symbol)
      setRefusal(undefined)
      setWish((now) => ({ ...now, ...(next.symbol === now.symbol ? {} : { quantity: '', price: '' }), symbol: next.symbol, side: next.side ?? now.side, ...(next.price ? { price: next.price, type: priced(now.type) ? now.type : 'LIMIT' } : {}) }))
      amount.current?.focus()
    }
    const first = intent.get()
    if (first && first.symbol === symbol && first !== takenUp.current) take(first)
    return intent.subscribe(take)
  }, [symbol])

  const cn = security.data?.cn
  const tick = security.data?.price_increment ?? '0.01'
  const phase = status?.phases.find((p) => p.market === cn?.market)
  const known = preview.data?.symbol === wish.symbol && preview.data.side === wish.side ? preview.data : undefined
  const most = known?.max_quantity
  const asked = known && known.quantity === wish.quantity && Number(wish.quantity) > 0 ? known : undefined
  const said = remarks(wish, quote && { ...quote }, { tick, available: known?.available, amount: asked?.total, most, valid: asked?.valid, nearest: asked?.nearest_quantity })
  const grave = said.some((r) => r.grave)
  const complete = wish.symbol !== '' && Number(wish.quantity) > 0 && (!priced(wish.type) || Number(wish.price) > 0)

  const go = async () => {
    setAsking(false)
    setBusy(true)
    try {
      const sent = await send(wish)
      if (sent.state === 'taken' && sent.order) {
        toast('good', t('accepted'), `${t(`side.${wish.side}`)} ${sent.order.cn.name} ${wish.price || t(`type.${wish.type}`)} × ${wish.quantity}`)
        await painted() // that it was accepted is seen first; lists and form are drawn in the next frame
        learn(sent.order)
        change({ quantity: '' })
      }
      if (sent.state === 'refused') setRefusal(sent.refusal)
      if (sent.state === 'asking') change({ quantity: '' }) // it has left: what is left standing would be sent twice
      if (sent.state === 'draft') { change({ quantity: '' }); toast('warn', t('sent.kept')) }
    } finally {
      setBusy(false)
    }
  }
  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    if (!complete || busy) { if (!busy) (wish.symbol === '' ? code : amount).current?.focus(); return }
    if (confirming || said.length > 0) setAsking(true)
    else void go()
  }
  useEffect(() => {
    const pressed = (event: globalThis.KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
      const target = event.target as HTMLElement
      if (target.closest('[role=dialog]:not([data-passive])') || target.closest('[role=combobox], textarea, [contenteditable]')) return
      const side = ({ b: 'buy', s: 'sell' } as const)[event.key.toLowerCase() as 'b' | 's']
      if (side) { setRefusal(undefined); setWish((now) => ({ ...now, side, price: '', quantity: '' })); amount.current?.focus() }
      else if (event.key === 'Escape') { setRefusal(undefined); setWish((now) => ({ ...now, price: '', quantity: '' })); (target as HTMLInputElement).blur?.() }
      else return
      event.preventDefault()
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [])
  const arrows = (event: KeyboardEvent) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key]
    if (!by || !wish.price) return
    event.preventDefault()
    change({ price: step(wish.price, tick, by, cn?.limit_down, cn?.limit_up) })
  }
  const take = (r: Remark | undefined, value: string) => change(r?.key === 'quantityInvalid' || r?.key === 'tooMany' ? { quantity: value } : { price: value })
  const field = refusal && fieldOf(refusal.reason)
  const ofMoney = refusal !== undefined && /CASH|AMOUNT/.test(refusal.reason) // the nearest value is an amount: here it is the shares that it buys
  const shown = (r: Remark & { nearest: string }) => groupedIn(r.nearest, r.key === 'quantityInvalid' || r.key === 'tooMany' ? [r.nearest] : [])
  const words = (r: Remark) => t(`remark.${r.key}`, 'percent' in r ? { percent: r.percent } : { nearest: shown(r) })
  const types = every.filter((type) => cn?.order_types.includes(type) ?? type === 'LIMIT')
  const buy = wish.side === 'buy'
  const suspended = cn?.suspended === true // all day, so that there is nothing to send; a halt may end any moment
  const shut = phase?.orders === 'refused'
  const verb = t(buy ? 'buy' : 'sell')

  return (
    <form ref={form} data-tour="ticket" noValidate onSubmit={submit} aria-label={t('title')} className="flex flex-col gap-2.5 p-3">
      <div role="group" aria-label={t('sideLabel')} className="grid grid-cols-2 gap-1 rounded-control bg-raised p-1">
        {(['buy', 'sell'] as const).map((side) => (
          <button key={side} type="button" aria-pressed={wish.side === side} aria-keyshortcuts={side === 'buy' ? 'B' : 'S'} onClick={() => change({ side, price: '', quantity: '' })}
            className={cx('touch h-8 rounded-[5px] font-medium text-muted', wish.side === side && (side === 'buy' ? 'bg-up-solid text-white' : 'bg-down-solid text-white'))}>
            {t(side)}<kbd className="ml-1.5 text-[11px] max-phone:hidden">{side === 'buy' ? 'B' : 'S'}</kbd>
          </button>
        ))}
      </div>
      <SymbolField ref={code} symbol={symbol} name={security.data?.name} onChoose={onSymbol} />
      {security.isError ? <p role="alert" className="text-danger">{t('symbolNone')}</p> : null}
      {suspended || halted || quote?.phase === 'HALTED' ? <p role="status" className="rounded-control bg-warn-soft p-2 text-warn">{t(suspended ? 'suspended' : 'halted')}</p> : null}
      <Select label={t('typeLabel')} value={types.length > 0 ? wish.type : ''} disabled={types.length === 0} onChange={(e) => change({ type: e.target.value as Type, price: priced(e.target.value as Type) ? wish.price : '' })}>
        {types.length === 0 ? <option value="">{t('noType')}</option> : null}
        {types.map((type) => <option key={type} value={type} disabled={!takes(type, phase?.phase)}>{t(`type.${type}`)}{takes(type, phase?.phase) ? '' : t('notNow')}</option>)}
      </Select>
      {priced(wish.type) ? (
        <div>
          <Field label={t('price')} name="price" inputMode="decimal" autoComplete="off" className="num pr-[76px] text-[15px]" value={wish.price} onChange={(e) => change({ price: typed(e.target.value, false) })} onKeyDown={arrows}
            after={<span className="absolute inset-y-0 right-0 flex">
              <button type="button" tabIndex={-1} aria-label={t('tickDown')} className="touch w-9 text-muted hover:text-text" onClick={() => change({ price: step(wish.price, tick, -1, cn?.limit_down, cn?.limit_up) })}>−</button>
              <button type="button" tabIndex={-1} aria-label={t('tickUp')} className="touch w-9 text-muted hover:text-text" onClick={() => change({ price: step(wish.price, tick, 1, cn?.limit_down, cn?.limit_up) })}>+</button>
            </span>} />
          {cn?.limit_up && cn.limit_down ? (
            <div className="mt-1 grid grid-cols-2 gap-1">
              <button type="button" className="touch num rounded-control bg-down-soft px-2 py-0.5 whitespace-nowrap max-phone:px-1 max-phone:text-[12px] text-left text-down" onClick={() => change({ price: cn.limit_down! })}>{t('limitDown')} {cn.limit_down}</button>
              <button type="button" className="touch num rounded-control bg-up-soft px-2 py-0.5 whitespace-nowrap max-phone:px-1 max-phone:text-[12px] text-right text-up" onClick={() => change({ price: cn.limit_up! })}>{t('limitUp')} {cn.limit_up}</button>
            </div>
          ) : cn ? <p className="mt-1 text-faint">{t('noLimit')}</p> : null}
        </div>
      ) : <p className="rounded-control bg-raised p-2 text-muted">{t('marketNote', { price: known?.price ?? '–' })}</p>}
      <div>
        <Field ref={amount} label={<span className="flex justify-between"><span>{t('quantity')}</span><span className="text-muted">{t(buy ? 'canBuy' : 'canSell')} <Quantity value={most} className="font-medium text-text" /></span></span>} name="quantity" inputMode="numeric" autoComplete="off" className="num text-[15px]"
          value={wish.quantity} onChange={(e) => change({ quantity: typed(e.target.value, true) })}
          onKeyDown={(e) => { const by = { ArrowUp: 1, ArrowDown: -1 }[e.key]; if (by) { e.preventDefault(); const lot = Number(security.data?.min_trade_increment ?? 100); change({ quantity: String(Math.max(0, Number(wish.quantity || 0) + by * Math.max(lot, 100))) }) } }} />
        <div className="mt-1 grid grid-cols-4 gap-1">
          {[1, 2, 3, 4].map((n) => <Button key={n} size="small" disabled={!most || most === '0'} onClick={() => change({ quantity: share(most!, n, security.data?.min_trade_increment ?? '100') })}>{n === 1 ? t('all') : `1/${n}`}</Button>)}
        </div>
      </div>
      <dl className="num grid grid-cols-[auto_1fr] gap-x-3 gap-y-0.5 rounded-control bg-raised p-2 [&>dd]:text-right [&>dt]:text-muted" aria-label={t('preview')}>
        <dt>{t('amount')}</dt><dd><Money value={asked?.amount} /></dd>
        <dt>{t('fees')}</dt><dd title={asked ? t('feesOf', asked.fees) : undefined}><Money value={asked?.fees.total} /></dd>
        <dt>{t(buy ? 'freeze' : 'proceeds')}</dt><dd className="font-medium"><Money value={asked?.total} /></dd>
        <dt>{t('available')}</dt><dd>{buy ? <Money value={known?.available} /> : <Quantity value={known?.sellable} />}</dd>
      </dl>
      {said.length > 0 && !refusal ? (
        <ul className="flex flex-col gap-1" aria-live="polite">
          {said.map((r) => (
            <li key={r.key} data-remark={r.key} className={cx('flex items-start gap-1.5 rounded-control px-2 py-1', r.grave ? 'bg-danger-soft text-danger' : 'bg-warn-soft text-warn')}>
              <Icon name="warn" size={14} className="mt-[3px] shrink-0" /><span className="flex-1">{words(r)}</span>
              {r.grave && r.nearest && r.nearest !== '0' ? <button type="button" className="touch underline" onClick={() => take(r, r.nearest)}>{shown(r)}</button> : null}
            </li>
          ))}
        </ul>
      ) : null}
      {refusal ? <Refused refusal={refusal} nearest={ofMoney ? most : field && refusal.details.nearest} onClose={() => setRefusal(undefined)} onNearest={(value) => field && change({ [field]: value })} /> : null}
      {stale && symbol ? <p className="text-stale">{t('stalePrice')}</p> : null}
      {phase?.orders === 'held' ? <p className="text-muted">{t('held')}</p> : null}
      {shut ? <p className="text-warn">{t('shut')}</p> : null}
      {link.state === 'offline' ? <p className="text-warn">{t('offline')}</p> : null}
      <Button type="submit" look={buy ? 'buy' : 'sell'} size="large" busy={busy} disabled={wish.symbol === '' || shut || suspended}>{link.state === 'offline' ? t('keepDraft') : verb}</Button>
      <Check label={t('confirmEach')} checked={confirming} onChange={(e) => setConfirming(e.target.checked)} className="text-muted" />
      <Dialog open={asking} onClose={() => setAsking(false)} title={t('confirmTitle', { side: verb })}
        actions={<><Button onClick={() => setAsking(false)}>{t('action.cancel')} <kbd className="text-[11px] max-phone:hidden">Esc</kbd></Button><Button look={buy ? 'buy' : 'sell'} autoFocus onClick={() => void go()}>{t('confirm', { side: verb })} <kbd className="text-[11px] max-phone:hidden">Enter</kbd></Button></>}>
        <dl className="num grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5 text-[14px] [&>dd]:text-right [&>dt]:text-muted">
          <dt>{t('symbol')}</dt><dd className="font-medium">{security.data?.name} {symbol}</dd>
          <dt>{t('typeLabel')}</dt><dd>{t(`type.${wish.type}`)}</dd>
          <dt>{t('price')}</dt><dd className="font-medium">{wish.price || t('marketPrice')}</dd>
          <dt>{t('quantity')}</dt><dd className="font-medium"><Quantity value={wish.quantity} /></dd>
          {asked ? <><dt>{t('amount')}</dt><dd><Money value={asked.amount} /></dd><dt>{t('fees')}</dt><dd><Money value={asked.fees.total} /></dd><dt>{t(buy ? 'freeze' : 'proceeds')}</dt><dd className="font-semibold"><Money value={asked.total} /></dd></> : null}
        </dl>
        {said.map((r) => <p key={r.key} className={cx('mt-2 rounded-control p-2', r.grave ? 'bg-danger-soft text-danger' : 'bg-warn-soft text-warn')}>{words(r)}</p>)}
        {grave ? <p className="mt-2 text-muted">{t('likelyRefused')}</p> : null}
      </Dialog>
    </form>
  )
})
