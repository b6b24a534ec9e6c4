import type { Schemas } from '@/api/client'

// What the help page is made of, as plain functions: sections of rows, the reasons of the API among them.

export interface Row {
  id: string
  term: string
  text: string
  /** The heading that stands over the first row of a group. */
  group?: string
}

export interface Section {
  id: string
  title: string
  text: string
  rows: Row[]
}

/** Sections as the files of texts have them: rows are a term and what is to be said of it. */
export type Texts = Record<string, { title: string; text: string; rows: Record<string, [string, string]> }>

export const sectionsOf = (texts: Texts): Section[] => Object.entries(texts).map(([id, { title, text, rows }]) => (
  { id, title, text, rows: Object.entries(rows).map(([name, [term, said]]) => ({ id: `${id}.${name}`, term, text: said })) }
))

/** Where a reason belongs, in the order in which investors meet them. */
export const groups = ['money', 'price', 'market', 'order', 'entry', 'wait', 'ours', 'program'] as const
export type Group = (typeof groups)[number]

/** The group of a reason, by the blocks of its code: HTTP status and five digits. undefined: it refuses nothing. */
export function groupOf({ code, status }: Pick<Schemas['Reason'], 'code' | 'status'>): Group | undefined {
  const digits = code % 100_000
  if (status < 400) return undefined
  if (status === 429 || status === 503) return 'wait'
  if (status >= 500) return 'ours'
  if (status === 403) return digits === 10_002 ? 'program' : 'money' // another site asked, in the account's name
  if (status === 401 || status === 404) return 'entry'
  if (status !== 422) return 'program'
  if (digits === 10_000) return 'price'
  if (digits >= 10_004 && digits <= 10_009) return 'program'
  if (digits < 10_110) return 'entry'
  if (digits < 10_130) return 'market'
  if (digits === 10_141) return 'money'
  if (digits < 10_150) return 'price'
  return digits === 10_160 || digits === 10_161 ? 'ours' : 'order'
}

/** The reasons as rows, group after group. */
export function reasonRows(reasons: readonly Schemas['Reason'][], words: (reason: Schemas['Reason']) => string, heading: (group: Group) => string): Row[] {
  return groups.flatMap((group) => reasons.filter((reason) => groupOf(reason) === group)
    .map((reason) => ({ id: `refusals.${reason.reason}`, term: reason.reason, text: words(reason), group: heading(group) })))
}

/** As texts are compared: case, width and punctuation between words make no difference. */
const plain = (text: string) => text.normalize('NFKC').toLowerCase()

export const wordsOf = (query: string): string[] => plain(query).split(/[\s,;:、。]+/).filter((word) => word !== '')

/** What has every word: whole sections by their title or first paragraph, or else their rows. */
export function found(sections: readonly Section[], query: string): Section[] {
  const words = wordsOf(query)
  const has = (text: string) => { const all = plain(text); return words.every((word) => all.includes(word)) }
  return sections.flatMap((section) => {
    if (has(`${section.title} ${section.text}`)) return [section]
    const rows = section.rows.filter((row) => has(`${section.title} ${row.group ?? ''} ${row.term} ${row.term.replaceAll('_', ' ')} ${row.text}`))
    return rows.length > 0 ? [{ ...section, rows }] : []
  })
}

/** A text in pieces, those at odd places being words that were looked for. */
export function pieces(text: string, words: readonly string[]): string[] {
  if (words.length === 0) return [text]
  const any = [...words].sort((a, b) => b.length - a.length).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  return text.split(new RegExp(`(${any})`, 'i'))
}
