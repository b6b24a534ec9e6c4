// The ticket as an investor uses it, for the specs that hold what it says of an order.

/** The ticket of a desk: its fields, the box in which a refusal is told, and what is done there. */
export function ticket(desk) {
  const { page } = desk
  const [price, quantity, kind] = [page.locator('input[name=price]'), page.locator('input[name=quantity]'), page.getByLabel(desk.say('委托类型', 'Order type'))]
  const dialog = page.getByRole('dialog')
  const box = page.locator('[data-reason]')
  let there = ''
  return {
    price, quantity, kind, dialog, box,
    /** Shows the ticket of a security; the first time it logs in as well. */
    async open(symbol) {
      if (symbol === there) return
      const path = `/trade/${symbol}`
      if (there === '') await desk.enter(path)
      else await page.goto(path)
      there = symbol
      await page.getByText(desk.say(/^可买/, /^Can buy/)).waitFor()
      await desk.until('a price', async () => Number(await price.inputValue()) > 0)
    },
    side: (word) => page.getByRole('group', { name: desk.say('买卖方向', 'Side') }).getByRole('button').nth(word === 'buy' ? 0 : 1).click(),
    /** Sends what stands in the ticket, and waits for what is said of it. */
    async send() {
      await quantity.press('Enter')
      await desk.until('what is said of it', async () => (await box.count()) > 0 || dialog.isVisible())
      if (await dialog.isVisible()) await page.keyboard.press('Enter')
      await box.waitFor()
    },
    async refused(reason, numbers) {
      const said = await box.getAttribute('data-reason')
      if (said !== reason) throw new Error(`refused for ${said}, not ${reason}`)
      await desk.tells(box, reason, numbers, reason === 'PRICE_OUTSIDE_CAGE' ? ['超出有效申报价格范围', 'is outside the price cage'] : undefined) // by the quote of now
    },
    /** Takes the refusal away by its button. */
    async shut() {
      await box.getByRole('button', { name: desk.say('关闭', 'Close') }).click()
      await box.waitFor({ state: 'hidden' })
    },
  }
}
