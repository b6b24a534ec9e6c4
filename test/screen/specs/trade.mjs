// Login to fill to statement: an order by keyboard is filled, told in its timeline, in the positions and on paper; another
// rests and is cancelled. The page is clean to axe, and no wider than its window.
export default async (desk) => {
  const { page } = desk
  const { qty } = await desk.api('GET', '/v2/positions/600000.SH')
  await desk.enter('/trade/600000.SH')
  const form = page.getByRole('form')
  const [price, quantity] = [page.locator('input[name=price]'), page.locator('input[name=quantity]')]
  await desk.until('a price', async () => Number(await price.inputValue()) > 0)
  const ask = page.getByRole('group', { name: desk.say('五档盘口', 'Five levels') }).getByRole('button', { name: new RegExp(desk.say('^卖1 ', '^A1 ')) })
  await desk.picture?.('trade')
  await desk.accessible('trade')
  await desk.fits()

  await page.waitForFunction((e) => !e.disabled, await ask.elementHandle())
  await ask.click()
  const touch = Number(await price.inputValue())
  if (!(touch > 0)) throw new Error(`a click on the first ask took the price ${touch}`)
  await price.fill((touch * 1.015).toFixed(2)) // within the price cage, and filled even when the ask moves meanwhile
  await quantity.fill('200')
  await desk.until('the fees', async () => /\d\.\d\d/.test(await form.locator('dl').first().locator('dd').nth(1).innerText()))
  await quantity.press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.waitFor()
  await desk.picture?.('confirm')
  await desk.accessible('confirm')
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'hidden' })
  const tab = (zh, en) => page.getByRole('tab', { name: new RegExp(desk.say(zh, en)) }).click()
  await tab('全部委托', 'All orders')
  const filled = page.getByRole('row').filter({ hasText: desk.say('已成交', 'Filled') }).first()
  await filled.waitFor()
  await filled.click()
  for (const step of ['sent', 'accepted', 'atExchange', 'fill', 'filled']) await dialog.locator(`[data-step=${step}]`).first().waitFor()
  await desk.picture?.('timeline')
  await desk.accessible('the timeline')
  await page.keyboard.press('Escape')
  await tab('持仓', 'Positions')
  await page.getByRole('row').filter({ hasText: (Number(qty) + 200).toLocaleString('en') }).waitFor()

  // the lowest price of the day rests
  await page.getByRole('button', { name: desk.say(/^跌停/, /^Limit ↓/) }).click()
  await quantity.fill('100')
  await quantity.press('Enter')
  await dialog.waitFor()
  await page.keyboard.press('Enter')
  await tab('未成交委托', 'Open orders')
  const cancel = page.getByRole('button', { name: desk.say(/^撤单:/, /^Cancel the order/) })
  await cancel.first().waitFor()
  await page.keyboard.press('F8')
  await dialog.waitFor()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  // the answer to its cancel is lost: nothing is sent twice, and what became of it is found out
  desk.allow(/ERR_FAILED/)
  let cancels = 0
  await page.route('**/api/v1/orders/*', async (route) => {
    if (route.request().method() !== 'DELETE') return cancels > 0 ? route.abort() : route.continue()
    cancels++
    await route.fetch()
    return route.abort().catch(() => {}) // it is lost all the same when this is taken off meanwhile
  })
  await cancel.first().click()
  await desk.until('the cancel to be lost', () => cancels === 1)
  await page.unroute('**/api/v1/orders/*')
  await page.getByText(desk.say('没有未成交的委托', 'No open orders')).waitFor()
  if (cancels !== 1) throw new Error(`${cancels} cancels were sent for one word`)

  await page.goto('/account')
  await page.getByText(desk.say('可取资金', 'Withdrawable')).waitFor()
  await desk.picture?.('account')
  await desk.accessible('account')
  await desk.fits()
  const saved = async (button) => (await Promise.all([page.waitForEvent('download'), button.click()]))[0].suggestedFilename()
  for (const [zh, en, file] of [['历史委托', 'Orders', 'orders.csv'], ['历史成交', 'Trades', 'trades.csv'], ['资金流水', 'Cash', 'cash.csv']]) {
    await tab(zh, en)
    const name = await saved(page.getByRole('button', { name: 'CSV' }))
    if (name !== file) throw new Error(`the file of ${en} is ${name}`)
    if (file === 'cash.csv') await page.getByRole('row').filter({ hasText: desk.say('买入', 'Buy') }).filter({ hasText: /-\d[\d,]*\.\d\d/ }).first().waitFor()
    await desk.accessible(en)
  }
  await tab('对账单', 'Statements')
  const name = await saved(page.getByRole('button', { name: desk.say('中文', 'English') }).first())
  if (!/^evenkeel-\d+-\d{4}-\d\d\.pdf$/.test(name)) throw new Error(`the statement is ${name}`)
  await desk.accessible('statements')
  const kept = await page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage))
  if (/600000|demo\d|\d{6}\.\d\d/.test(kept)) throw new Error(`the browser keeps of the account: ${kept}`)
}
