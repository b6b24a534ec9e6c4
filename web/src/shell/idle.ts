import { useEffect } from 'react'
import { lock, session } from '@/api/session'
import { useHabit } from '@/lib/preferences'

/** Minutes after which a screen that nobody touches is locked; 0: never. */
export const idleChoices = [5, 15, 30, 60, 0] as const
export const useIdleMinutes = () => useHabit<number>('settings', 'idleMinutes', 15)

const signs = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const

/** Locks the screen when it was left alone. Windows of one browser tell each other that somebody is there. */
export function useIdleLock(): void {
  const [minutes] = useIdleMinutes()
  useEffect(() => {
    if (minutes <= 0) return
    let last = Date.now()
    let told = 0
    const windows = 'BroadcastChannel' in globalThis ? new BroadcastChannel('evenkeel.presence') : undefined
    const here = () => {
      last = Date.now()
      if (last - told < 5_000) return
      told = last
      windows?.postMessage('here')
    }
    if (windows) windows.onmessage = () => { last = Date.now() }
    for (const sign of signs) addEventListener(sign, here, { passive: true, capture: true })
    const look = setInterval(() => {
      if (Date.now() - last < minutes * 60_000 || session.get().state !== 'somebody') return
      void lock()
    }, 1_000)
    return () => {
      clearInterval(look)
      windows?.close()
      for (const sign of signs) removeEventListener(sign, here, { capture: true })
    }
  }, [minutes])
}
