import { useTranslation } from 'react-i18next'
import { EmptyState } from '@/ui'

export default function Security({ params }: { params: { symbol?: string } }) {
  const { t } = useTranslation('security')
  return <EmptyState title={`${t('title')} ${params.symbol ?? ''}`} />
}
