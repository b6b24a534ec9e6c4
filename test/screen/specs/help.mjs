// The help page tells the keys, and a digit typed on it opens the search.
export default async (desk) => {
  const { page } = desk
  await desk.enter('/help')
  await page.getByRole('heading', { name: desk.say('帮助', 'Help'), exact: true }).waitFor()
  await desk.picture('help')
  await desk.accessible('help')
  await desk.fits()
  await page.keyboard.press('6')
  await page.getByRole('combobox').fill('600519')
  await page.getByRole('option').filter({ hasText: '600519.SH' }).waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/security/600519.SH')
}
