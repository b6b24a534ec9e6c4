// The service worker's address is the one text that becomes a script by name; the policy "evenkeel" lets it pass, and
// nothing else.
interface TrustedTypes { createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string } }

export function startWorker(): void {
  if (!('serviceWorker' in navigator) || !import.meta.env.PROD) return
  const types = (window as { trustedTypes?: TrustedTypes }).trustedTypes
  const rules = {
    createScriptURL(url: string): string {
      if (url !== '/sw.js') throw new TypeError(`${url} is not ours`)
      return url
    },
  }
  const url = (types?.createPolicy('evenkeel', rules) ?? rules).createScriptURL('/sw.js')
  navigator.serviceWorker.register(url).catch(() => {}) // a plain page without it works as well
  void navigator.serviceWorker.ready.then((registration) => {
    new PerformanceObserver((list) => keep(registration, list.getEntries())).observe({ type: 'resource', buffered: true })
  })
}

/** Has the worker keep what the page fetched past it, before it saw requests: the app would not open offline without. */
function keep(registration: ServiceWorkerRegistration, entries: PerformanceEntryList): void {
  const ours = entries.map((entry) => new URL(entry.name))
    .filter((url) => url.origin === location.origin && /^\/(assets|icons)\/|^\/boot\.js$/.test(url.pathname))
  if (ours.length > 0) registration.active?.postMessage({ keep: ours.map((url) => url.pathname) })
}
