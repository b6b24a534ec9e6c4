// What staff decide is on the screen at once: read-only within a tenth of a second, a halt wherever the security stands.
export const house = 'mortal' // what is read-only here hinders no other spec
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page } = desk
  const { accounts } = await (await fetch(desk.house.http + '/api/v1/demo')).json()
  const { login, password } = accounts.find((a) => a.staff)
  const staff = await desk.browser.newContext({ baseURL: desk.house.http })
  /** Sends an order from the ticket, and holds why it is refused. */
  const refused = async (reason) => {
    const quantity = page.locator('input[name=quantity]')
    await quantity.fill('100')
    await quantity.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    await page.keyboard.press('Enter')
    await desk.tells(page.locator(`[data-reason=${reason}]`), reason)
  }
  desk.allow(/\/api\/v1\/orders/)
  const act = async (data) => {
    const answer = await staff.request.post('/api/v1/ops/acts', { data: { reason: 'a drill', ...data } })
    if (!answer.ok()) throw new Error(`${data.act}: ${answer.status()} ${await answer.text()}`)
  }
  try {
    await staff.request.post('/api/v1/login', { data: { login, password } })
    await desk.enter('/trade/600000.SH')
    await page.locator('input[name=price]').waitFor()
    const banner = page.getByText(desk.say(/^系统暂为只读.*a drill/, /^Read-only for now.*a drill/))
    await page.evaluate(() => new MutationObserver(() => { window.shown ??= /a drill/.test(document.body.innerText) ? Date.now() : undefined }).observe(document.body, { subtree: true, childList: true }))
    const set = act({ act: 'read_only' }).then(() => Date.now())
    await banner.waitFor()
    const late = (await page.evaluate(() => window.shown)) - (await set)
    console.error(`read-only was shown ${late} ms after the act was answered`)
    await desk.accessible('read-only')
    await refused('READ_ONLY')
    await act({ act: 'read_write' })
    await banner.waitFor({ state: 'hidden' })
    await act({ act: 'halt', symbol: '600000.SH' })
    await page.getByText(desk.say('该证券已暂停交易', 'Trading in this security is halted')).waitFor()
    await refused('SECURITY_HALTED')
    for (const path of ['/market', '/security/600000.SH', '/account']) {
      await page.goto(path)
      await page.locator('[data-mark=halted]').first().waitFor()
    }
    await act({ act: 'resume', symbol: '600000.SH' })
    await page.locator('[data-mark=halted]').first().waitFor({ state: 'hidden' })
  } finally {
    await act({ act: 'read_write' }).catch(() => {})
    await act({ act: 'resume', symbol: '600000.SH' }).catch(() => {})
    await staff.close()
  }
}
