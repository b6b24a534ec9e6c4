// The help page tells the keys, and a digit typed on it opens the search. Who types fast presses Enter before the list
// answers to what was typed: the security that was typed opens, not the first of the list before.
export default async (desk) => {
  const { page } = desk
  await desk.enter('/help')
  await page.getByRole('heading', { name: desk.say('帮助', 'Help'), exact: true }).waitFor()
  await desk.picture('help')
  await desk.accessible('help')
  await desk.fits()
  await page.keyboard.press('6')
  await page.getByRole('option').first().waitFor()
  await page.route('**/api/v1/search?*', async (route) => {
    await page.waitForTimeout(500)
    await route.continue()
  })
  await page.getByRole('combobox').fill('600519')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/security/600519.SH')
}
