import { useState } from 'react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { call } from '@/api/client'
import { queries } from '@/api/query'
import { logOut } from '@/api/session'
import { Button, Card, Failed, Skeleton, toastError } from '@/ui'
import { device } from './device'

const key = ['sessions']

/** Where the account is logged in, each to be ended from here. */
export function Sessions() {
  const { t, i18n } = useTranslation('settings')
  const list = useQuery({ queryKey: key, queryFn: () => call('get', '/api/v1/sessions') })
  const [ending, setEnding] = useState<string>()
  const time = new Intl.DateTimeFormat(i18n.language === 'zh' ? 'zh-CN' : 'en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'Asia/Shanghai' })
  const end = async (ids: string[], label: string) => {
    setEnding(label)
    try {
      for (const id of ids) await call('delete', '/api/v1/sessions/{id}', { path: { id } })
    } catch (error) {
      toastError(error, i18n.language)
    } finally {
      setEnding(undefined)
      void queries.invalidateQueries({ queryKey: key })
    }
  }
  const rows = [...(list.data?.sessions ?? [])].sort((a, b) => Number(b.current) - Number(a.current) || b.opened.localeCompare(a.opened))
  const others = rows.filter((one) => !one.current).map((one) => one.id)
  return (
    <Card title={t('sessions.title')} flush after={others.length > 0 ? <Button size="small" look="danger" busy={ending === 'all'} onClick={() => void end(others, 'all')}>{t('sessions.endOthers')}</Button> : undefined}>
      {list.isError ? <Failed error={list.error} onRetry={() => void list.refetch()} /> : !list.data ? <Skeleton lines={3} /> : (
        <ul className="divide-y divide-line">
          {rows.map((one) => (
            <li key={one.id} className="flex items-center gap-3 px-3 py-2">
              <div className="min-w-0 flex-1">
                <p className="truncate font-medium" title={one.label}>{device(one.label) || t('sessions.unknown')}{one.current ? <span className="ml-2 rounded-full bg-good-soft px-2 py-0.5 text-[11px] text-good">{t('sessions.this')}</span> : null}</p>
                <p className="text-muted"><span className="num">{t('sessions.times', { opened: time.format(new Date(one.opened)), expires: time.format(new Date(one.expires)) })}</span></p>
              </div>
              {one.current ? <Button size="small" onClick={() => void logOut()}>{t('action.logout')}</Button>
                : <Button size="small" busy={ending === one.id} onClick={() => void end([one.id], one.id)}>{t('sessions.end')}</Button>}
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}
