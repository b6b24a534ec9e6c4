import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { startTexts } from './i18n'
import { startPreferences } from './lib/preferences'
import { startWorker } from './lib/worker'
import { App } from './shell/App'
import './styles/app.css'

startPreferences()
await startTexts()
createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>)
startWorker()
