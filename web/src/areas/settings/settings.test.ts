import { describe, expect, it } from 'vitest'
import { device } from './device'
import { squares } from './Qr'

describe('device', () => {
  it('tells browsers and systems apart', () => {
    expect(device('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0')).toBe('Edge · Linux')
    expect(device('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1')).toBe('Safari · iOS')
    expect(device('Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0')).toBe('Firefox · Windows')
  })
  it('leaves a name that was given alone', () => expect(device('trading bot 7')).toBe('trading bot 7'))
})

describe('qr', () => {
  it('has the three finder patterns, and differs with the text', () => {
    const one = squares('otpauth://totp/Evenkeel:ann?secret=AAAA')
    for (let i = 0; i < 7; i++) expect(one).toContain(`M${i} 0h1v1h-1z`)
    expect(one).not.toContain('M7 0h1')
    expect(one).not.toBe(squares('otpauth://totp/Evenkeel:ann?secret=AAAB'))
  })
})
