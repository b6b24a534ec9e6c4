// A security for which no rule is in force takes no orders, and the ticket says so: a fund under special treatment, of which
// the rules know nothing, on an exchange that lists it all the same.
export const house = 'listed'
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page } = desk
  desk.allow(/\/api\/v1\/(orders|preview)/)
  await desk.enter('/trade/510999.SH')
  await page.getByText(desk.say(/今日不接受委托/, /it takes no orders today/)).first().waitFor({ state: 'attached' })
  await page.locator('input[name=price]').fill('1.000')
  const quantity = page.locator('input[name=quantity]')
  await quantity.fill('100')
  await quantity.press('Enter')
  const [dialog, box] = [page.getByRole('dialog'), page.locator('[data-reason]')]
  await desk.until('what is said of it', async () => {
    if (await dialog.isVisible()) await page.keyboard.press('Enter')
    return box.isVisible()
  })
  await desk.tells(box, 'RULES_MISSING')
  await desk.accessible('a security without rules')
}
