import { describe, expect, it } from 'vitest'
import { isUnder, pageFor, place, seen, steps } from './tour'

const view = { width: 1440, height: 900 }
const card = { width: 340, height: 200 }

describe('pageFor', () => {
  it('leads to the page on which the element stands', () => {
    const ticket = steps.findIndex((s) => s.key === 'ticket')
    expect(pageFor(ticket, '/market')).toBe('/trade')
    expect(pageFor(0, '/help')).toBe('/market')
  })
  it('leaves who is there already, or whose step stands on every page', () => {
    expect(pageFor(0, '/market/a-group')).toBeUndefined()
    expect(pageFor(steps.findIndex((s) => s.key === 'ticket'), '/trade/600519.SH')).toBeUndefined()
    expect(pageFor(steps.findIndex((s) => s.key === 'settings'), '/account')).toBeUndefined()
    expect(pageFor(steps.length, '/market')).toBeUndefined()
  })
  it('takes no page for another that begins alike', () => expect(isUnder('/marketing', '/market')).toBe(false))
})

describe('place', () => {
  it('stands to the right, then below, then to the left, then above', () => {
    expect(place({ left: 6, top: 300, width: 56, height: 56 }, card, view)).toEqual({ left: 72, top: 300 })
    expect(place({ left: 1300, top: 6, width: 32, height: 32 }, card, view)).toEqual({ left: 1092, top: 48 })
    expect(place({ left: 620, top: 100, width: 810, height: 790 }, card, view)).toEqual({ left: 270, top: 100 })
    expect(place({ left: 200, top: 400, width: 1200, height: 490 }, card, view)).toEqual({ left: 630, top: 190 })
  })
  it('stands in the lower corner of what fills the window, and of the window itself', () => {
    expect(place({ left: 68, top: 44, width: 1372, height: 856 }, card, view)).toEqual({ left: 1090, top: 690 })
    expect(place(undefined, card, view)).toEqual({ left: 1092, top: 692 })
  })
  it('never leaves the window', () => {
    for (const width of [0, 40, 700, 1440]) for (const height of [0, 40, 500, 900]) for (const left of [0, 500, 1400]) for (const top of [0, 450, 890]) {
      const at = place({ left, top, width, height }, card, view)
      expect(at.left).toBeGreaterThanOrEqual(8)
      expect(at.top).toBeGreaterThanOrEqual(8)
      expect(at.left + card.width).toBeLessThanOrEqual(view.width - 8)
      expect(at.top + card.height).toBeLessThanOrEqual(view.height - 8)
    }
  })
})

describe('seen', () => {
  const room = { left: 68, top: 44, width: 1372, height: 856 }
  it('cuts off what is outside', () => expect(seen({ left: 0, top: 850, width: 100, height: 100 }, room)).toEqual({ left: 68, top: 850, width: 32, height: 50 }))
  it('is nothing for what is not there', () => {
    expect(seen({ left: 0, top: 0, width: 0, height: 0 }, room)).toBeUndefined()
    expect(seen({ left: 100, top: 950, width: 100, height: 100 }, room)).toBeUndefined()
  })
})
