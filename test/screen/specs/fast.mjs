// Who types fast presses Enter before the list answers to what was typed: the security that was typed is chosen, in the
// search as in the ticket, and not the first of the list before.
export default async (desk) => {
  const { page } = desk
  await desk.enter('/trade')
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
