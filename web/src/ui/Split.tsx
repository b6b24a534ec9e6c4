import { Fragment, type ReactNode } from 'react'
import { Group, Panel, Separator } from 'react-resizable-panels'
import { useHabit } from '@/lib/preferences'
import { cx } from '@/lib/cx'

export interface Pane { id: string; /** percent, until somebody moves the bar */ size: number; min: string; max?: string; className?: string; content: ReactNode }

/** Panes side by side whose widths the reader chooses, with the pointer or the arrows; kept in this browser by area. */
export function Split({ area, label, panes, className }: { area: string; label: string; panes: Pane[]; className?: string }) {
  const [layout, setLayout] = useHabit<Record<string, number>>(area, 'layout', Object.fromEntries(panes.map((p) => [p.id, p.size])))
  return (
    <Group orientation="horizontal" defaultLayout={layout} onLayoutChanged={setLayout} className={cx('min-h-0 flex-1', className)}>
      {panes.map((p, i) => (
        <Fragment key={p.id}>
          {i === 0 ? null : <Separator aria-label={label} className="w-1.5 bg-ground transition-colors hover:bg-accent focus-visible:bg-accent" />}
          <Panel id={p.id} minSize={p.min} maxSize={p.max} className={p.className}>{p.content}</Panel>
        </Fragment>
      ))}
    </Group>
  )
}
