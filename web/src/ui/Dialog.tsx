import { Dialog as Radix } from 'radix-ui'
import { useRef, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { cx } from '@/lib/cx'
import { IconButton } from './Button'

/** A dialog on the desktop, a sheet from below on the phone. Esc closes it, the focus stays inside and comes back. */
export function Dialog({ open, onClose, title, text, children, actions, wide }: {
  open: boolean; onClose: () => void; title: ReactNode; text?: ReactNode; children?: ReactNode; actions?: ReactNode; wide?: boolean
}) {
  const { t } = useTranslation()
  // Radix looks who had the focus when a field with autoFocus has it already, and would give it back to nobody.
  const before = useRef<Element | null>(null)
  const was = useRef(false)
  if (open && !was.current) before.current = document.activeElement
  was.current = open
  const giveBack = (event: Event) => {
    const to = before.current
    if (!(to instanceof HTMLElement) || !to.isConnected || to === document.body) return
    event.preventDefault()
    to.focus({ preventScroll: true })
  }
  return (
    <Radix.Root open={open} onOpenChange={(next) => { if (!next) onClose() }}>
      <Radix.Portal>
        <Radix.Overlay className="animate-fade fixed inset-0 z-40 bg-black/55" />
        <Radix.Content
          onCloseAutoFocus={giveBack}
          {...(text ? {} : { 'aria-describedby': undefined })}
          className={cx(
            'fixed z-50 flex max-h-[88dvh] flex-col bg-surface text-text shadow-[var(--shadow)] focus:outline-none',
            'max-phone:animate-sheet max-phone:inset-x-0 max-phone:bottom-0 max-phone:rounded-t-[16px] max-phone:pb-[env(safe-area-inset-bottom)]',
            'phone:animate-rise phone:top-1/2 phone:left-1/2 phone:-translate-x-1/2 phone:-translate-y-1/2 phone:rounded-card phone:border phone:border-line',
            wide ? 'phone:w-[min(92vw,760px)]' : 'phone:w-[min(92vw,440px)]',
          )}>
          <div className="flex items-center gap-2 border-b border-line py-2 pr-2 pl-4">
            <Radix.Title className="flex-1 text-[15px] font-semibold">{title}</Radix.Title>
            <Radix.Close asChild><IconButton icon="close" label={t('action.close')} /></Radix.Close>
          </div>
          <div className="min-h-0 flex-1 overflow-y-auto p-4">
            {text ? <Radix.Description className="mb-3 text-muted">{text}</Radix.Description> : null}
            {children}
          </div>
          {actions ? <div className="flex justify-end gap-2 border-t border-line p-3 max-phone:[&>*]:flex-1">{actions}</div> : null}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
