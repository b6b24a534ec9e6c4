// Plays every file of specs/ against the house of EVENKEEL_HOUSE (its demo.json) and prints `ok NAME` or
// `not ok NAME: why` for each. SPECS=a,b plays only those. A spec exports `default async ({ page, ... }) => {}`; see
// desk.mjs for what it is given. It is played at both sizes and in both languages unless it exports `where`.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { Desk, wheres } from './desk.mjs'

const house = JSON.parse(readFileSync(process.env.EVENKEEL_HOUSE, 'utf8'))
const pictures = new URL('../../bin/screen/', import.meta.url).pathname
const only = process.env.SPECS?.split(',')
mkdirSync(pictures, { recursive: true })

const names = readdirSync(new URL('specs/', import.meta.url)).filter((name) => name.endsWith('.mjs')).map((name) => name.slice(0, -4)).sort()
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
let failed = 0
for (const name of names.filter((one) => !only || only.includes(one))) {
  const spec = await import(`./specs/${name}.mjs`)
  for (const [number, where] of wheres.entries()) {
    if (spec.where && !spec.where.includes(where.name)) continue
    const desk = new Desk(browser, house, where, number)
    const title = `${name} ${where.name}`
    const began = Date.now()
    try {
      await desk.open()
      await spec.default(desk)
      desk.quiet()
      console.log(`ok ${title}`)
    } catch (error) {
      failed++
      const picture = `${pictures}${title.replaceAll(' ', '-')}.png`
      await desk.page?.screenshot({ path: picture }).catch(() => {})
      console.log(`not ok ${title}: ${String(error?.stack ?? error).replace(/\u001b\[\d+m/g, '').split('\n').slice(0, 14).join(' | ')} (${picture})`)
    }
    console.error(`${title} took ${Date.now() - began} ms`)
    await desk.close()
  }
}
await browser.close()
process.exitCode = failed ? 1 : 0
