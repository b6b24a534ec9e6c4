import { useTranslation } from 'react-i18next'
import { useLink, useStatus, useTick } from '@/live/hooks'
import { span } from '@/lib/time'
import { Banner } from '@/ui'

/** What the reader has to know about what he sees: the worst first, one line each. */
export function Banners() {
  const { t, i18n } = useTranslation()
  const link = useLink()
  const status = useStatus()
  const cut = link.state === 'reconnecting' || link.state === 'offline'
  const now = useTick(1000, cut)
  const zh = i18n.language === 'zh' ? 'zh' : 'en'
  const age = span(now - link.since, zh)
  const lines = []
  if (link.state === 'offline') lines.push(<Banner key="off" tone="danger" icon="offline">{t('banner.offline', { age })}</Banner>)
  else if (link.state === 'reconnecting') lines.push(<Banner key="re" tone="warn">{t('banner.reconnecting', { age })}</Banner>)
  else if (status) {
    if (!status.leader_known) lines.push(<Banner key="lead" tone="warn">{t('banner.failover')}</Banner>)
    if (status.read_only) lines.push(<Banner key="ro" tone="danger" icon="lock">{t('banner.readOnly', { reason: status.read_only_reason ?? '' })}</Banner>)
    const { orders, data, orders_oldest_ms: oldest } = status.exchange
    if (orders === 'down') lines.push(<Banner key="orders" tone="danger">{t('banner.ordersDown')}</Banner>)
    if (orders === 'slow') lines.push(<Banner key="orders" tone="warn">{t('banner.ordersSlow', { age: span(oldest ?? 0, zh) })}</Banner>)
    if (data === 'down') lines.push(<Banner key="data" tone="warn">{t('banner.dataDown')}</Banner>)
    if (status.stale) lines.push(<Banner key="stale" tone="warn">{t('banner.staleServer', { by: status.stale_ms == null ? '' : t('banner.staleBy', { age: span(status.stale_ms, zh) }) })}</Banner>)
  }
  return <div role="status" aria-label={t('banner.label')} data-link={link.state}>{lines}</div>
}
