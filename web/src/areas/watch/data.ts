import { useMutation, useQuery } from '@tanstack/react-query'
import { callOther } from '@/api/client'
import { queries } from '@/api/query'

// Groups are the account's watchlists, kept by the server (/v2/watchlists): nothing of them stays in the browser.

export interface Group { id: string; name: string; symbols: string[] }

interface Entity { id: string; name: string; cn: { symbols: string[] } }

const key = ['watchlists']
const of = (w: Entity): Group => ({ id: w.id, name: w.name, symbols: w.cn.symbols })

/** The longest name of a group, in characters, as the server has it. */
export const longestName = 64

export const useGroups = () => useQuery({ queryKey: key, staleTime: 30_000, queryFn: ({ signal }) => callOther<Entity[]>('get', '/v2/watchlists', { signal }).then((list) => list.map(of)) })

/** A list with the entry at one place put at another. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const next = [...list]
  next.splice(to, 0, ...next.splice(from, 1))
  return next
}

/** The groups after one has changed: in its place, or at the end. */
export function replaced(groups: readonly Group[], group: Group): Group[] {
  return groups.some((g) => g.id === group.id) ? groups.map((g) => (g.id === group.id ? group : g)) : [...groups, group]
}

export type Change =
  | { do: 'make'; name: string; symbols?: string[] }
  | { do: 'rename'; group: Group; name: string }
  | { do: 'delete'; group: Group }
  | { do: 'order'; group: Group; symbols: string[] }
  | { do: 'add' | 'remove'; group: Group; symbol: string }

function ask(c: Change): Promise<Entity | undefined> {
  const at = 'group' in c ? `/v2/watchlists/${c.group.id}` : '/v2/watchlists'
  switch (c.do) {
    case 'make': return callOther('post', at, { body: { name: c.name, symbols: c.symbols ?? [] } })
    case 'rename': return callOther('put', at, { body: { name: c.name } })
    case 'order': return callOther('put', at, { body: { symbols: c.symbols } })
    case 'add': return callOther('post', at, { body: { symbol: c.symbol } })
    case 'remove': return callOther('delete', `${at}/${encodeURIComponent(c.symbol)}`)
    case 'delete': return callOther('delete', at)
  }
}

/** What the groups are once a change has been taken; undefined where only the server knows. */
export function expected(groups: readonly Group[], c: Change): Group[] | undefined {
  switch (c.do) {
    case 'make': return undefined
    case 'delete': return groups.filter((g) => g.id !== c.group.id)
    case 'rename': return replaced(groups, { ...c.group, name: c.name })
    case 'order': return replaced(groups, { ...c.group, symbols: c.symbols })
    case 'add': return replaced(groups, { ...c.group, symbols: [...c.group.symbols.filter((s) => s !== c.symbol), c.symbol] })
    case 'remove': return replaced(groups, { ...c.group, symbols: c.group.symbols.filter((s) => s !== c.symbol) })
  }
}

/** Changes the groups: shown at once, kept by the server one after the other, and taken back where it refuses. */
export function useChange() {
  return useMutation({
    mutationFn: ask,
    scope: { id: 'watchlists' },
    onMutate: async (c: Change) => {
      await queries.cancelQueries({ queryKey: key })
      const before = queries.getQueryData<Group[]>(key)
      const after = before && expected(before, c)
      if (after) queries.setQueryData(key, after)
      return { before }
    },
    onError: (_error, _c, kept) => { if (kept?.before) queries.setQueryData(key, kept.before) },
    onSuccess: (answer) => { if (answer) queries.setQueryData<Group[]>(key, (now) => now && replaced(now, of(answer))) },
    onSettled: () => { if (queries.isMutating() <= 1) void queries.invalidateQueries({ queryKey: key }) },
  })
}
