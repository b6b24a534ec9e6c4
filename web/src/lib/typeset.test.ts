import { describe, expect, it } from 'vitest'
import { typeset, typesetAll } from './typeset'

describe('Chinese punctuation', () => {
  it('is wide beside Chinese', () => {
    expect(typeset('未启用:登录只需要密码。')).toBe('未启用：登录只需要密码。')
    expect(typeset('数量超过上限(给出 99,界限 10,最近的有效值 10)')).toBe('数量超过上限（给出 99，界限 10，最近的有效值 10）')
    expect(typeset('已 {{age}},等待答复;稍候')).toBe('已 {{age}}，等待答复；稍候')
    expect(typeset('最接近的有效价格:')).toBe('最接近的有效价格：')
    expect(typesetAll({ a: { b: '数量(股)' } })).toEqual({ a: { b: '数量（股）' } })
  })
  it('stays narrow elsewhere', () => {
    for (const text of ['Bids 40%, asks 60%', '09:30:00', '撤单:{{name}}', '1,234.50', '共 1,234 股', '{{a}} / {{b}}', '(1)', '600519.SH']) expect(typeset(text)).toBe(text)
  })
})
