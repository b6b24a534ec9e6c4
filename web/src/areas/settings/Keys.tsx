import { useState } from 'react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { call, type Schemas } from '@/api/client'
import { useSending } from '@/api/sending'
import { queries } from '@/api/query'
import { useSession } from '@/api/session'
import { Button, Card, Check, Dialog, EmptyState, Failed, Field, Skeleton, toast, toastError } from '@/ui'

const key = ['keys']
type Permission = Schemas['Permission']

/** API keys: made here, shown once, revoked here. */
export function Keys() {
  const { t, i18n } = useTranslation('settings')
  const list = useQuery({ queryKey: key, queryFn: () => call('get', '/api/v1/keys') })
  const [making, setMaking] = useState(false)
  const [revoking, setRevoking] = useState<Schemas['Key']>()
  const [busy, setBusy] = useState(false)
  const again = () => void queries.invalidateQueries({ queryKey: key })
  const revoke = async () => {
    if (!revoking) return
    setBusy(true)
    try {
      await call('delete', '/api/v1/keys/{id}', { path: { id: revoking.id } })
    } catch (error) {
      toastError(error, i18n.language)
    } finally {
      setBusy(false)
      setRevoking(undefined)
      again()
    }
  }
  return (
    <Card title={t('keys.title')} flush after={<Button size="small" icon="plus" onClick={() => setMaking(true)}>{t('keys.make')}</Button>}>
      {list.isError ? <Failed error={list.error} onRetry={() => void list.refetch()} /> : !list.data ? <Skeleton lines={3} />
        : list.data.keys.length === 0 ? <EmptyState title={t('keys.none')}>{t('keys.text')}</EmptyState> : (
          <ul className="divide-y divide-line">
            {list.data.keys.map((one) => (
              <li key={one.id} className="flex items-center gap-3 px-3 py-2">
                <div className="min-w-0 flex-1">
                  <p className="truncate font-medium">{one.label || t('keys.unnamed')}</p>
                  <p className="num break-all text-muted">{one.id}</p>
                  <p className="text-faint">{one.permissions.map((p) => t(`permission.${p}`)).join(' · ')}</p>
                </div>
                <Button size="small" onClick={() => setRevoking(one)}>{t('keys.revoke')}</Button>
              </li>
            ))}
          </ul>
        )}
      {making ? <Make onOver={() => { setMaking(false); again() }} /> : null}
      <Dialog open={revoking !== undefined} onClose={() => setRevoking(undefined)} title={t('keys.revoke')} text={t('keys.revokeText', { id: revoking?.id ?? '' })}
        actions={<><Button onClick={() => setRevoking(undefined)}>{t('action.cancel')}</Button><Button look="danger" busy={busy} onClick={() => void revoke()}>{t('keys.revoke')}</Button></>} />
    </Card>
  )
}

function Make({ onOver }: { onOver: () => void }) {
  const { t } = useTranslation('settings')
  const session = useSession()
  const possible = session.state === 'somebody' ? session.account.permissions.filter((p) => p !== 'operate') : []
  const [label, setLabel] = useState('')
  const [chosen, setChosen] = useState<Permission[]>(possible.filter((p) => p !== 'move_cash'))
  const [made, setMade] = useState<Schemas['MadeKey']>()
  const { busy, said, submit } = useSending(async () => setMade(await call('post', '/api/v1/keys', { body: { label, permissions: chosen } })))
  const copy = (text: string) => void navigator.clipboard?.writeText(text).then(() => toast('good', t('copied')), () => {})
  if (made) {
    return (
      <Dialog open onClose={onOver} title={t('keys.made')} text={t('keys.madeText')} actions={<Button look="primary" onClick={onOver}>{t('second.kept')}</Button>}>
        {([['keys.id', made.id], ['keys.secret', made.secret]] as const).map(([name, value]) => (
          <div key={name} className="mb-3"><p className="text-muted">{t(name)}</p>
            <div className="flex items-center gap-2"><p className="num min-w-0 flex-1 rounded-control bg-raised p-2 break-all select-all">{value}</p><Button size="small" onClick={() => copy(value)}>{t('action.copy')}</Button></div></div>
        ))}
      </Dialog>
    )
  }
  return (
    <Dialog open onClose={onOver} title={t('keys.make')} text={t('keys.text')}
      actions={<><Button onClick={onOver}>{t('action.cancel')}</Button><Button look="primary" type="submit" form="make-key" busy={busy} disabled={chosen.length === 0}>{t('keys.make')}</Button></>}>
      <form id="make-key" onSubmit={submit} className="flex flex-col gap-3">
        <Field label={t('keys.label')} maxLength={40} required autoFocus value={label} onChange={(e) => setLabel(e.target.value)} error={said} />
        <fieldset><legend className="mb-1 text-muted">{t('keys.may')}</legend>
          <div className="grid grid-cols-2 gap-x-3">
            {possible.map((p) => <Check key={p} label={t(`permission.${p}`)} checked={chosen.includes(p)} onChange={(e) => setChosen((list) => e.target.checked ? [...list, p] : list.filter((other) => other !== p))} />)}
          </div>
        </fieldset>
      </form>
    </Dialog>
  )
}
