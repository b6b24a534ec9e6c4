// A passkey alone opens an account: made in settings, used without name and password, taken back. What the browser has
// not, and what its owner declines, is said in words. The site has a name here: an address in numbers has no passkeys.
export default async (desk) => {
  const { page, context, house } = desk
  const { login, password } = desk.spare
  const at = house.http.replace('127.0.0.1', 'localhost')
  const press = (zh, en, within = page) => within.getByRole('button', { name: desk.say(zh, en), exact: true }).click()
  const said = (zh, en) => page.getByRole('alert').filter({ hasText: desk.say(zh, en) }).waitFor()
  const dialog = page.getByRole('dialog')
  const withPassword = async (zh, en) => {
    await dialog.getByLabel(desk.say('当前密码', 'Current password'), { exact: true }).fill(password)
    await press(zh, en, dialog)
  }
  const alone = () => press('使用通行密钥登录', 'Sign in with a passkey')
  const inside = async () => {
    await page.waitForURL('**/settings')
    await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  }
  const leave = async () => {
    await press('退出登录', 'Log out', page.getByRole('banner'))
    await page.locator('input[name=username]').waitFor()
    await page.goto(`${at}/login?next=/settings`)
    await page.locator('input[name=username]').waitFor()
  }
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const plug = async () => (await cdp.send('WebAuthn.addVirtualAuthenticator', { options: {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: true } })).authenticatorId
  const authenticator = await plug()

  // an address in numbers has none
  await page.goto('/login')
  await alone()
  await said(/不支持通行密钥/, /has no passkeys/)
  await desk.picture('passkey-none')

  // made in settings: it finds itself, and tells the account's number to nobody
  await page.goto(`${at}/login?next=/settings`)
  await page.locator('input[name=username]').fill(login)
  await page.locator('input[name=password]').fill(password)
  await page.locator('button[type=submit]').click()
  await inside()
  await press('添加通行密钥', 'Add a passkey')
  await withPassword('继续', 'Go on')
  await page.getByText(desk.say('通行密钥已添加', 'The passkey was added')).waitFor()
  await press('我已保存', 'I have kept them', dialog) // its recovery codes: it is the account's first second proof
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId: authenticator })
  if (credentials.length !== 1 || !credentials[0].isResidentCredential) throw new Error(`passkeys: ${JSON.stringify(credentials)}`)
  if (Buffer.from(credentials[0].userHandle, 'base64').length < 32) throw new Error(`a handle that tells: ${credentials[0].userHandle}`)

  // it opens the account without name and password
  await leave()
  await desk.picture('passkey')
  await desk.accessible('login with a passkey')
  await desk.fits()
  await alone()
  await inside()

  // its owner is not there, or says no
  await leave()
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId: authenticator, isUserVerified: false })
  await alone()
  await said(/没有使用通行密钥/, /No passkey was used/)
  await desk.picture('passkey-declined')
  await desk.accessible('a passkey declined')
  await desk.fits()
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId: authenticator, isUserVerified: true })
  await alone()
  await inside()

  // what was taken back opens nothing, and the password still does
  const passkeys = page.getByRole('listitem').filter({ hasText: 'localhost' })
  await passkeys.getByRole('button', { name: desk.say('删除', 'Delete'), exact: true }).click()
  await withPassword('删除', 'Delete')
  await passkeys.waitFor({ state: 'detached' })
  await leave()
  desk.allow(/401.*\/api\/v1\//) // of what was under way when somebody left
  desk.allow(/422.*\/api\/v1\/login\/passkey\/confirm/)
  await alone()
  await said(/此通行密钥无法登录/, /This passkey opens no account here/)
  await desk.picture('passkey-revoked')
  await page.locator('input[name=username]').fill(login)
  await page.locator('input[name=password]').fill(password)
  await page.locator('button[type=submit]').click()
  await inside()
}
