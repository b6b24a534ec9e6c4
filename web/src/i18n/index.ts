import i18next, { type BackendModule } from 'i18next'
import { initReactI18next } from 'react-i18next'
import { preferences, type Language } from '@/lib/preferences'
import { Store, useStore } from '@/lib/store'
import { typesetAll } from '@/lib/typeset'

// One file per language and area: src/i18n/{zh,en}.json is the namespace "common", src/areas/<name>/{zh,en}.json the
// namespace <name>. Each is a chunk of its own, fetched when first asked for.
const files = import.meta.glob<{ default: Record<string, unknown> }>(['./{zh,en}.json', '../areas/*/{zh,en}.json'])

const backend: BackendModule = {
  type: 'backend',
  init() {},
  read(language, namespace, callback) {
    const load = files[namespace === 'common' ? `./${language}.json` : `../areas/${namespace}/${language}.json`]
    if (!load) return callback(new Error(`no texts for ${namespace} in ${language}`), false)
    load().then((file) => callback(null, language === 'zh' ? typesetAll(file.default) : file.default), (error: Error) => callback(error, false))
  },
}

export const i18n = i18next

const spoken = new Store<Language>('zh')
i18next.on('languageChanged', (language) => spoken.set(language === 'zh' ? 'zh' : 'en'))

/** The language that is shown now, for the thousands of small cells that useTranslation would be too much for. */
export const useLanguage = (): Language => useStore(spoken)

export async function startTexts(): Promise<void> {
  await i18next.use(backend).use(initReactI18next).init({
    lng: preferences.get().language,
    supportedLngs: ['zh', 'en'],
    fallbackLng: false,
    ns: ['common'],
    defaultNS: 'common',
    fallbackNS: 'common',
    interpolation: { escapeValue: false }, // React escapes
    react: { useSuspense: true },
  })
  preferences.follow(() => {
    const { language } = preferences.get()
    if (language !== i18next.language) void i18next.changeLanguage(language)
  })
}

/** Fetches the texts of areas before they are drawn. */
export function texts(...namespaces: string[]): Promise<void> {
  return i18next.loadNamespaces(namespaces)
}
