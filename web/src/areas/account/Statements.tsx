import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ask, call } from '@/api/client'
import { Button, EmptyState, Failed, Skeleton, toastError } from '@/ui'

/** The monthly statements: PDFs that the server makes. */
export function Statements() {
  const { t, i18n } = useTranslation('account')
  const list = useQuery({ queryKey: ['statements'], queryFn: ({ signal }) => call('get', '/api/v1/statements', { signal }) })
  const [busy, setBusy] = useState('')
  const open = async (month: string, language: 'zh' | 'en') => {
    setBusy(month + language)
    try {
      const answer = await ask('get', `/api/v1/statements/${month}?language=${language}`)
      const url = URL.createObjectURL(await answer.blob())
      const link = document.createElement('a')
      link.href = url
      link.download = /filename="([^"]+)"/.exec(answer.headers.get('Content-Disposition') ?? '')?.[1] ?? `${month}.pdf`
      link.click()
      setTimeout(() => URL.revokeObjectURL(url), 10_000)
    } catch (error) {
      toastError(error, i18n.language)
    } finally {
      setBusy('')
    }
  }
  if (list.isPending) return <Skeleton lines={4} />
  if (list.isError && !list.data) return <Failed error={list.error} onRetry={() => void list.refetch()} />
  if (list.data.statements.length === 0) return <EmptyState title={t('none')} />
  return (
    <ul className="h-full overflow-y-auto">
      {list.data.statements.map((s) => (
        <li key={s.month} className="flex items-center gap-2 border-b border-line px-3 py-2">
          <span className="num text-[15px] font-medium">{s.month}</span>
          <span className="flex-1 text-muted">{s.complete ? '' : t('statement.soFar')}</span>
          <Button icon="download" busy={busy === s.month + 'zh'} aria-label={t('statement.get', { month: s.month, language: '中文' })} onClick={() => void open(s.month, 'zh')}>中文</Button>
          <Button icon="download" busy={busy === s.month + 'en'} aria-label={t('statement.get', { month: s.month, language: 'English' })} onClick={() => void open(s.month, 'en')}>English</Button>
        </li>
      ))}
    </ul>
  )
}
