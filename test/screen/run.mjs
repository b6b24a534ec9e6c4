// Plays every file of specs/ and prints `ok NAME` or `not ok NAME: why` for each. SPECS=a,b plays only those. A spec
// exports `default async (desk) => {}`; see desk.mjs for what it is given. It is played at both sizes and in both
// languages unless it exports `where`, and in the common house unless it exports `house`, a name of houses.mjs.
//
// One browser plays them all, LANES at a time: what is in one house with one account goes one after the other, and what
// is apart goes side by side; a house that is `apart` is opened for each size and language. Times, and what specs measured,
// are on standard error.
import { mkdirSync, readdirSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { Desk, wheres } from './desk.mjs'
import { apart, houses } from './houses.mjs'
import { judge } from './reasons.mjs'

const pictures = new URL('../../bin/screen/', import.meta.url).pathname
const only = process.env.SPECS?.split(',')
const lanesAtOnce = Number(process.env.LANES ?? 3)
mkdirSync(pictures, { recursive: true })

// Lanes: of the common house one for each account, of each other house one. Those that take longest begin first.
const lanes = new Map()
const names = readdirSync(new URL('specs/', import.meta.url)).filter((name) => name.endsWith('.mjs')).map((name) => name.slice(0, -4)).sort()
for (const name of names.filter((one) => !only || only.includes(one))) {
  const spec = await import(`./specs/${name}.mjs`)
  const kind = spec.house ?? 'common'
  if (!houses[kind]) throw new Error(`${name}: there is no house ${kind}`)
  for (const [number, where] of wheres.entries()) {
    if (spec.where && !spec.where.includes(where.name)) continue
    const house = apart.has(kind) ? `${kind} ${where.name}` : kind
    const lane = spec.house ? house : where.name
    if (!lanes.has(lane)) lanes.set(lane, [])
    lanes.get(lane).push({ name, play: spec.default, kind, house, where, number })
  }
}
const order = Object.keys(houses).reverse()
const queue = [...lanes.values()].sort((a, b) => order.indexOf(a[0].kind) - order.indexOf(b[0].kind))

const began = Date.now()
const open = new Map()
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
let failed = 0

const why = (error) => String(error?.stack ?? error).replace(/\u001b\[\d+m/g, '').split('\n').slice(0, 14).join(' | ')

async function play({ name, play, kind, house, where, number }) {
  const title = `${name} ${where.name}`
  const began = Date.now()
  let desk
  try {
    if (!open.has(house)) open.set(house, houses[kind](house.replaceAll(' ', '-')))
    const there = await open.get(house)
    await there.whole()
    desk = new Desk(browser, there, where, number)
    await desk.open()
    await play(desk)
    desk.quiet()
    const wrong = judge(name, desk.met)
    if (wrong) throw new Error(wrong)
    console.log(`ok ${title}`)
  } catch (error) {
    failed++
    const picture = `${pictures}${title.replaceAll(' ', '-')}.png`
    await desk?.page?.screenshot({ path: picture }).catch(() => {})
    console.log(`not ok ${title}: ${why(error)} (${picture})`)
  }
  console.error(`${title} took ${Date.now() - began} ms`)
  await desk?.close()
}

async function lane() {
  for (let jobs; (jobs = queue.shift()); ) for (const job of jobs) await play(job)
}

await Promise.all(Array.from({ length: lanesAtOnce }, lane))
await browser.close()
for (const [name, house] of open) {
  try {
    await (await house).stop()
  } catch (error) {
    failed++
    console.log(`not ok the end of the house ${name}: ${why(error)}`)
  }
}
console.error(`all took ${Date.now() - began} ms`)
process.exitCode = failed ? 1 : 0
