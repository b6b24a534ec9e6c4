import { useCallback, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'wouter'
import { usePhone } from '@/lib/media'
import { useHabit } from '@/lib/preferences'
import { useStore } from '@/lib/store'
import { span } from '@/lib/time'
import { cx } from '@/lib/cx'
import { Button, IconButton, Price } from '@/ui'
import { pageFor, place, seen, steps, tour, type Box } from './tour'

const look = 250 // ms between two looks for what is pointed at: pages come late, and panes are moved

const found = (at: string) => document.querySelector<HTMLElement>(`[data-tour="${at}"]`)
const boxOf = (element: Element): Box => {
  const { left, top, width, height } = element.getBoundingClientRect()
  return { left, top, width, height }
}
const view = () => ({ width: document.documentElement.clientWidth, height: document.documentElement.clientHeight })

/** The first-run tour: begins by itself when the board is there and nobody is busy with something else. */
export default function Tour() {
  const step = useStore(tour)
  useEffect(() => {
    if (step !== undefined) return
    const timer = setInterval(() => {
      const busy = document.querySelector('[role=dialog]') ?? document.activeElement?.closest('input, textarea, select')
      if (!busy && found(steps[0]!.at)) tour.set(0)
    }, look)
    return () => clearInterval(timer)
  }, [step])
  return step === undefined ? null : <Card step={step} />
}

/** What is pointed at, as far as it is seen; looked for again and again, since the page goes on living. */
function useTarget(at: string): Box | undefined {
  const [box, setBox] = useState<Box>()
  useLayoutEffect(() => {
    let shown: Element | undefined
    const find = () => {
      const element = found(at)
      if (element && element !== shown) element.scrollIntoView({ block: 'nearest' })
      shown = element ?? undefined
      const next = element ? seen(boxOf(element), boxOf(element.closest('main') ?? document.documentElement)) : undefined
      setBox((now) => (JSON.stringify(now) === JSON.stringify(next) ? now : next))
    }
    find()
    const timer = setInterval(find, look)
    addEventListener('resize', find)
    addEventListener('scroll', find, { capture: true, passive: true })
    return () => {
      clearInterval(timer)
      removeEventListener('resize', find)
      removeEventListener('scroll', find, { capture: true })
    }
  }, [at])
  return box
}

/**
 * One step: a card beside what it tells of, or a sheet above the tabs of the phone. It is a dialog that blocks nothing:
 * the page beside it goes on working, Tab leaves it, and every key that is not its own goes to the page.
 */
function Card({ step }: { step: number }) {
  const { t, i18n } = useTranslation('help')
  const phone = usePhone()
  const [path, go] = useLocation()
  const [, setToured] = useHabit('help', 'toured', false)
  const card = useRef<HTMLDivElement>(null)
  const { key, at } = steps[step]!
  const target = useTarget(at)
  const [spot, setSpot] = useState<{ left: number; top: number }>()
  const last = step === steps.length - 1
  const over = useCallback(() => { setToured(true); tour.set(undefined) }, [setToured])
  const show = (next: number) => {
    if (next < 0 || next >= steps.length) return
    const page = pageFor(next, path)
    if (page) go(page)
    tour.set(next)
  }

  useLayoutEffect(() => { // the focus comes, and goes back to where it was if it is still here at the end
    const self = card.current!
    const before = document.activeElement
    self.focus({ preventScroll: true })
    return () => {
      if (!self.contains(document.activeElement)) return
      const back = before instanceof HTMLElement && before !== document.body && before.isConnected ? before : document.getElementById('main')
      back?.focus({ preventScroll: true })
    }
  }, [])
  useLayoutEffect(() => { // a button that is gone takes the focus with it
    if (document.activeElement === document.body) card.current?.focus({ preventScroll: true })
  }, [step])
  useLayoutEffect(() => {
    if (phone) return
    const { offsetWidth: width, offsetHeight: height } = card.current!
    const next = place(target, { width, height }, view())
    setSpot((now) => (now?.left === next.left && now.top === next.top ? now : next))
  })
  useEffect(() => { // before the page hears it: Esc ends the tour unless somebody is at work elsewhere
    const pressed = (event: globalThis.KeyboardEvent) => {
      const from = event.target as HTMLElement
      if (event.key !== 'Escape' || !(from === document.body || from.id === 'main' || card.current?.contains(from))) return
      event.preventDefault()
      event.stopPropagation()
      over()
    }
    addEventListener('keydown', pressed, { capture: true })
    return () => removeEventListener('keydown', pressed, { capture: true })
  }, [over])
  const arrows = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    show(step + by)
  }

  const zh = i18n.language === 'zh' ? 'zh' : 'en'
  return (
    <>
      {target ? <div aria-hidden="true" data-print="hide" data-tour-ring={at} className="animate-fade pointer-events-none fixed z-20 rounded-control shadow-[inset_0_0_0_2px_var(--accent),0_0_0_3px_var(--accent-soft)]" style={{ ...target }} key={at} /> : null}
      <div ref={card} role="dialog" aria-labelledby="tour-title" aria-describedby="tour-text" data-passive data-print="hide" tabIndex={-1} onKeyDown={arrows} style={phone ? undefined : spot}
        className={cx('flex flex-col gap-2 bg-raised text-text shadow-[var(--shadow)] focus:outline-none',
          phone ? 'animate-rise max-h-[46dvh] shrink-0 overflow-y-auto rounded-t-[16px] border-t border-edge px-4 pt-2 pb-3' : 'animate-fade fixed z-20 w-[340px] rounded-card border border-edge p-3 pt-2')}>
        <div className="flex items-center gap-2">
          <span className="num text-muted">{t('tour.at', { n: step + 1, of: steps.length })}</span>
          <span className="flex flex-1 gap-1" aria-hidden="true">{steps.map((s, i) => <span key={s.key} className={cx('h-1 w-3 rounded-full', i <= step ? 'bg-accent' : 'bg-edge')} />)}</span>
          <IconButton icon="close" size={16} label={t('tour.skip')} onClick={over} />
        </div>
        <div aria-live="polite">
          <h2 id="tour-title" className="text-[15px] font-semibold">{t(`tour.${key}.title`)}</h2>
          <p id="tour-text" className="mt-1 text-[14px] leading-relaxed text-muted">{t(`tour.${key}.text`)}</p>
          {key === 'honesty' ? <p className="mt-2 flex items-center gap-2 rounded-control bg-surface px-2.5 py-1.5"><Price value="12.34" stale className="text-[15px] font-medium" /><span className="num text-stale">{t('state.stale', { age: span(12_000, zh) })}</span></p> : null}
        </div>
        <div className="flex items-center gap-2 pt-1">
          {last ? null : <Button look="ghost" className="-ml-3" onClick={over}>{t('tour.skip')}</Button>}
          <span className="flex-1" />
          {step > 0 ? <Button onClick={() => show(step - 1)}>{t('tour.back')}</Button> : null}
          {last ? <Button look="primary" onClick={over}>{t('tour.done')}</Button> : <Button look="primary" onClick={() => show(step + 1)}>{t('tour.next')}</Button>}
        </div>
      </div>
    </>
  )
}
