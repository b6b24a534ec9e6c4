/** Waits until what was just changed has been drawn; not for ever, since a page that is not seen draws nothing. */
export function painted(): Promise<void> {
  return new Promise((then) => {
    const timer = setTimeout(then, 100)
    requestAnimationFrame(() => setTimeout(() => { clearTimeout(timer); then() }))
  })
}
