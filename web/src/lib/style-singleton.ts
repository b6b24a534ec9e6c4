import { useEffect } from 'react'

// In place of the package react-style-singleton, whose <style> elements a strict Content-Security-Policy forbids: the
// same three functions with constructed style sheets, which are script's own and need no exception.

export function stylesheetSingleton() {
  let count = 0
  let sheet: CSSStyleSheet | undefined
  return {
    add(text: string) {
      if (count++ === 0) {
        sheet = new CSSStyleSheet()
        sheet.replaceSync(text)
        document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
      }
    },
    remove() {
      if (--count === 0) {
        document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet)
      }
    },
  }
}

export function styleHookSingleton() {
  const sheet = stylesheetSingleton()
  return (text: string, dynamic?: boolean) => {
    useEffect(() => {
      sheet.add(text)
      return () => sheet.remove()
    }, [text && dynamic])
  }
}

export function styleSingleton() {
  const useStyle = styleHookSingleton()
  return function Sheet({ styles, dynamic }: { styles: string; dynamic?: boolean }) {
    useStyle(styles, dynamic)
    return null
  }
}
