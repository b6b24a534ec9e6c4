// Why an order came to nothing, or a cancel is not taken, stands where the order stands: in the list, in its timeline, in a
// message. All refusals are the house's and the exchange's own; what the page knows before is held back on its way.
export const house = 'quiet' // there is nobody but who is named here
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page, spare: maker } = desk
  desk.allow(/\/api\/v1\/orders/)
  await desk.api('DELETE', '/v2/orders')
  await desk.enter('/trade/000001.SZ')
  const [price, quantity, kind] = [page.locator('input[name=price]'), page.locator('input[name=quantity]'), page.getByLabel(desk.say('委托类型', 'Order type'))]
  const dialog = page.getByRole('dialog')
  const tab = (zh, en) => page.getByRole('tab', { name: new RegExp(desk.say(zh, en)) }).click()
  await desk.until('a price', async () => Number(await price.inputValue()) > 0)
  await page.getByRole('checkbox').uncheck()
  await tab('全部委托', 'All orders')
  const newest = page.getByRole('row').filter({ hasText: '平安银行' }).first()
  const orders = async () => (await desk.api('GET', '/v2/orders?status=all&limit=500')).length
  const send = async (type, shares) => {
    const had = await orders()
    await kind.selectOption(type)
    await quantity.fill(shares)
    await quantity.press('Enter')
    await desk.until('the order', async () => {
      if (await dialog.isVisible()) await page.keyboard.press('Enter')
      return (await orders()) > had
    })
    await dialog.waitFor({ state: 'hidden' })
  }
  const came = async (reason) => {
    await desk.tells(newest, reason)
    await newest.click()
    await desk.tells(dialog, reason)
    await desk.accessible(`the timeline of ${reason}`)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
  }
  await send('OPPOSITE_BEST', '300') // the book is empty
  await came('NO_OPPOSITE_SIDE')
  await desk.order({ symbol: '000001.SZ', side: 'sell', qty: '100', limit_price: '11.40' }, maker)
  await desk.until('the ask', async () => (await desk.api('GET', '/api/v1/depth/000001.SZ')).asks[0]?.quantity === '100')
  await send('FOK', '200')
  await came('CANNOT_FILL_WHOLE')
  await send('BEST5_IOC', '400')
  await came('TYPE_REMAINDER')

  // a cancel: of somebody else's order, of none, of one that is over
  const mine = await desk.order({ symbol: '600000.SH', side: 'buy', qty: '100', limit_price: '9.80' })
  const other = await desk.order({ symbol: '600000.SH', side: 'buy', qty: '100', limit_price: '9.81' }, maker)
  await tab('未成交委托', 'Open orders')
  const cancel = page.getByRole('button', { name: desk.say(/^撤单:/, /^Cancel the order/) })
  const said = page.locator('[data-toasts]')
  let way
  await page.route('**/api/v1/orders/*', async (route) => { if (route.request().method() === 'DELETE') await way(route); else await route.continue() })
  const asked = async (reason, then) => {
    way = then
    await cancel.first().click()
    await desk.tells(said, reason)
    await desk.until('the name of the reason', async () => (await said.innerText()).includes(reason))
    await said.getByRole('button', { name: desk.say('关闭', 'Close') }).last().click()
  }
  const instead = (id) => (route) => route.continue({ url: route.request().url().replace(mine.id, id) })
  await cancel.first().waitFor()
  await asked('NOT_OWNER', instead(other.id))
  await asked('UNKNOWN_ORDER', instead(mine.id.slice(0, -8) + 'ffffffff'))
  await asked('ORDER_ALREADY_DONE', async (route) => { // the answer to the first is faster than the second
    await desk.api('DELETE', `/v2/orders/${mine.id}`)
    await desk.until('the end of the order', async () => (await desk.api('GET', `/v2/orders/${mine.id}`)).status === 'canceled')
    await route.continue()
  })
  await desk.api('DELETE', '/v2/orders', undefined, maker)
}
