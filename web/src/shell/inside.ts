// What only somebody who is logged in needs comes in a file of its own, so that the login page does not wait for it.

/** Fetches the shell of the pages behind the login; asked for early, it is there when the login is through. */
export const fetchInside = () => import('./Shell').then(({ Shell }) => ({ default: Shell }))
