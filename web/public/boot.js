// Before the first paint: the colours and language that were chosen last, so that nothing flashes.
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
})()
