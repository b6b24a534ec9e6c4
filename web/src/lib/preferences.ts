import { printing } from './printing'
import { Store, useStore } from './store'

export type Theme = 'dark' | 'light' | 'system'
export type Colors = 'red-up' | 'green-up' | 'language'
export type Language = 'zh' | 'en'

/** What is kept in this browser: habits of the eye and hand. Nothing of the account is ever among them. */
export interface Preferences {
  theme: Theme
  colors: Colors
  language: Language
  /** Further habits of one area, by the area's name. */
  areas: Record<string, unknown>
}

const key = 'evenkeel.preferences' // public/boot.js reads it too

function read(): Preferences {
  const otherwise: Preferences = {
    theme: 'system', colors: 'language', language: (navigator.language || 'zh').startsWith('zh') ? 'zh' : 'en', areas: {},
  }
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? '{}') as { state?: Partial<Preferences> }
    return { ...otherwise, ...kept.state }
  } catch {
    return otherwise
  }
}

export const preferences = new Store<Preferences>(read())

export function prefer(change: Partial<Preferences>): void {
  preferences.set((before) => ({ ...before, ...change }))
}

export function usePreferences(): Preferences {
  return useStore(preferences)
}

/** One habit of an area, such as the columns of a board: kept like the others. */
export function useHabit<T>(area: string, name: string, otherwise: T): [T, (next: T) => void] {
  const id = `${area}.${name}`
  const value = useStore(preferences, (p) => p.areas[id]) as T | undefined
  const set = (next: T) => preferences.set((p) => ({ ...p, areas: { ...p.areas, [id]: next } }))
  return [value === undefined ? otherwise : value, set]
}

const light = matchMedia('(prefers-color-scheme: light)')

/** The theme that is shown: on paper always the light one. */
export function themeNow(p = preferences.get()): 'dark' | 'light' {
  if (printing.get()) return 'light'
  return p.theme === 'system' ? (light.matches ? 'light' : 'dark') : p.theme
}

export function colorsNow(p = preferences.get()): 'red-up' | 'green-up' {
  return p.colors === 'language' ? (p.language === 'zh' ? 'red-up' : 'green-up') : p.colors
}

function apply(): void {
  const p = preferences.get()
  const root = document.documentElement
  root.dataset['theme'] = themeNow(p)
  if (!printing.get()) root.dataset['ink'] = themeNow(p)
  root.dataset['colors'] = colorsNow(p)
  root.lang = p.language === 'zh' ? 'zh-CN' : 'en'
  const ground = getComputedStyle(root).getPropertyValue('--ground').trim()
  document.querySelector('meta[name=theme-color]')?.setAttribute('content', ground || '#0b0e13')
}

/** Makes the page follow the preferences; called once. */
export function startPreferences(): void {
  apply()
  light.addEventListener('change', apply)
  printing.follow(apply)
  preferences.follow(() => {
    apply()
    try {
      localStorage.setItem(key, JSON.stringify({ state: preferences.get() }))
    } catch {
      // a private window keeps nothing
    }
  })
  addEventListener('storage', (event) => {
    if (event.key === key) preferences.set(read())
  })
}
