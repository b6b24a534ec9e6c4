import { StrictMode, startTransition } from 'react'
import { createRoot } from 'react-dom/client'
import { fetchPage } from './areas/area'
import { startTexts } from './i18n'
import { startPreferences } from './lib/preferences'
import { startPrinting } from './lib/printing'
import { startWorker } from './lib/worker'
import { App } from './shell/App'
import { fetchInside } from './shell/inside'
import './styles/app.css'

startPreferences()
startPrinting()
const texts = startTexts()
fetchPage(location.pathname) // beside the texts and the question who this is: nothing waits for the other
if (location.pathname !== '/login') fetchInside().catch(() => {}) // who shows it says what is wrong
await texts
const root = createRoot(document.getElementById('root')!)
startTransition(() => root.render(<StrictMode><App /></StrictMode>)) // in slices: a slow phone answers to a finger meanwhile
startWorker()
