// How an account is entered: an authenticator app, recovery codes, a passkey beside the password and in place of it; its
// logins, its keys, its password, the lock. What is wrong is said where it was typed, and what was taken back opens
// nothing. The site has a name here: an address in numbers has no passkeys.
import { createHmac } from 'node:crypto'

export const where = ['desktop zh', 'phone en']

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The code that an authenticator app shows now (RFC 6238). */
function codeOf(secret) {
  const bits = [...secret].map((c) => letters.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const period = Buffer.alloc(8)
  period.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)))
  const hash = createHmac('sha1', key).update(period).digest()
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0')
}

export default async (desk) => {
  const { page, context } = desk
  const { login, password } = desk.spare
  const at = desk.house.http.replace('127.0.0.1', 'localhost')
  const dialog = page.getByRole('dialog')
  const field = (zh, en) => dialog.getByLabel(desk.say(zh, en), { exact: true })
  const press = (zh, en, within = page) => within.getByRole('button', { name: desk.say(zh, en), exact: true }).click()
  const card = (zh, en) => page.locator('section').filter({ has: page.getByRole('heading', { name: desk.say(zh, en), exact: true }) }).last()
  const wrong = new RegExp(desk.say('密码或验证码不正确', 'the password or code is wrong'))
  const enter = async (next) => {
    await page.goto(`${at}/login?next=${next}`)
    await page.locator('input[name=username]').fill(login)
    await page.locator('input[name=password]').fill(password)
    await page.locator('button[type=submit]').click()
  }
  const inside = async (path) => {
    await page.waitForURL(`**${path}`)
    await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  }
  const leave = async () => {
    await press('退出登录', 'Log out', page.getByRole('banner'))
    await page.locator('input[name=username]').waitFor()
  }
  desk.allow(/4(01|22|04).*\/api\/v1\//)
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } })

  await enter('/settings')
  await inside('/settings')
  const other = await context.browser().newContext({ ...desk.where.size, locale: desk.language === 'zh' ? 'zh-CN' : 'en-GB' })
  const another = await other.newPage()
  const opened = await other.request.post(`${at}/api/v1/login`, { data: { login, password } })
  if (!opened.ok()) throw new Error(`another device: ${opened.status()}`)
  await another.goto(`${at}/account`)
  await another.locator('[data-link=live]').waitFor({ state: 'attached' })

  // an authenticator app
  await press('启用身份验证器', 'Enrol an authenticator app')
  await field('当前密码', 'Current password').fill('not the password')
  await press('继续', 'Go on', dialog)
  await dialog.getByText(wrong).waitFor()
  await field('当前密码', 'Current password').fill(password)
  await press('继续', 'Go on', dialog)
  const secret = (await dialog.locator('p.select-all').innerText()).replaceAll(/\s/g, '')
  await desk.picture('enrol')
  await desk.accessible('enrol')
  await field('验证码', 'Code').fill('000000')
  await press('继续', 'Go on', dialog)
  await dialog.getByText(wrong).waitFor()
  await field('验证码', 'Code').fill(codeOf(secret))
  await press('继续', 'Go on', dialog)
  await dialog.getByRole('listitem').first().waitFor()
  const recovery = await dialog.getByRole('listitem').allInnerTexts()
  if (recovery.length !== 10) throw new Error(`${recovery.length} recovery codes`)
  await desk.picture('recovery')
  await press('我已保存', 'I have kept them', dialog)
  await page.getByText(desk.say(/剩余 ?10 ?个恢复码/, /10 recovery codes are left/)).waitFor()

  // a wrong code is said where it was typed, and the right one opens
  await leave()
  await enter('/settings')
  const code = page.locator('input[name=one-time-code]')
  await code.fill('000000')
  await page.locator('button[type=submit]').click()
  await page.getByRole('alert').filter({ hasText: wrong }).waitFor()
  await desk.picture('second')
  await desk.accessible('the second step')
  await code.fill(codeOf(secret))
  await page.locator('button[type=submit]').click()
  await inside('/settings')
  await leave()
  await enter('/settings')
  await code.fill(recovery[0])
  await page.locator('button[type=submit]').click()
  await inside('/settings')
  await page.getByText(desk.say(/剩余 ?9 ?个恢复码/, /9 recovery codes are left/)).waitFor()

  // a passkey in place of name and password, and beside them
  await press('添加通行密钥', 'Add a passkey')
  await field('当前密码', 'Current password').fill(password)
  await press('继续', 'Go on', dialog)
  await page.getByText(desk.say('通行密钥已添加', 'The passkey was added')).waitFor()
  await desk.picture('settings')
  await desk.accessible('settings')
  await desk.fits()
  await leave()
  await page.goto(`${at}/login?next=/settings`)
  await page.locator('input[name=username]').waitFor()
  await desk.picture('passkey')
  await press('使用通行密钥登录', 'Sign in with a passkey')
  await inside('/settings')
  await leave()
  await enter('/settings')
  await press('使用通行密钥', 'Use a passkey')
  await inside('/settings')

  // another device is shut out at once
  const logins = card('登录与设备', 'Logins and devices')
  await logins.getByRole('listitem').nth(1).waitFor()
  await press('结束其他全部', 'End all others', logins)
  await desk.until('one login', async () => (await logins.getByRole('listitem').count()) === 1)
  await another.reload()
  await another.locator('input[name=username]').waitFor()
  await other.close()

  // a key is shown once, works, and is revoked
  const keys = card('API 密钥', 'API keys')
  await press('新建密钥', 'New key', keys)
  await field('名称', 'Name').fill('a program')
  await press('新建密钥', 'New key', dialog)
  await dialog.getByText(desk.say('密钥已建立', 'The key was made')).waitFor()
  const [id, hidden] = await dialog.locator('p.select-all').allInnerTexts()
  await desk.picture('key')
  await press('我已保存', 'I have kept them', dialog)
  const asked = async () => (await fetch(`${desk.house.http}/v2/account`, { headers: { 'APCA-API-KEY-ID': id, 'APCA-API-SECRET-KEY': hidden } })).status
  if ((await asked()) !== 200) throw new Error('a new key does not open its account')
  await keys.getByRole('listitem').filter({ hasText: id }).getByRole('button').click()
  await press('吊销', 'Revoke', dialog)
  await dialog.waitFor({ state: 'hidden' })
  await desk.until('the key to be nothing', async () => (await asked()) === 401)

  // the password
  const [mine, next] = [card('登录密码', 'Password'), `${password} two`]
  const change = async (old, fresh, again = fresh) => {
    await mine.getByLabel(desk.say('当前密码', 'Current password')).fill(old)
    await mine.getByLabel(desk.say('新密码', 'New password'), { exact: true }).fill(fresh)
    await mine.getByLabel(desk.say('再次输入新密码', 'New password again')).fill(again)
    const button = mine.getByRole('button')
    if (await button.isEnabled()) await button.click()
  }
  await change(password, next, 'another')
  await mine.getByText(desk.say('两次输入不一致', 'They differ')).waitFor()
  await change('not the password', next)
  await mine.getByRole('alert').or(mine.locator('[aria-invalid=true]')).first().waitFor()
  await change(password, next)
  await page.getByText(desk.say('密码已更改', 'The password was changed')).first().waitFor()
  await desk.until('empty fields', async () => (await mine.getByLabel(desk.say('当前密码', 'Current password')).inputValue()) === '')
  await change(next, password)
  await desk.until('empty fields', async () => (await mine.getByLabel(desk.say('当前密码', 'Current password')).inputValue()) === '')

  // the lock: nothing of the account behind it
  await press('立即锁定', 'Lock now')
  const lock = page.locator('input[name=password]')
  await lock.fill('not the password')
  await page.locator('button[type=submit]').click()
  await page.getByRole('alert').or(page.locator('[aria-invalid=true]')).first().waitFor()
  await desk.picture('locked')
  await desk.accessible('the lock')
  await lock.fill(password)
  await page.locator('button[type=submit]').click()
  await inside('/settings')

  // what is taken back opens nothing
  await press('关闭二次验证', 'Remove the second proof')
  await field('验证码', 'Code').fill(recovery[0])
  await press('确定', 'OK', dialog)
  await dialog.getByText(wrong).waitFor()
  await field('验证码', 'Code').fill(recovery[1])
  await press('确定', 'OK', dialog)
  await page.getByText(desk.say('二次验证已关闭', 'The second proof was removed')).waitFor()
  await card('二次验证', 'Second proof').getByRole('listitem').getByRole('button').click()
  await field('当前密码', 'Current password').fill(password)
  await press('删除', 'Delete', dialog)
  await page.getByText(desk.say(/^没有通行密钥/, /^No passkeys/)).waitFor()
  await leave()
  await press('使用通行密钥登录', 'Sign in with a passkey')
  await page.getByRole('alert').filter({ hasText: desk.say(/此通行密钥无法登录/, /This passkey opens no account here/) }).waitFor()
  await enter('/market')
  await inside('/market')
}
