// What has no answer is asked for, and never sent twice; what is written without a network waits for a word.
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page, context } = desk
  desk.allow(/ERR_FAILED|ERR_INTERNET_DISCONNECTED|by_client_order_id|WebSocket|Failed to fetch/)
  await desk.enter('/trade/000001.SZ')
  const [price, quantity] = [page.locator('input[name=price]'), page.locator('input[name=quantity]')]
  await desk.until('a price', async () => Number(await price.inputValue()) > 0)
  await page.getByRole('checkbox').uncheck()
  await page.getByRole('button', { name: desk.say(/^跌停/, /^Limit ↓/) }).click() // it rests
  const orders = async () => (await desk.api('GET', '/v2/orders?status=all&limit=500')).filter((o) => o.symbol === '000001.SZ').length
  const had = await orders()

  const dialog = page.getByRole('dialog')
  let times = 0 // that the browser sent an order
  const send = async () => { // where little was traded yet, the ticket remarks on it, and asks all the same
    await quantity.press('Enter')
    await desk.until('the order to be on its way', async () => {
      if (await dialog.isVisible()) await dialog.getByRole('button', { name: desk.say('买入', 'Buy') }).last().click()
      return times > 0 || (await page.locator('[data-sent]').count()) > 0 // what has no answer is soon found, and gone again
    })
  }
  await page.route('**/api/v1/orders', async (route) => { // the order arrives, its answer does not
    if (route.request().method() !== 'POST') return route.continue()
    times++
    await route.fetch()
    await route.abort()
  })
  await quantity.fill('100')
  await send()
  await desk.until('the order', async () => (await orders()) === had + 1)
  await desk.until('no order without an answer', async () => (await page.locator('[data-sent]').count()) === 0)
  await page.unroute('**/api/v1/orders')
  if (times !== 1 || (await orders()) !== had + 1) throw new Error(`sent ${times} times, ${(await orders()) - had} orders`)

  await context.setOffline(true)
  await page.locator('[data-link=offline]').waitFor({ state: 'attached' })
  times = 0
  await quantity.fill('200')
  const draft = page.locator('[data-sent=draft]')
  await send()
  await draft.waitFor()
  await desk.accessible('a draft')
  await context.setOffline(false)
  await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  if ((await orders()) !== had + 1) throw new Error('a draft was sent without a word')
  await draft.getByRole('button', { name: desk.say('现在发出', 'Send now') }).click()
  await desk.until('the draft at the books', async () => (await orders()) === had + 2)
  await draft.waitFor({ state: 'hidden' })
  await desk.api('DELETE', '/v2/orders')
}
