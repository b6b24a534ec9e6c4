import { describe, expect, it } from 'vitest'
import en from './en.json'
import { found, groupOf, groups, pieces, reasonRows, sectionsOf, wordsOf, type Texts } from './help'
import zh from './zh.json'

const both = { zh: sectionsOf(zh.sections as unknown as Texts), en: sectionsOf(en.sections as unknown as Texts) }

describe('found', () => {
  it('is everything when nothing is asked', () => expect(found(both.zh, '  ')).toEqual(both.zh))
  it('leaves the rows that have every word', () => {
    const [section, ...others] = found(both.en, 'CANCEL all f8')
    expect(others).toEqual([])
    expect(section?.rows.map((row) => row.id)).toEqual(['keys.cancelAll'])
    expect(found(both.zh, '恢复码').flatMap((s) => s.rows.map((row) => row.id))).toContain('login.recovery')
  })
  it('keeps a section whole by its title', () => {
    const all = both.zh.find((s) => s.id === 'types')!
    expect(found(both.zh, all.title).find((s) => s.id === 'types')).toEqual(all)
  })
  it('finds nothing in nonsense', () => expect(found(both.en, 'qwertz')).toEqual([]))
  it('finds a reason by its words as well as by its name', () => {
    const reason = { reason: 'PRICE_NOT_ON_TICK', code: 42210000, status: 422, message_en: 'the price is not a multiple of the tick', message_zh: '' }
    const sections = [{ id: 'refusals', title: 'Why', text: '', rows: reasonRows([reason], (r) => r.message_en, (g) => g) }]
    for (const query of ['PRICE_NOT_ON_TICK', 'price not on', 'multiple tick']) expect(found(sections, query)).toHaveLength(1)
  })
  it('reads full width as half', () => expect(wordsOf('Ｆ８，撤单')).toEqual(['f8', '撤单']))
})

describe('groupOf', () => {
  it('follows the blocks of the codes', () => {
    const group = (code: number) => groupOf({ code, status: Math.floor(code / 100_000) })
    expect(group(200_00000)).toBeUndefined()
    expect(group(403_10000)).toBe('money')
    expect(group(422_10000)).toBe('price')
    expect(group(422_10114)).toBe('market')
    expect(group(422_10139)).toBe('price')
    expect(group(422_10150)).toBe('order')
    expect(group(422_10011)).toBe('entry')
    expect(group(503_10000)).toBe('wait')
    expect(group(500_00000)).toBe('ours')
    expect(group(413_10000)).toBe('program')
  })
  it('has a heading and a word for each', () => {
    for (const group of groups) for (const texts of [zh, en]) {
      expect(texts.group[group]).toBeTruthy()
      expect(texts.groupText[group]).toBeTruthy()
    }
  })
})

describe('pieces', () => {
  it('cuts out what was looked for, as it is written', () => {
    expect(pieces('Press Esc (or esc)', ['esc'])).toEqual(['Press ', 'Esc', ' (or ', 'esc', ')'])
    expect(pieces('+ −', ['+'])).toEqual(['', '+', ' −'])
    expect(pieces('as it is', [])).toEqual(['as it is'])
  })
})
