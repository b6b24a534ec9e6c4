import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call, type Schemas } from '@/api/client'
import { useSending } from '@/api/sending'
import { declined, makePasskey, passkeysHere } from '@/api/passkeys'
import { Button, Dialog, Field, toast } from '@/ui'
import { device } from './device'

/** The passkeys of the account: made here, forgotten here, each time with the password. */
export function Passkeys({ list, available, onOver }: { list: Schemas['Passkey'][]; available: boolean; onOver: (codes?: string[]) => void }) {
  const { t } = useTranslation('settings')
  const [task, setTask] = useState<'make' | Schemas['Passkey']>()
  const over = (codes?: string[]) => { setTask(undefined); onOver(codes) }
  const here = passkeysHere()
  return (
    <div className="flex flex-col gap-2 border-t border-line pt-3">
      <h3 className="font-medium">{t('passkeys.title')}</h3>
      {list.length === 0 ? <p className="text-muted">{t('passkeys.none')}</p> : (
        <ul className="flex flex-col gap-1">{list.map((k) => (
          <li key={k.id} className="flex items-center gap-2"><span className="min-w-0 flex-1 truncate">{k.name} <span className="text-faint">{k.site}</span></span>
            <Button size="small" onClick={() => setTask(k)}>{t('action.delete')}</Button></li>
        ))}</ul>
      )}
      {here ? <div><Button disabled={!available} onClick={() => setTask('make')}>{t('passkeys.make')}</Button></div> : <p className="text-faint">{t('passkeys.notHere')}</p>}
      {task ? <WithPassword task={task} onOver={over} /> : null}
    </div>
  )
}

function WithPassword({ task, onOver }: { task: 'make' | Schemas['Passkey']; onOver: (codes?: string[]) => void }) {
  const { t } = useTranslation('settings')
  const [password, setPassword] = useState('')
  const { busy, said, submit } = useSending(async () => {
    if (task === 'make') {
      const begun = await call('post', '/api/v1/second/passkeys', { body: { password } })
      const credential = await makePasskey(begun.options)
      const done = await call('post', '/api/v1/second/passkeys/confirm', { body: { enrolment: begun.enrolment, name: device(navigator.userAgent).slice(0, 40), credential } })
      toast('good', t('passkeys.made'))
      onOver(done.recovery_codes.length > 0 ? done.recovery_codes : undefined)
    } else {
      await call('post', '/api/v1/second/passkeys/remove', { body: { id: task.id, password } })
      onOver()
    }
  }, (wrong) => (declined(wrong) ? t('passkeys.declined') : wrong))
  return (
    <Dialog open onClose={() => onOver()} title={t(task === 'make' ? 'passkeys.make' : 'passkeys.remove')} text={t(task === 'make' ? 'passkeys.text' : 'passkeys.removeText')}
      actions={<><Button onClick={() => onOver()}>{t('action.cancel')}</Button><Button look={task === 'make' ? 'primary' : 'danger'} type="submit" form="passkey" busy={busy}>{t(task === 'make' ? 'second.next' : 'action.delete')}</Button></>}>
      <form id="passkey" onSubmit={submit}>
        <Field label={t('password.old')} type="password" name="password" autoComplete="current-password" required autoFocus value={password} onChange={(e) => setPassword(e.target.value)} error={said} className="h-11" />
      </form>
    </Dialog>
  )
}
