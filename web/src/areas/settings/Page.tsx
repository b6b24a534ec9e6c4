import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Appearance } from '@/shell/Appearance'
import { idleChoices, useIdleMinutes } from '@/shell/idle'
import { lock } from '@/api/session'
import { Button, Card, Select, Tabs } from '@/ui'
import { Keys } from './Keys'
import { Password } from './Password'
import { Second } from './Second'
import { Sessions } from './Sessions'

export default function Page() {
  const { t } = useTranslation('settings')
  const [tab, setTab] = useState<'security' | 'appearance'>('security')
  return (
    <div className="mx-auto flex h-full w-full max-w-[1080px] flex-col p-3">
      <h1 className="sr-only">{t('title')}</h1>
      <Tabs label={t('title')} value={tab} onChange={setTab} tabs={[
        { key: 'security', label: t('security'), content: <Security /> },
        { key: 'appearance', label: t('appearance'), content: <Card className="mt-3"><Appearance /></Card> },
      ]} />
    </div>
  )
}

function Security() {
  return (
    <div className="grid items-start gap-3 pt-3 min-[1100px]:grid-cols-2">
      <div className="flex min-w-0 flex-col gap-3"><Second /><Password /><Idle /></div>
      <div className="flex min-w-0 flex-col gap-3"><Sessions /><Keys /></div>
    </div>
  )
}

function Idle() {
  const { t } = useTranslation('settings')
  const [minutes, setMinutes] = useIdleMinutes()
  return (
    <Card title={t('idle.title')} after={<Button size="small" icon="lock" onClick={() => void lock()}>{t('idle.now')}</Button>}>
      <Select label={t('idle.after')} hint={t('idle.text')} value={minutes} onChange={(e) => setMinutes(Number(e.target.value))}>
        {idleChoices.map((n) => <option key={n} value={n}>{n === 0 ? t('idle.never') : t('idle.minutes', { n })}</option>)}
      </Select>
    </Card>
  )
}
