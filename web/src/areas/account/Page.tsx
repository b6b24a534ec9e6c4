import { useTranslation } from 'react-i18next'
import { EmptyState } from '@/ui'

export default function Page() {
  const { t } = useTranslation('account')
  return <EmptyState title={t('title')} />
}
