import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { Refusal } from './client'

/** What went wrong, in the reader's language; undefined when nothing did. */
export function said(error: unknown, language: string): string | undefined {
  if (!error) return undefined
  return error instanceof Refusal ? error.words(language) : String(error)
}

/** A form that sends: `submit` is for its onSubmit. `onWrong` may say it in other words than the error's own. */
export function useSending(send: () => Promise<unknown>, onWrong: (error: unknown) => unknown = (error) => error) {
  const { i18n } = useTranslation()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    setBusy(true)
    setError(undefined)
    void send().catch((wrong: unknown) => setError(onWrong(wrong))).finally(() => setBusy(false))
  }
  return { busy, error, said: said(error, i18n.language), submit, clear: () => setError(undefined) }
}
