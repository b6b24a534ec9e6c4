import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call, type Schemas } from '@/api/client'
import { useSending } from '@/api/sending'
import { queries } from '@/api/query'
import { Button, Dialog, Field, Select, toast } from '@/ui'
import type { Ops } from './measure'

export type Wish = Pick<Schemas['NewAct'], 'act' | 'symbol' | 'node' | 'shard'>

/** Asks whether it is meant, and why; nothing is done without a reason. */
export function Act({ wish, ops, onOver }: { wish: Wish; ops: Ops; onOver: () => void }) {
  const { t } = useTranslation('ops')
  const [reason, setReason] = useState('')
  const [symbol, setSymbol] = useState(wish.symbol ?? '')
  const others = ops.nodes.filter((n) => !n.trouble && n.shards.some((s) => s.shard === wish.shard && !s.leads))
  const [node, setNode] = useState(wish.node ?? others[0]?.node ?? 0)
  const { busy, said, submit } = useSending(async () => {
    const body = { act: wish.act, reason, ...(wish.act === 'halt' || wish.act === 'resume' ? { symbol } : {}), ...(node ? { node } : {}), ...(wish.shard === undefined ? {} : { shard: wish.shard }) }
    const done = await call('post', '/api/v1/ops/acts', { body })
    toast(done.outcome === 'done' ? 'good' : 'danger', `${t(`act.${done.act}`)}: ${t(`outcome.${done.outcome}`)}`, done.said)
    void queries.invalidateQueries({ queryKey: ['ops'] })
    onOver()
  })
  const harsh = wish.act !== 'resume' && wish.act !== 'read_write' && wish.act !== 'undrain'
  return (
    <Dialog open onClose={onOver} title={t(`act.${wish.act}`)} text={t(`what.${wish.act}`, { node: wish.node, shard: wish.shard, symbol: wish.symbol })}
      actions={<><Button onClick={onOver}>{t('action.cancel')}</Button><Button look={harsh ? 'danger' : 'primary'} type="submit" form="act" busy={busy}>{t(`act.${wish.act}`)}</Button></>}>
      <form id="act" onSubmit={submit} className="flex flex-col gap-3">
        {wish.act === 'halt' ? <Field label={t('symbol')} required autoFocus autoCapitalize="characters" spellCheck={false} placeholder="600000.SH" value={symbol} onChange={(e) => setSymbol(e.target.value.trim())} /> : null}
        {wish.act === 'transfer' ? <Select label={t('to')} value={node} onChange={(e) => setNode(Number(e.target.value))}>{others.map((n) => <option key={n.node} value={n.node}>{t('node', { n: n.node })}</option>)}</Select> : null}
        <Field label={t('reason')} hint={t('reasonText')} required maxLength={200} autoFocus={wish.act !== 'halt'} value={reason} onChange={(e) => setReason(e.target.value)} error={said} />
      </form>
    </Dialog>
  )
}
