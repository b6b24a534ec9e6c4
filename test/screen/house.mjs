// Starts processes of evenkeel for programs that look at the screen, each on a data directory of its own under the
// system's temporary one, and ends them again.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const binary = process.env.EVENKEEL_BINARY ?? new URL('../../bin/evenkeel', import.meta.url).pathname
const startLimit = 120_000
const stopLimit = 30_000

/** Runs one process until stop(). said() is what it wrote on standard error. */
function run(args) {
  let text = ''
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr.on('data', (more) => { text = (text + more).slice(-20_000) })
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(`${code ?? signal}`)))
  const stop = async () => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopLimit)
    await ended
    clearTimeout(timer)
  }
  return { stop, ended, said: () => text }
}

/** Waits until look() is true; throws what the process said when it ends before, or takes too long. */
async function ready(process, look) {
  const limit = Date.now() + startLimit
  let over
  process.ended.then((how) => { over = how })
  while (!(await look())) {
    if (over !== undefined || Date.now() > limit) throw new Error(`evenkeel did not come up (${over ?? 'too slow'}): ${process.said()}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const port = async () => {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.on('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/**
 * Starts a house. list: securities (CSV lines) of an exchange of its own; without, the built-in exchange. flow: orders
 * and cancels a second of its players. args: more flags of serve. folder: of a house that was halted before. Gives what
 * demo.json says ({ http, accounts }), the folder, halt(), and stop(), which removes the folder too.
 */
export async function house({ list, flow = 60, demo = 8, args = [], folder = mkdtempSync(join(tmpdir(), 'evenkeel-screen-')) } = {}) {
  const processes = []
  const halt = async () => {
    for (const one of processes.splice(0).reverse()) await one.stop()
  }
  const stop = async () => {
    await halt()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const more = []
    if (list) {
      const [orders, market, data] = [`127.0.0.1:${await port()}`, `127.0.0.1:${await port()}`, join(folder, 'exchange')]
      writeFileSync(join(folder, 'list.csv'), list)
      const exchange = run(['exchange', '--data', data, '--orders', orders, '--market', market, '--securities', join(folder, 'list.csv'), '--flow', String(flow)])
      processes.push(exchange)
      await ready(exchange, () => existsSync(join(data, 'password')))
      more.push('--exchange', orders, '--market', market, '--exchange-password-file', join(data, 'password'))
    } else more.push('--flow', String(flow))
    const data = join(folder, 'data')
    const serve = run(['serve', '--data', data, '--listen', '127.0.0.1:0', '--listen-tls', '', '--demo', String(demo), ...more, ...args])
    processes.push(serve)
    let told
    await ready(serve, async () => {
      if (!existsSync(join(data, 'demo.json'))) return false
      try {
        told = JSON.parse(readFileSync(join(data, 'demo.json'), 'utf8'))
        return (await fetch(`${told.http}/readyz`)).ok
      } catch {
        return false
      }
    })
    return { ...told, folder, data, halt, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A list of securities that are all alike, for measures of many rows. */
export function alike(count) {
  const row = (_, n) => `${600000 + n},SSE,MAIN,NORMAL,测试证券${String(n).padStart(4, '0')},CSZQ${n},${(8 + (n % 90)).toFixed(2)},5000,no,5`
  return Array.from({ length: count }, row).join('\n') + '\n'
}
