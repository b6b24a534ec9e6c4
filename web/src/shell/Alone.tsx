import { useTranslation } from 'react-i18next'
import { useTick } from '@/live/hooks'
import { span } from '@/lib/time'
import { EmptyState } from '@/ui'

/** In place of every page while the server cannot be reached from the start: the app itself is kept, no data is. */
export function Alone({ since }: { since: number }) {
  const { t, i18n } = useTranslation()
  const now = useTick()
  const age = span(now - since, i18n.language === 'zh' ? 'zh' : 'en')
  return (
    <main data-alone={navigator.onLine ? 'server' : 'network'} className="flex min-h-full flex-col items-center justify-center">
      <h1 className="sr-only">{t('app')}</h1>
      <img src="/icons/icon.svg" alt="" width={56} height={56} />
      <div role="status">
        <EmptyState icon="offline" title={t(navigator.onLine ? 'alone.server' : 'alone.network')}>
          <p>{t('alone.text')}</p>
        </EmptyState>
      </div>
      <p className="num text-faint">{t('alone.since', { age })}</p>
    </main>
  )
}
