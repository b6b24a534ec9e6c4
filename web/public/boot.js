// Before the first paint: the colours and language that were chosen last, so that nothing flashes; and the first questions.
(() => {
  let kept = {}
  try {
    kept = JSON.parse(localStorage.getItem('evenkeel.preferences') ?? '{}').state ?? {}
  } catch {
    // private windows have no storage, and a broken text is as good as none
  }
  const root = document.documentElement
  const light = matchMedia('(prefers-color-scheme: light)').matches
  root.dataset.theme = kept.theme === 'dark' || kept.theme === 'light' ? kept.theme : light ? 'light' : 'dark'
  const zh = kept.language ? kept.language === 'zh' : (navigator.language || 'zh').startsWith('zh')
  root.lang = zh ? 'zh-CN' : 'en'
  root.dataset.colors = kept.colors === 'red-up' || kept.colors === 'green-up' ? kept.colors : zh ? 'red-up' : 'green-up'
  document.querySelector('meta[name=theme-color]').content = root.dataset.theme === 'light' ? '#f4f5f7' : '#0e1116'

  // Who this is takes two questions, one after the other; they are under way while the app is fetched. See api/session.ts.
  const ask = (path) => fetch(path, { signal: AbortSignal.timeout(5000) }).then((answer) => (answer.ok ? answer.json() : undefined)).catch(() => undefined)
  const demo = ask('/api/v1/demo')
  globalThis.evenkeel = { demo, account: demo.then((d) => (d?.session ? ask('/api/v1/account') : undefined)) }
})()
