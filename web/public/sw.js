// The service worker keeps the app's shell, and nothing else: not one answer of the API is ever kept here, since a
// price or a balance out of a cache looks like a fresh one. Pages come from the network first, so that a new release is
// seen at once; hashed assets never change, so they come from the cache first.
const shell = 'evenkeel-shell-1'
const most = 200 // assets kept; older ones go first

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(shell).then((cache) => cache.add(new Request('/', { headers: { Accept: 'text/html' } }))).then(() => self.skipWaiting()))
})

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter((name) => name !== shell).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  )
})

self.addEventListener('fetch', (event) => {
  const request = event.request
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin) return
  if (request.mode === 'navigate') event.respondWith(page(request))
  else if (url.pathname.startsWith('/assets/')) event.respondWith(asset(request))
  else if (url.pathname.startsWith('/icons/') || url.pathname === '/boot.js') event.respondWith(fresh(request))
})

// What a page fetched before this worker saw its requests; it is in the browser's own cache, so that it costs nothing.
self.addEventListener('message', (event) => {
  const paths = (event.data?.keep ?? []).filter((path) => typeof path === 'string' && /^\/(assets|icons)\/[\w.-]+$|^\/boot\.js$/.test(path))
  event.waitUntil(caches.open(shell).then((cache) => Promise.all(paths.map(async (path) => {
    if (!(await cache.match(path))) await cache.add(path)
  }))).catch(() => {})) // what is missing then is fetched when it is asked for
})

async function page(request) {
  const cache = await caches.open(shell)
  try {
    const answer = await fetch(request)
    if (answer.ok && (answer.headers.get('content-type') ?? '').startsWith('text/html')) {
      await cache.put('/', answer.clone())
    }
    return answer
  } catch (error) {
    const kept = await cache.match('/')
    if (kept) return kept
    throw error
  }
}

async function asset(request) {
  const cache = await caches.open(shell)
  const kept = await cache.match(request)
  if (kept) return kept
  const answer = await fetch(request)
  if (answer.ok) {
    await cache.put(request, answer.clone())
    const keys = await cache.keys()
    const assets = keys.filter((key) => new URL(key.url).pathname.startsWith('/assets/'))
    await Promise.all(assets.slice(0, Math.max(0, assets.length - most)).map((key) => cache.delete(key)))
  }
  return answer
}

async function fresh(request) {
  const cache = await caches.open(shell)
  try {
    const answer = await fetch(request)
    if (answer.ok) await cache.put(request, answer.clone())
    return answer
  } catch (error) {
    const kept = await cache.match(request)
    if (kept) return kept
    throw error
  }
}
