import { useTranslation } from 'react-i18next'
import { EmptyState } from '@/ui'

export default function Page() {
  const { t } = useTranslation('settings')
  return <EmptyState title={t('title')} />
}
