import { flushSync } from 'react-dom'
import { Store, useStore } from './store'

const paper = matchMedia('print')

/** Whether the page is being put on paper now: then every row exists, black on white. */
export const printing = new Store(paper.matches)

// flushSync: the browser takes the page as it is when these handlers return.
const turn = (on: boolean) => flushSync(() => printing.set(on))

export function startPrinting(): void {
  addEventListener('beforeprint', () => turn(true))
  addEventListener('afterprint', () => turn(false))
  paper.addEventListener('change', () => turn(paper.matches))
}

export function usePrinting(): boolean {
  return useStore(printing)
}
