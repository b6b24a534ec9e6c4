// Chinese is typed with the punctuation of the keyboard, in our texts and in the server's, and set with its own.
const wide: Record<string, string> = { ',': '，', ';': '；', ':': '：', '?': '？', '!': '！' }
const han = '[\\u4e00-\\u9fff]'
const brackets = /\(([^()]*)\)/g
const marks = new RegExp(`(?<=${han}|[”」}）]|\\d)([,;?!]) ?(?=${han}|[“「（])|(?<=${han}|[”」）])([,;?!]|:(?! ?\\{\\{)) ?|(?<=[}\\w])(:) ?(?=${han})`, 'g')

/** The same text with wide punctuation where it stands beside Chinese; a colon before a number that is put in stays. */
export function typeset(text: string): string {
  const bracketed = text.replace(brackets, (whole, inner: string) => (new RegExp(han).test(inner) ? `（${inner}）` : whole))
  return bracketed.replace(marks, (_, a?: string, b?: string, c?: string) => wide[(a ?? b ?? c)!]!)
}

/** The same for every text of a file of texts. */
export function typesetAll<T>(value: T): T {
  if (typeof value === 'string') return typeset(value) as T
  if (Array.isArray(value)) return value.map(typesetAll) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, typesetAll(inner)])) as T
}
