import { Tabs as Radix } from 'radix-ui'
import type { MouseEvent, ReactNode } from 'react'
import { cx } from '@/lib/cx'

export interface Tab<K extends string> { key: K; label: ReactNode; count?: number; content?: ReactNode }

/** Focuses what was clicked on without a ring; Radix would focus it by script, for which browsers draw one. */
const quietly = (event: MouseEvent<HTMLElement>) => event.currentTarget.focus({ focusVisible: false } as FocusOptions)

/** Tabs with the arrow keys. Content of the tabs that are not shown is not drawn. */
export function Tabs<K extends string>({ label, tabs, value, onChange, after, className, contentClassName }: {
  label: string; tabs: Tab<K>[]; value: K; onChange: (key: K) => void; after?: ReactNode; className?: string; contentClassName?: string
}) {
  return (
    <Radix.Root value={value} onValueChange={(key) => onChange(key as K)} className={cx('flex min-h-0 flex-col', className)}>
      <div className="flex items-center border-b border-line pr-1">
        <Radix.List aria-label={label} className="flex min-w-0 flex-1 overflow-x-auto">
          {tabs.map((tab) => (
            <Radix.Trigger key={tab.key} value={tab.key} onMouseDown={quietly}
              className="touch relative h-9 shrink-0 px-3 text-muted outline-offset-[-2px] transition-colors hover:text-text data-[state=active]:font-medium data-[state=active]:text-text after:absolute after:inset-x-3 after:bottom-0 after:h-0.5 after:rounded-full data-[state=active]:after:bg-accent">
              {tab.label}{tab.count ? <span className="num ml-1 rounded-full bg-raised px-1.5 text-[11px] text-muted">{tab.count}</span> : null}
            </Radix.Trigger>
          ))}
        </Radix.List>
        {after}
      </div>
      {tabs.map((tab) => tab.content === undefined ? null : (
        <Radix.Content key={tab.key} value={tab.key} className={cx('min-h-0 flex-1 outline-offset-[-2px]', contentClassName)}>{tab.content}</Radix.Content>
      ))}
    </Radix.Root>
  )
}
