// A wrong password is refused in words; the right one opens the board, whose prices live.
export default async (desk) => {
  const { page, account } = desk
  await page.goto('/')
  const password = page.getByLabel(desk.say('密码', 'Password'))
  await page.locator('input[name=username]').fill(account.login)
  await password.fill('wrong password')
  await desk.picture('login')
  await desk.accessible('login')
  await desk.fits()
  desk.allow(/401.*\/api\/v1\/login/)
  await page.locator('button[type=submit]').click()
  await page.getByRole('alert').waitFor()
  await password.fill(account.password)
  await page.locator('button[type=submit]').click()
  await page.waitForURL('**/market')
  await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  const row = page.getByRole('row').filter({ hasText: /\d\.\d\d/ })
  await row.first().waitFor()
  await desk.picture('board')
  await desk.accessible('board')
  await desk.fits()
}
