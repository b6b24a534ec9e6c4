import { act, render } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Table, type Column } from './Table'

interface Row { id: string; words: string }

test('an order on top of the list draws its own cells, and none of those below', () => {
  const cell = vi.fn((row: Row) => row.words)
  const columns: Column<Row>[] = [{ key: 'words', header: 'words', width: '1fr', cell }]
  const table = (rows: Row[]) => <Table grow label="rows" rows={rows} columns={columns} rowKey={(row) => row.id} />
  const [a, b, c] = ['a', 'b', 'c'].map((id) => ({ id, words: `row ${id}` })) as [Row, Row, Row]
  const page = render(table([a, b]))
  cell.mockClear()
  act(() => page.rerender(table([c, a, b])))
  expect(cell.mock.calls.map(([row]) => row.id)).toEqual(['c'])
  expect([...page.container.querySelectorAll('[data-row]')].map((row) => row.textContent)).toEqual(['row c', 'row a', 'row b'])
})
