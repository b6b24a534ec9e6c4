import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const src = join(import.meta.dirname, '..')
const areas = readdirSync(join(src, 'areas'), { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name)

function keys(value: unknown, path = ''): string[] {
  if (typeof value === 'string') return [`${path} ${[...value.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]).sort().join()}`]
  return Object.entries(value as object).flatMap(([name, inner]) => keys(inner, path ? `${path}.${name}` : name))
}

describe('texts', () => {
  for (const folder of ['i18n', ...areas.map((name) => `areas/${name}`)]) {
    it(`${folder} says the same in both languages`, () => {
      const [zh, en] = ['zh', 'en'].map((l) => keys(JSON.parse(readFileSync(join(src, folder, `${l}.json`), 'utf8'))).sort())
      expect(zh).toEqual(en)
    })
  }
})
