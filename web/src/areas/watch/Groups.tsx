import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'wouter'
import { cx } from '@/lib/cx'
import { usePhone } from '@/lib/media'
import { Button, Check, Dialog, Field, Icon, IconButton, toastError } from '@/ui'
import { longestName, useChange, useGroups, type Group } from './data'

/** The groups beside the board; above it on the phone. One of them, or all securities, is chosen by the address. */
export function Groups({ chosen }: { chosen: string | undefined }) {
  const { t } = useTranslation('watch')
  const phone = usePhone()
  const groups = useGroups().data ?? []
  const [, go] = useLocation()
  const [task, setTask] = useState<'new' | Group>()
  const entry = (id: string | undefined, name: string, count?: number) => {
    const here = id === chosen
    return (
      <Link href={id ? `/market/${id}` : '/market'} aria-current={here ? 'true' : undefined} data-group={name}
        className={cx('touch flex min-w-0 flex-1 items-center gap-2 rounded-control outline-offset-[-2px]', phone ? 'h-11 shrink-0 px-3 whitespace-nowrap' : 'h-8 px-2',
          here ? 'bg-accent-soft font-medium text-text' : 'text-muted hover:bg-hover hover:text-text')}>
        <span className="flex-1 truncate">{name}</span>{count === undefined ? null : <span className="num text-[11px]">{count}</span>}
      </Link>
    )
  }
  const current = groups.find((g) => g.id === chosen)
  return (
    <nav aria-label={t('groups')} className={phone ? 'flex shrink-0 items-center border-b border-line bg-surface' : 'flex h-full flex-col bg-surface'}>
      <ul className={phone ? 'flex min-w-0 flex-1 gap-1 overflow-x-auto p-1' : 'flex min-h-0 flex-1 flex-col gap-0.5 overflow-y-auto p-1.5'}>
        <li className="flex">{entry(undefined, t('all'))}</li>
        {groups.map((g) => <li key={g.id} className="flex items-center">{entry(g.id, g.name, g.symbols.length)}
          {phone ? null : <IconButton icon="edit" size={14} label={t('more', { name: g.name })} onClick={() => setTask(g)} />}</li>)}
      </ul>
      <div className={phone ? 'flex shrink-0 pr-1' : 'border-t border-line p-1.5'}>
        {phone && current ? <IconButton icon="edit" label={t('more', { name: current.name })} onClick={() => setTask(current)} /> : null}
        {phone ? <IconButton icon="plus" label={t('new')} onClick={() => setTask('new')} /> : <Button icon="plus" look="ghost" onClick={() => setTask('new')} className="w-full">{t('new')}</Button>}
      </div>
      {task ? <Edit task={task} onOver={(to) => { setTask(undefined); if (to !== undefined) go(to ? `/market/${to}` : '/market') }} here={chosen} /> : null}
    </nav>
  )
}

/** A new group, or another name for one, or its end. onOver is given where to go: an id, or '' for all securities. */
function Edit({ task, onOver, here }: { task: 'new' | Group; onOver: (to?: string) => void; here: string | undefined }) {
  const { t, i18n } = useTranslation('watch')
  const change = useChange()
  const group = task === 'new' ? undefined : task
  const [name, setName] = useState(group?.name ?? '')
  const [ending, setEnding] = useState(false)
  const wrong = (error: unknown) => toastError(error, i18n.language)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const text = name.trim()
    if (!text) return
    if (!group) change.mutate({ do: 'make', name: text }, { onSuccess: (made) => onOver(made?.id), onError: wrong })
    else if (text === group.name) onOver()
    else change.mutate({ do: 'rename', group, name: text }, { onSuccess: () => onOver(), onError: wrong })
  }
  if (ending && group) return (
    <Dialog open onClose={() => onOver()} title={t('delete')} text={t('deleteText', { name: group.name })}
      actions={<><Button onClick={() => setEnding(false)}>{t('action.back')}</Button>
        <Button look="danger" busy={change.isPending} onClick={() => change.mutate({ do: 'delete', group }, { onSuccess: () => onOver(here === group.id ? '' : undefined), onError: wrong })}>{t('delete')}</Button></>} />
  )
  return (
    <Dialog open onClose={() => onOver()} title={group ? t('rename') : t('new')}
      actions={<>{group ? <Button look="danger" icon="trash" className="mr-auto" onClick={() => setEnding(true)}>{t('delete')}</Button> : null}
        <Button look="primary" type="submit" form="group" busy={change.isPending} disabled={!name.trim()}>{group ? t('action.save') : t('make')}</Button></>}>
      <form id="group" onSubmit={submit}>
        <Field label={t('name')} name="group" autoFocus autoComplete="off" maxLength={longestName} value={name} onChange={(e) => setName(e.target.value)} className="h-11" />
      </form>
    </Dialog>
  )
}

/** Which groups a security is in, to be ticked; with the way to a new one. */
export function Put({ symbol, name, onClose }: { symbol: string; name: string; onClose: () => void }) {
  const { t, i18n } = useTranslation('watch')
  const groups = useGroups()
  const change = useChange()
  const [fresh, setFresh] = useState('')
  const wrong = (error: unknown) => toastError(error, i18n.language)
  const make = (event: FormEvent) => {
    event.preventDefault()
    if (fresh.trim()) change.mutate({ do: 'make', name: fresh.trim(), symbols: [symbol] }, { onSuccess: () => setFresh(''), onError: wrong })
  }
  const list = groups.data ?? []
  return (
    <Dialog open onClose={onClose} title={t('put')} text={list.length > 0 ? t('putText', { name }) : t('none')} actions={<Button look="primary" onClick={onClose}>{t('action.close')}</Button>}>
      <ul className="flex flex-col gap-1">
        {list.map((g) => <li key={g.id}><Check label={g.name} checked={g.symbols.includes(symbol)} onChange={(e) => change.mutate({ do: e.target.checked ? 'add' : 'remove', group: g, symbol }, { onError: wrong })} /></li>)}
      </ul>
      <form onSubmit={make} className="mt-3 flex items-end gap-2">
        <div className="flex-1"><Field label={t('new')} name="group" autoComplete="off" maxLength={longestName} value={fresh} onChange={(e) => setFresh(e.target.value)} /></div>
        <Button type="submit" icon="plus" busy={change.isPending && change.variables?.do === 'make'} disabled={!fresh.trim()}>{t('make')}</Button>
      </form>
    </Dialog>
  )
}

/** The button that opens Put; filled in when the security is in a group. */
export function Star({ symbol, name, ...rest }: { symbol: string; name: string; tabIndex?: number; className?: string }) {
  const { t } = useTranslation('watch')
  const [open, setOpen] = useState(false)
  const inside = useGroups().data?.some((g) => g.symbols.includes(symbol)) ?? false
  return (
    <>
      <button type="button" aria-label={`${t('put')}: ${name}`} title={t('put')} data-in={inside || undefined} {...rest} onClick={(event) => { event.stopPropagation(); setOpen(true) }}
        className={cx('touch inline-flex size-8 items-center justify-center rounded-control hover:bg-hover max-phone:size-11', inside ? 'text-warn' : 'text-muted hover:text-text', rest.className)}>
        <Icon name="star" size={16} className={inside ? 'fill-current' : undefined} />
      </button>
      {open ? <div onClick={(event) => event.stopPropagation()}><Put symbol={symbol} name={name} onClose={() => setOpen(false)} /></div> : null}
    </>
  )
}
