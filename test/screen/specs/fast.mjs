// Who types fast presses Enter before the list answers to what was typed: the security that was typed is chosen, in the
// search as in the ticket, and not the first of the list before.
export default async (desk) => {
  const { page } = desk
  // the security's name comes while somebody types already: what is typed stays alone in the field
  let named
  const late = new Promise((then) => { named = then })
  await page.route('**/api/v1/securities/600000.SH', async (route) => { await late; await route.continue() })
  await desk.enter('/trade/600000.SH')
  await page.getByRole('combobox').first().focus()
  named()
  await desk.until('the name', async () => (await page.getByRole('combobox').first().inputValue()).trim() !== '600000.SH')
  await page.keyboard.type('6')
  await page.getByRole('option').first().waitFor()
  await page.keyboard.press('Escape')

  await page.route('**/api/v1/search?*', async (route) => {
    await page.waitForTimeout(route.request().url().includes('600519') ? 500 : 0)
    await route.continue()
  })
  const field = page.getByRole('combobox').first()
  await field.fill('6')
  await page.getByRole('option').first().waitFor()
  await field.fill('600519')
  await field.press('Enter')
  await page.waitForURL('**/trade/600519.SH')

  await page.goto('/help')
  await page.getByRole('heading', { name: desk.say('帮助', 'Help'), exact: true }).waitFor()
  await page.keyboard.press('6')
  await page.getByRole('option').first().waitFor()
  await page.getByRole('combobox').fill('600519')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/security/600519.SH')
}
