import { useSyncExternalStore } from 'react'

/** A value that components can follow. Listeners are called at once; equal values are told to nobody. */
export class Store<T> {
  private listeners = new Set<() => void>()
  constructor(private value: T) {}

  get = (): T => this.value

  set = (next: T | ((before: T) => T)): void => {
    const value = typeof next === 'function' ? (next as (before: T) => T)(this.value) : next
    if (Object.is(value, this.value)) return
    this.value = value
    for (const listener of [...this.listeners]) listener()
  }

  follow = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
}

/** Follows a store; with a selector the component is drawn again only when what it selects changes. */
export function useStore<T>(store: Store<T>): T
export function useStore<T, S>(store: Store<T>, select: (value: T) => S): S
export function useStore<T, S>(store: Store<T>, select?: (value: T) => S): T | S {
  return useSyncExternalStore(store.follow, () => (select ? select(store.get()) : store.get()))
}
