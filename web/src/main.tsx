import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { startTexts } from './i18n'
import { startPreferences } from './lib/preferences'
import { startPrinting } from './lib/printing'
import { startWorker } from './lib/worker'
import { App } from './shell/App'
import './styles/app.css'

startPreferences()
startPrinting()
await startTexts()
createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>)
startWorker()
