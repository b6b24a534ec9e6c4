import { useTranslation } from 'react-i18next'
import { Refusal } from '@/api/client'
import { cx } from '@/lib/cx'
import { Store, useStore } from '@/lib/store'
import { IconButton } from './Button'
import { Icon, type IconName } from './Icon'

export interface Toast { id: number; tone: 'info' | 'good' | 'warn' | 'danger'; text: string; detail?: string }

const toasts = new Store<Toast[]>([])
let last = 0
const most = 4

/** Shows a text for a while, and has it read out politely; what is wrong stays until it is closed. */
export function toast(tone: Toast['tone'], text: string, detail?: string): void {
  const id = ++last
  toasts.set((list) => [...list.slice(1 - most), { id, tone, text, detail }])
  if (tone !== 'danger') setTimeout(() => dismiss(id), 6_000)
}

/** Shows what went wrong, in the words of the server. */
export function toastError(error: unknown, language: string): void {
  if (error instanceof Refusal) toast('danger', error.words(language), error.reason)
  else toast('danger', error instanceof Error ? error.message : String(error))
}

function dismiss(id: number): void {
  toasts.set((list) => list.filter((item) => item.id !== id))
}

const tones: Record<Toast['tone'], [string, IconName]> = {
  info: ['text-accent', 'info'], good: ['text-good', 'check'], warn: ['text-warn', 'warn'], danger: ['text-danger', 'warn'],
}

/** Where toasts appear; once, in the shell. */
export function Toasts() {
  const { t } = useTranslation()
  const list = useStore(toasts)
  return (
    <div role="region" aria-label={t('toast.region')} data-print="hide" data-toasts className="pointer-events-none fixed right-3 bottom-3 z-60 flex w-[min(92vw,360px)] flex-col gap-2 max-phone:bottom-[calc(72px+env(safe-area-inset-bottom))]">
      <div aria-live="polite" aria-atomic="false" className="contents">
        {list.map((item) => (
          <div key={item.id} className="animate-rise pointer-events-auto flex items-start gap-2 rounded-card border border-line bg-raised py-2 pr-1 pl-3 shadow-[var(--shadow)]">
            <Icon name={tones[item.tone][1]} className={cx('mt-1.5 shrink-0', tones[item.tone][0])} />
            <div className="min-w-0 flex-1 py-1">
              <p className="break-words">{item.text}</p>
              {item.detail ? <p className="text-faint break-words">{item.detail}</p> : null}
            </div>
            <IconButton icon="close" label={t('action.close')} size={16} onClick={() => dismiss(item.id)} />
          </div>
        ))}
      </div>
    </div>
  )
}
