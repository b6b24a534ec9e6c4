import { useVirtualizer } from '@tanstack/react-virtual'
import { memo, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { cx } from '@/lib/cx'
import { usePhone } from '@/lib/media'
import { usePrinting } from '@/lib/printing'
import { Icon } from './Icon'

export interface Column<R> {
  key: string
  header: ReactNode
  /** A track of a CSS grid: "80px", "minmax(96px, 1fr)". */
  width: string
  align?: 'left' | 'right'
  /** Drawn again when the row or the columns are others: what changes otherwise is followed by what the cell draws. */
  cell: (row: R) => ReactNode
  sortable?: boolean
  /** Left out on the phone. */
  wide?: boolean
}

export interface Sort { key: string; down: boolean }

interface Props<R> {
  label: string
  rows: readonly R[]
  columns: Column<R>[]
  rowKey: (row: R) => string
  empty?: ReactNode
  /** Enter, or a click, on a row. */
  onOpen?: (row: R) => void
  /** Further keys on the row that is active: return true when it was yours. */
  onKey?: (event: KeyboardEvent, row: R) => boolean
  sort?: Sort
  onSort?: (sort: Sort | undefined) => void
  rowHeight?: number
  /** The rows that are drawn now changed: for asking only for what is seen. */
  onRange?: (rows: R[]) => void
  selected?: string
  className?: string
  /** Rows can be moved: by a handle that is dragged, or with Alt and the arrows. */
  onMove?: (from: number, to: number) => void
  /** As tall as its rows, without a scroll area of its own. */
  grow?: boolean
}

const side = (c: { align?: 'left' | 'right' }) => (c.align === 'right' ? 'justify-end text-right' : 'justify-start text-left')

/** The cells of one row: a row that only moves down, as all do when an order comes on top, keeps them as they are. */
const Cells = memo(function Cells<R>({ row, columns }: { row: R; columns: Column<R>[] }) {
  return columns.map((c) => <div key={c.key} role="gridcell" className={cx('flex min-w-0 items-center px-2', side(c))}>{c.cell(row)}</div>)
}) as <R>(props: { row: R; columns: Column<R>[] }) => ReactNode

/**
 * A table of any length: only the rows that are seen exist. A grid to the keyboard and to screen readers: arrows, Page
 * Up and Down, Home and End move, Enter opens. Cells follow their own data. On paper all rows exist, one below the other.
 */
export function Table<R>({ label, rows, columns, rowKey, empty, onOpen, onKey, sort, onSort, rowHeight, onRange, selected, className, grow: tall, onMove }: Props<R>) {
  const { t } = useTranslation()
  const id = useId()
  const phone = usePhone()
  const printed = usePrinting()
  const grow = tall || printed
  const shown = useMemo(() => (phone ? columns.filter((c) => !c.wide) : columns), [phone, columns])
  const scroller = useRef<HTMLDivElement>(null)
  const [active, setActive] = useState(0)
  const height = rowHeight ?? (phone ? 52 : 28)
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => height, overscan: 6 })
  const items = grow ? rows.map((_, index) => ({ index, start: index * height })) : virtual.getVirtualItems()
  useLayoutEffect(() => virtual.measure(), [height])
  const first = items[0]?.index ?? 0
  const last = items[items.length - 1]?.index ?? -1
  useLayoutEffect(() => onRange?.(rows.slice(first, last + 1)), [rows, first, last])
  const at = Math.min(active, Math.max(0, rows.length - 1))
  const handle = phone ? '44px' : '28px'
  const tracks = [...(onMove ? [handle] : []), ...shown.map((c) => c.width)].join(' ')
  const body = useRef<HTMLDivElement>(null)
  const [drag, setDrag] = useState<{ from: number; to: number }>()
  const [said, say] = useState('')

  const move = (to: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, to))
    setActive(next)
    if (!grow) virtual.scrollToIndex(next)
  }
  const put = (from: number, to: number) => {
    if (to === from || to < 0 || to >= rows.length) return
    onMove?.(from, to)
    move(to)
    say(t('table.moved', { at: to + 1, of: rows.length }))
  }
  /** The row under a pointer; near an edge the rows scroll along. */
  const under = (event: PointerEvent) => {
    const [area, box] = [scroller.current!, scroller.current!.getBoundingClientRect()]
    if (event.clientY > box.bottom - 24) area.scrollTop += 10
    else if (event.clientY < box.top + 54) area.scrollTop -= 10
    return Math.max(0, Math.min(rows.length - 1, Math.floor((event.clientY - body.current!.getBoundingClientRect().top) / height)))
  }
  const dragging = drag ? {
    onPointerMove: (event: PointerEvent) => setDrag({ from: drag.from, to: under(event) }),
    onPointerUp: () => { setDrag(undefined); put(drag.from, drag.to) },
    onPointerCancel: () => setDrag(undefined),
  } : {}
  const page = () => Math.max(1, Math.floor((scroller.current?.clientHeight ?? 300) / height) - 2)
  const key = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return
    const row = rows[at]
    if (row !== undefined && onKey?.(event, row)) return event.preventDefault()
    if (onMove && event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
      event.preventDefault()
      return put(at, at + (event.key === 'ArrowUp' ? -1 : 1))
    }
    const moves: Record<string, () => void> = {
      ArrowDown: () => move(at + 1), ArrowUp: () => move(at - 1), PageDown: () => move(at + page()), PageUp: () => move(at - page()),
      Home: () => move(0), End: () => move(rows.length - 1), Enter: () => row !== undefined && onOpen?.(row),
    }
    const does = moves[event.key]
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    does()
  }

  return (
    <>
    <div ref={scroller} role="grid" tabIndex={0} aria-label={label} aria-rowcount={rows.length + 1} aria-colcount={shown.length + (onMove ? 1 : 0)} onKeyDown={key} {...dragging}
      aria-activedescendant={rows.length > 0 ? `${id}-${at}` : undefined}
      className={cx('group/grid relative overflow-auto outline-offset-[-2px]', !grow && 'h-full', className)}>
      <div role="row" aria-rowindex={1} className="sticky top-0 z-10 grid min-w-full border-b border-line bg-surface text-muted" style={{ gridTemplateColumns: tracks, height: phone ? 44 : 30 }}>
        {onMove ? <div role="columnheader"><span className="sr-only">{t('table.order')}</span></div> : null}
        {shown.map((c) => {
          const sorted = sort?.key === c.key
          return (
            <div key={c.key} role="columnheader" aria-sort={c.sortable ? (sorted ? (sort.down ? 'descending' : 'ascending') : 'none') : undefined} className={cx('flex min-w-0 items-center px-2', side(c))}>
              {c.sortable && onSort ? (
                <button type="button" className="touch flex min-w-0 items-center gap-0.5 rounded hover:text-text"
                  onClick={() => onSort(sorted ? (sort.down ? { key: c.key, down: false } : undefined) : { key: c.key, down: true })}>
                  <span className="truncate">{c.header}</span>
                  {sorted ? <><Icon name={sort.down ? 'down' : 'up'} size={12} /><span className="sr-only">{t(sort.down ? 'table.sortDesc' : 'table.sortAsc')}</span></> : null}
                </button>
              ) : <span className="truncate">{c.header}</span>}
            </div>
          )
        })}
      </div>
      {rows.length === 0 ? <div role="row" aria-rowindex={2}><div role="gridcell">{empty}</div></div> : (
        <div ref={body} role="rowgroup" className="relative min-w-full" style={printed ? undefined : { height: grow ? rows.length * height : virtual.getTotalSize() }}>
          {items.map(({ index, start }) => {
            const row = rows[index]
            if (row === undefined) return null
            const name = rowKey(row)
            return (
              <div key={name} id={`${id}-${index}`} role="row" aria-rowindex={index + 2} aria-selected={selected === undefined ? undefined : selected === name}
                data-row={name} onClick={() => { setActive(index); onOpen?.(row) }}
                className={cx('grid border-b border-line/60 hover:bg-hover', printed ? 'break-inside-avoid' : 'absolute inset-x-0 top-0 contain-strict', onOpen && 'cursor-pointer',
                  selected === name && 'bg-accent-soft', index === at && 'group-focus-visible/grid:bg-hover group-focus-visible/grid:shadow-[inset_3px_0_0_var(--accent)]',
                  drag?.from === index && 'opacity-50', drag && drag.to === index && drag.to !== drag.from && (drag.to < drag.from ? 'shadow-[inset_0_2px_0_var(--accent)]' : 'shadow-[inset_0_-2px_0_var(--accent)]'))}
                style={{ gridTemplateColumns: tracks, height, transform: printed ? undefined : `translateY(${start}px)` }}>
                {onMove ? (
                  <div role="gridcell" data-handle title={t('table.move')} onClick={(event) => event.stopPropagation()}
                    onPointerDown={(event) => { if (event.button !== 0) return; event.preventDefault(); scroller.current!.setPointerCapture(event.pointerId); setActive(index); setDrag({ from: index, to: index }) }}
                    className="flex cursor-grab touch-none items-center justify-center text-faint active:cursor-grabbing"><Icon name="grip" size={16} /><span className="sr-only">{index + 1}</span></div>
                ) : null}
                <Cells row={row} columns={shown} />
              </div>
            )
          })}
        </div>
      )}
    </div>
    {onMove ? <span role="status" className="sr-only">{said}</span> : null}
    </>
  )
}
