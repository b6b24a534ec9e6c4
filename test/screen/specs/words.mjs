// The words of every reason that no order of refusals and unsent brings about, given in place of the house: none lacks a
// language or breaks the box that tells it.
import { reasons as table } from '../reasons.mjs'
import { ticket } from '../ticket.mjs'

export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page } = desk
  const { quantity, box, open, send, shut } = ticket(desk)
  desk.allow(/\/api\/v1\/orders/)
  await open('600000.SH')
  await page.getByRole('checkbox').uncheck()
  const { reasons } = await desk.api('GET', '/api/v1/reasons')
  const nameless = Object.values(table).filter((r) => !reasons.some((one) => one.reason === r.said)).map((r) => r.said)
  if (nameless.length) throw new Error(`the house does not say ${nameless}`)
  let next
  await page.route('**/api/v1/orders', (route) => (route.request().method() !== 'POST' ? route.continue() : route.fulfill({
    status: next.status < 400 ? 422 : next.status, contentType: 'application/json',
    body: JSON.stringify({ code: next.code, reason: next.reason, message: next.message_en, message_en: next.message_en, message_zh: next.message_zh, request_id: 'req-1', docs: '', given: '1', bound: '2', nearest: '3' }),
  })))
  const told = Object.values(table).filter((r) => ['refusals', 'unsent'].includes(r.in)).map((r) => r.said)
  const aside = ['OUTCOME_UNKNOWN', 'TIMEOUT', 'NETWORK', 'INTERNAL', ...told] // the first four are no refusals: the order is asked for
  const rest = reasons.filter((r) => r.status >= 400 && r.status !== 401 && !aside.includes(r.reason))
  if (rest.length < 60) throw new Error(`only ${rest.length} reasons are left`)
  const plain = (said) => said.normalize('NFKC').replace(/([,;:?!]) /g, '$1') // Chinese is set with wide punctuation
  for (const [n, one] of rest.entries()) {
    next = one
    await quantity.fill(n % 2 ? '300' : '200') // a change takes the last refusal away
    await box.waitFor({ state: 'hidden' })
    await send()
    const said = await box.getAttribute('data-reason')
    const text = plain(await box.innerText())
    const words = plain(desk.say(next.message_zh, next.message_en))
    if (said !== next.reason || !text.includes(words)) throw new Error(`${next.reason} is told as ${text}`)
  }
  await shut()
}
