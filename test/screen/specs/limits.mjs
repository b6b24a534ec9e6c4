// What an account cannot have more of, or does not have, is said where it was asked for: cash, keys, groups of securities,
// open orders. All refusals are the house's own.
export const house = 'quiet'
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page, context } = desk
  desk.allow(/\/api\/v1\/(cash|keys|orders)|\/v2\/watchlists/)
  const dialog = page.getByRole('dialog')
  const said = page.locator('[data-toasts]')
  const press = (zh, en, within = page) => within.getByRole('button', { name: desk.say(zh, en), exact: true }).click()
  const shut = async () => {
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
  }

  // cash: more than can be taken out, more than the books can hold, and nothing at all
  await desk.enter('/account')
  const { withdrawable } = (await desk.api('GET', '/api/v1/account')).balance
  await press('转入 / 转出', 'Deposit / withdraw')
  const amount = dialog.getByLabel(desk.say(/^金额/, /^Amount/))
  const move = async (way, sum) => {
    await dialog.getByText(way, { exact: true }).click()
    await amount.fill(sum)
    await press('确认转账', 'Move', dialog)
  }
  await move(desk.say('转出', 'Withdraw'), '5000000')
  await desk.tells(dialog, 'NOT_WITHDRAWABLE', ['5000000.00', withdrawable])
  await move(desk.say('转入', 'Deposit'), '9999999999999')
  await desk.tells(dialog, 'AMOUNT_OVERFLOWS', ['9999999999999.00', '1000000000000.00'])
  await page.route('**/api/v1/cash', (route) => route.continue({ postData: JSON.stringify({ ...JSON.parse(route.request().postData()), amount: '0' }) }))
  await move(desk.say('转入', 'Deposit'), '1') // the form sends no nothing: it is changed on its way
  await desk.tells(dialog, 'AMOUNT_NOT_POSITIVE')
  await shut()

  // keys: one too many, and one that is gone
  const made = []
  const key = async () => {
    let answer
    await desk.until('a turn', async () => { // so many at once are told to come back
      answer = await context.request.post('/api/v1/keys', { data: { label: 'one of many', permissions: ['read'] }, headers: { Origin: desk.house.http } })
      return answer.status() !== 429
    })
    if (answer.ok()) made.push((await answer.json()).id)
    return answer.ok()
  }
  try {
    while (await key()); // 16
    await page.goto('/settings')
    await press('新建密钥', 'New key')
    await dialog.getByLabel(desk.say('名称', 'Name'), { exact: true }).fill('one too many')
    await press('新建密钥', 'New key', dialog)
    await desk.tells(dialog, 'TOO_MANY_KEYS', ['17', '16'])
    await shut()
    const id = made.pop()
    await page.getByRole('listitem').filter({ hasText: id }).getByRole('button').click()
    await desk.house.desk('', 'revoke', desk.account.login, '--key-id', id) // meanwhile, elsewhere
    await press('吊销', 'Revoke', dialog)
    await desk.tells(said, 'UNKNOWN_KEY')
  } finally {
    for (const id of made) await desk.house.desk('', 'revoke', desk.account.login, '--key-id', id)
  }

  // groups of securities
  for (let n = 1, full = false; !full; ) {
    const answer = await context.request.post('/v2/watchlists', { data: { name: `group ${n}`, symbols: [] }, headers: { Origin: desk.house.http } })
    if (answer.ok()) n++
    full = !answer.ok() && answer.status() !== 429 // 429: so many at once are told to come back
  }
  await page.goto('/market')
  await press('新建分组', 'New group')
  await dialog.getByRole('textbox').fill(desk.say('多出的', 'one too many'))
  await press('建立', 'Make', dialog)
  await desk.tells(said, 'TOO_MANY_DOCUMENTS', ['33', '32'])
  await shut()

  // open orders: as many as an account may have
  const [few, batch] = [{ symbol: '000725.SZ', side: 'buy', qty: '100', limit_price: '3.98' }, 40]
  for (let full = false; !full; ) {
    const ends = await Promise.allSettled(Array.from({ length: batch }, () => desk.order(few)))
    const wrong = ends.filter((end) => end.status === 'rejected').map((end) => end.reason.message)
    full = wrong.some((text) => text.includes('TOO_MANY_OPEN_ORDERS'))
    const other = wrong.find((text) => !/TOO_MANY_OPEN_ORDERS|: 429 |: 503 /.test(text))
    if (other) throw new Error(other)
  }
  await page.goto('/trade/000725.SZ')
  const [price, quantity] = [page.locator('input[name=price]'), page.locator('input[name=quantity]')]
  await desk.until('a price', async () => Number(await price.inputValue()) > 0)
  await quantity.fill('100')
  await quantity.press('Enter')
  await dialog.waitFor()
  await page.keyboard.press('Enter')
  const box = page.locator('[data-reason]')
  await desk.tells(box, 'TOO_MANY_OPEN_ORDERS', ['1001', '1000'])
  if ((await box.getByRole('button').count()) > 1) throw new Error('a number of orders is offered as a price')
  await desk.accessible('as many orders as an account may have')
  await desk.api('DELETE', '/v2/orders')
}
