import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useState, type KeyboardEvent } from 'react'
import { call } from './client'

/**
 * Securities that match a code, a name or pinyin, one of them marked, and the keys that mark and choose.
 *
 * While the answer to `text` is on its way, what was found for less text stays in the list so that it does not flicker;
 * but nothing of it is marked, and Enter waits for the answer: who types fast gets the security that he typed.
 */
export function useSearch(text: string, limit: number, onChoose: (symbol: string) => void) {
  const asked = text.trim()
  const [at, setAt] = useState(0)
  const [entered, setEntered] = useState<string>()
  const found = useQuery({
    queryKey: ['search', asked, limit], enabled: asked !== '', staleTime: 60_000, placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call('get', '/api/v1/search', { query: { q: asked, limit }, signal }),
  })
  const list = asked === '' ? [] : (found.data?.securities ?? [])
  const answered = asked !== '' && found.isSuccess && !found.isPlaceholderData
  const marked = answered ? at : -1
  const first = list[0]?.symbol
  useEffect(() => { setAt(0); setEntered(undefined) }, [asked])
  useEffect(() => {
    if (!answered || entered !== asked) return
    setEntered(undefined)
    if (first) onChoose(first)
  })
  /** Whether the key was one of the list's. */
  const key = (event: KeyboardEvent): boolean => {
    if (event.nativeEvent.isComposing || asked === '') return false // the input method's own Enter and arrows
    if (event.key === 'ArrowDown') setAt(Math.max(0, Math.min(list.length - 1, at + 1)))
    else if (event.key === 'ArrowUp') setAt(Math.max(0, at - 1))
    else if (event.key !== 'Enter') return false
    else if (!answered) setEntered(asked)
    else if (list[at]) onChoose(list[at].symbol)
    return true // an Enter on what matches nothing is no word for the form around it
  }
  return { list, marked, mark: setAt, answered, failed: found.error, again: () => void found.refetch(), key }
}
