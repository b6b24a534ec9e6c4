import { expect, test } from 'vitest'
import { isUnfetched } from './unfetched'

test.each([
  ['Chromium', new TypeError('Failed to fetch dynamically imported module: http://a/assets/Page.js'), true],
  ['Firefox', new TypeError('error loading dynamically imported module: http://a/assets/Page.js'), true],
  ['Safari', new TypeError('Importing a module script failed.'), true],
  ['a bug', new TypeError("Cannot read properties of undefined (reading 'x')"), false],
  ['an error of ours', new Error('import'), false],
])('%s: a part that could not be fetched is known', (_, error, is) => expect(isUnfetched(error)).toBe(is))
