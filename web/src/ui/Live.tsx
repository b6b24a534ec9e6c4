import { useLayoutEffect, useRef } from 'react'
import { useLanguage } from '@/i18n'
import { cx } from '@/lib/cx'
import { live, type Quote } from '@/live/live'
import { arrowLook, markOf, toneOf, type Face } from './Numbers'

interface Props {
  symbol: string
  /** What of the quote is shown, as a text: while it is the same, nothing is done. */
  part: (quote: Quote) => string
  face: (quote: Quote, language: 'zh' | 'en') => Face | undefined
  /** Without a direction: neither coloured nor grey with age. */
  plain?: boolean
  /** An arrow, and its word for whoever hears the page, before the number. */
  mark?: boolean
  className?: string
}

/**
 * A number of one quote that writes itself into the page. A board of 200 rows is told 20 times a second: to render its
 * cells each time takes the processor several times as long as to write into the texts that have changed.
 */
export function Live({ symbol, part, face, plain, mark, className }: Props) {
  const language = useLanguage()
  const box = useRef<HTMLSpanElement>(null)
  useLayoutEffect(() => {
    const span = box.current!
    const number = document.createTextNode('')
    span.replaceChildren(number)
    let [arrow, word]: Text[] = []
    if (mark) {
      const [seen, heard] = [document.createElement('span'), document.createElement('span')]
      seen.ariaHidden = 'true'
      seen.className = arrowLook
      heard.className = 'sr-only'
      seen.append((arrow = document.createTextNode('')))
      heard.append((word = document.createTextNode('')))
      span.prepend(seen, heard)
    }
    let shown: string | undefined
    const write = () => {
      const quote = live.quote(symbol)
      const old = !plain && live.age('quotes', symbol) > 0
      const now = `${quote ? part(quote) : ''} ${old}`
      if (now === shown) return
      shown = now
      const is = quote && face(quote, language)
      const direction = is?.direction ?? 0
      const name = cx('num', !is ? 'text-faint' : old ? 'text-stale' : plain ? '' : toneOf(direction), className)
      if (span.className !== name) span.className = name
      const words = is?.words ?? '–'
      if (number.data !== words) number.data = words
      if (!arrow || !word) return
      const { arrow: sign, word: said } = is ? markOf(direction) : { arrow: '', word: '' }
      if (arrow.data !== sign) arrow.data = sign
      if (word.data !== said) word.data = said
    }
    write()
    const [ended, aged] = [live.follow('quotes', symbol, write), live.staleness.follow(write)]
    return () => { ended(); aged() }
  }, [symbol, part, face, plain, mark, className, language])
  return <span ref={box} />
}
