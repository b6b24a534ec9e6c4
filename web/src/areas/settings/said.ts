import { Refusal } from '@/api/client'

/** What went wrong, in the reader's language; undefined when nothing did. */
export function said(error: unknown, language: string): string | undefined {
  if (!error) return undefined
  return error instanceof Refusal ? error.words(language) : String(error)
}
