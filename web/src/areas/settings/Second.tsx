import { useState } from 'react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { call, type Schemas } from '@/api/client'
import { useSending } from '@/api/sending'
import { queries } from '@/api/query'
import { Button, Card, Dialog, Failed, Field, Icon, Skeleton, toast } from '@/ui'
import { Passkeys } from './Passkeys'
import { Qr } from './Qr'

const key = ['second']
type Task = 'enrol' | 'remove' | 'renew'

/** The authenticator app and its recovery codes. */
export function Second() {
  const { t } = useTranslation('settings')
  const state = useQuery({ queryKey: key, queryFn: () => call('get', '/api/v1/second') })
  const [task, setTask] = useState<Task>()
  const [codes, setCodes] = useState<string[]>()
  const over = () => { setCodes(undefined); setTask(undefined); void queries.invalidateQueries({ queryKey: key }) }
  const on = state.data?.totp
  const safe = on || (state.data?.passkeys.length ?? 0) > 0
  return (
    <Card title={t('second.title')}>
      {state.isError ? <Failed error={state.error} onRetry={() => void state.refetch()} /> : !state.data ? <Skeleton lines={2} /> : (
        <div className="flex flex-col gap-3">
          <p className="flex items-center gap-2"><Icon name={safe ? 'check' : 'warn'} className={safe ? 'text-good' : 'text-warn'} />
            <span>{on ? t('second.on', { left: state.data.recovery_left }) : safe ? t('second.passkeyOnly', { left: state.data.recovery_left }) : t('second.off')}</span></p>
          <p className="text-muted">{t('second.text')}</p>
          {!state.data.available ? <p role="status" className="text-warn">{t('second.unavailable')}</p> : null}
          <div className="flex flex-wrap gap-2">
            {on ? <><Button onClick={() => setTask('renew')}>{t('second.renew')}</Button><Button look="danger" onClick={() => setTask('remove')}>{t('second.remove')}</Button></>
              : <Button look="primary" disabled={!state.data.available} onClick={() => setTask('enrol')}>{t('second.enrol')}</Button>}
          </div>
          <Passkeys list={state.data.passkeys} available={state.data.available} onOver={(made) => { setCodes(made); void queries.invalidateQueries({ queryKey: key }) }} />
        </div>
      )}
      {codes ? <Recovery codes={codes} onOver={over} /> : null}
      {task === 'enrol' ? <Enrol onOver={over} /> : task ? <WithCode task={task} onOver={over} /> : null}
    </Card>
  )
}

/** A code that was refused is typed anew. */
const emptied = (setCode: (code: string) => void) => (wrong: unknown) => {
  setCode('')
  return wrong
}

/** Password, then the QR code and its first code, then the recovery codes. */
function Enrol({ onOver }: { onOver: () => void }) {
  const { t } = useTranslation('settings')
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [begun, setBegun] = useState<Schemas['Enrolment']>()
  const [codes, setCodes] = useState<string[]>()
  const { busy, said, submit } = useSending(async () => {
    if (!begun) {
      setBegun(await call('post', '/api/v1/second/totp', { body: { password } }))
      setPassword('')
    } else {
      setCodes((await call('post', '/api/v1/second/totp/confirm', { body: { enrolment: begun.enrolment, code } })).recovery_codes)
    }
  }, emptied(setCode))
  if (codes) return <Recovery codes={codes} onOver={onOver} />
  return (
    <Dialog open onClose={onOver} title={t('second.enrol')} text={begun ? t('second.scan') : t('second.passwordText')}
      actions={<><Button onClick={onOver}>{t('action.cancel')}</Button><Button look="primary" type="submit" form="enrol" busy={busy}>{t('second.next')}</Button></>}>
      <form id="enrol" onSubmit={submit} className="flex flex-col gap-3">
        {!begun ? (
          <Field key="password" label={t('password.old')} type="password" name="password" autoComplete="current-password" required autoFocus value={password} onChange={(e) => setPassword(e.target.value)} error={said} className="h-11" />
        ) : (
          <>
            <Qr text={begun.uri} label={t('second.qr')} />
            <p className="text-muted">{t('second.byHand')}</p>
            <p className="num rounded-control bg-raised p-2 text-center break-all select-all">{begun.secret.replace(/(.{4})(?=.)/g, '$1 ')}</p>
            <Field key="code" label={t('second.code')} name="one-time-code" inputMode="numeric" autoComplete="one-time-code" required autoFocus value={code} onChange={(e) => setCode(e.target.value)} error={said} className="num h-11" />
          </>
        )}
      </form>
    </Dialog>
  )
}

/** Removing the proof, or new recovery codes: each asks for a code. */
function WithCode({ task, onOver }: { task: Exclude<Task, 'enrol'>; onOver: () => void }) {
  const { t } = useTranslation('settings')
  const [code, setCode] = useState('')
  const [codes, setCodes] = useState<string[]>()
  const { busy, said, submit } = useSending(async () => {
    if (task === 'renew') setCodes((await call('post', '/api/v1/second/recovery', { body: { code } })).recovery_codes)
    else {
      await call('post', '/api/v1/second/totp/remove', { body: { code } })
      toast('info', t('second.removed'))
      onOver()
    }
  }, emptied(setCode))
  if (codes) return <Recovery codes={codes} onOver={onOver} />
  return (
    <Dialog open onClose={onOver} title={t(`second.${task}`)} text={t(`second.${task}Text`)}
      actions={<><Button onClick={onOver}>{t('action.cancel')}</Button><Button look={task === 'remove' ? 'danger' : 'primary'} type="submit" form="with-code" busy={busy}>{t('action.confirm')}</Button></>}>
      <form id="with-code" onSubmit={submit}>
        <Field label={t('second.code')} name="one-time-code" autoComplete="one-time-code" required autoFocus value={code} onChange={(e) => setCode(e.target.value)} error={said} className="num h-11" />
      </form>
    </Dialog>
  )
}

function Recovery({ codes, onOver }: { codes: string[]; onOver: () => void }) {
  const { t } = useTranslation('settings')
  const copy = () => void navigator.clipboard?.writeText(codes.join('\n')).then(() => toast('good', t('copied')), () => {})
  return (
    <Dialog open onClose={onOver} title={t('second.recovery')} text={t('second.recoveryText')}
      actions={<><Button onClick={copy}>{t('action.copy')}</Button><Button look="primary" onClick={onOver}>{t('second.kept')}</Button></>}>
      <ul className="num grid grid-cols-2 gap-1 rounded-control bg-raised p-3 select-all max-phone:grid-cols-1">{codes.map((one) => <li key={one}>{one}</li>)}</ul>
    </Dialog>
  )
}
