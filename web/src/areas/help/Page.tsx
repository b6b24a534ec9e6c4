import { useTranslation } from 'react-i18next'
import { useLocation } from 'wouter'
import { Button, Card } from '@/ui'
import { tour } from './tour'

const keys = ['0–9 /', 'B', 'S', 'Enter', 'Esc', 'F5', 'F8', '← →', '+ −', 'W', 'Alt ↑ ↓']
const topics = ['colours', 'age', 'lost', 'depth', 'orders', 'install']

/** How the screen is used: its keys, and what its signs mean. */
export default function Page() {
  const { t } = useTranslation('help')
  const [, go] = useLocation()
  return (
    <div className="mx-auto flex max-w-[860px] flex-col gap-3 p-3">
      <div className="flex items-center justify-between"><h1 className="text-[18px] font-semibold">{t('title')}</h1><Button icon="next" onClick={() => { go('/market'); tour.set(0) }}>{t('tour.start')}</Button></div>
      <Card title={t('keys')}>
        <dl className="grid grid-cols-[88px_1fr] gap-x-3 gap-y-1.5 p-3">
          {keys.map((key, i) => <div key={key} className="contents"><dt><kbd className="num rounded border border-edge bg-raised px-1.5">{key}</kbd></dt><dd>{t(`key.${i}`)}</dd></div>)}
        </dl>
      </Card>
      {topics.map((topic) => <Card key={topic} title={t(`${topic}.title`)}><p className="p-3 text-[14px] leading-relaxed">{t(`${topic}.text`)}</p></Card>)}
    </div>
  )
}
