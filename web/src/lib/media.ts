import { useSyncExternalStore } from 'react'

const narrow = matchMedia('(max-width: 640px)')

function follow(listener: () => void) {
  narrow.addEventListener('change', listener)
  return () => narrow.removeEventListener('change', listener)
}

/** Whether this is a phone: bottom tabs and sheets in place of panels and dialogs. */
export function usePhone(): boolean {
  return useSyncExternalStore(follow, () => narrow.matches)
}
