import { useTranslation } from 'react-i18next'
import { prefer, usePreferences, type Colors, type Language, type Theme } from '@/lib/preferences'
import { Segments } from '@/ui'

/** Theme, language, colours of up and down. */
export function Appearance() {
  const { t } = useTranslation()
  const p = usePreferences()
  const row = (label: string, choice: React.ReactNode) => <div className="flex flex-wrap items-center justify-between gap-2 py-1.5"><span>{label}</span>{choice}</div>
  return (
    <div>
      {row(t('switch.language'), <Segments<Language> label={t('switch.language')} value={p.language} onChange={(language) => prefer({ language })}
        options={[{ key: 'zh', label: <span lang="zh-CN">中文</span> }, { key: 'en', label: <span lang="en">English</span> }]} />)}
      {row(t('switch.theme'), <Segments<Theme> label={t('switch.theme')} value={p.theme} onChange={(theme) => prefer({ theme })}
        options={[{ key: 'system', label: t('switch.system') }, { key: 'dark', label: t('switch.dark') }, { key: 'light', label: t('switch.light') }]} />)}
      {row(t('switch.colors'), <Segments<Colors> label={t('switch.colors')} value={p.colors} onChange={(colors) => prefer({ colors })}
        options={[{ key: 'language', label: t('switch.byLanguage') }, { key: 'red-up', label: t('switch.redUp') }, { key: 'green-up', label: t('switch.greenUp') }]} />)}
    </div>
  )
}
