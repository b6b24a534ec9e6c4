import type { ReactNode } from 'react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'wouter'
import { lock, logOut, useSession } from '@/api/session'
import { areas } from '@/areas/area'
import { cx } from '@/lib/cx'
import { usePhone } from '@/lib/media'
import { usePrinting } from '@/lib/printing'
import { full } from '@/lib/time'
import { Button, Dialog, Icon, IconButton } from '@/ui'
import { Appearance } from './Appearance'
import '@/areas/blotter/follow' // fills are told wherever the reader is
import { Banners } from './Banners'
import { Guide } from './Guide'
import { useIdleLock } from './idle'
import { Jump } from './Jump'
import { Phases } from './Phases'

const items = areas.filter((a) => a.nav).sort((a, b) => a.nav!.order - b.nav!.order)

/** What stands around every page: navigation, state, search, the way out. */
export function Shell({ children }: { children: ReactNode }) {
  const { t } = useTranslation()
  const phone = usePhone()
  const [path] = useLocation()
  const [view, setView] = useState(false)
  const [jump, setJump] = useState<string>()
  const session = useSession()
  useIdleLock()
  const printed = usePrinting()
  const item = (a: (typeof items)[number]) => {
    const here = path === a.nav!.path || path.startsWith(a.nav!.path + '/')
    return (
      <Link key={a.name} data-tour={`nav-${a.name}`} href={a.nav!.path} aria-current={here ? 'page' : undefined}
        className={cx('flex flex-col items-center justify-center gap-0.5 rounded-control text-[11px] transition-colors',
          phone ? 'min-h-[56px] flex-1' : 'h-14 w-14', here ? 'text-accent' : 'text-muted hover:text-text', here && !phone && 'bg-accent-soft')}>
        <Icon name={a.nav!.icon} size={22} /><span>{t(`nav.${a.name}`)}</span>
      </Link>
    )
  }
  const tools = (
    <>
      <IconButton icon="search" data-tour="search" label={t('jump.title')} onClick={() => setJump('')} />
      <IconButton icon="sun" label={t('switch.view')} onClick={() => setView(true)} />
      <IconButton icon="lock" label={t('lock.now')} onClick={() => void lock()} />
      <IconButton icon="logout" label={t('action.logout')} onClick={() => void logOut()} />
    </>
  )
  const staff = session.state === 'somebody' && session.account.permissions.includes('operate')
  const allowed = items.filter((a) => staff || !a.nav!.staff)
  const shown = phone ? allowed.filter((a) => a.nav!.phone) : allowed
  return (
    <div className="flex h-full max-phone:flex-col">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-60 focus:bg-raised focus:p-2">{t('skip')}</a>
      {phone ? null : (
        <nav aria-label={t('nav.label')} className="flex w-[68px] shrink-0 flex-col items-center gap-1 overflow-y-auto border-r border-line bg-surface py-2">
          <img src="/icons/icon.svg" alt="" width={32} height={32} className="mb-2" />
          {shown.map(item)}
        </nav>
      )}
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <header data-print="hide" className="flex h-11 shrink-0 items-center gap-2 border-b border-line bg-surface pr-1 pl-3 max-phone:gap-0">
          <div className="min-w-0 flex-1"><Phases /></div>
          {session.state === 'somebody' && !phone ? <span className="num text-muted">{session.account.account_number}</span> : null}
          {tools}
        </header>
        {printed ? <p className="num flex justify-between gap-4 border-b border-line p-2"><span className="font-semibold">{t('app')}</span>{session.state === 'somebody' ? <span>{t('printed.account', { number: session.account.account_number })}</span> : null}<span>{t('printed.at', { time: full(Date.now()) })}</span></p> : null}
        <Banners />
        <main id="main" tabIndex={0} className="min-h-0 flex-1 overflow-auto outline-offset-[-2px]">{children}</main>
      </div>
      <Guide />
      {phone ? <nav aria-label={t('nav.label')} className="flex shrink-0 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)]">{shown.map(item)}</nav> : null}
      <Dialog open={view} onClose={() => setView(false)} title={t('switch.view')} actions={<Button look="primary" onClick={() => setView(false)}>{t('action.close')}</Button>}><Appearance /></Dialog>
      <Jump text={jump} onText={setJump} />
    </div>
  )
}
