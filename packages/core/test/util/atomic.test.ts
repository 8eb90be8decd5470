import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, removeLeftovers, replaceFile, replaceFolder, writeFileAtomic } from '../../src/util/atomic'
import { ownIdentity } from '../../src/util/process-identity'
import { failure, folderWith } from '../support/files'

const onLinux = process.platform === 'linux' ? it : it.skip
const asUser = process.getuid?.() === 0 ? it.skip : it

describe('a file', () => {
  it('is replaced whole and leaves nothing else; missing folders are made', async () => {
    const folder = folderWith({})
    await writeFileAtomic(path.join(folder, 'deep', 'a'), 'one')
    await writeFileAtomic(path.join(folder, 'deep', 'a'), Buffer.from('two'))
    expect(readdirSync(path.join(folder, 'deep'))).toEqual(['a'])
    expect(readFileSync(path.join(folder, 'deep', 'a'), 'utf8')).toBe('two')
  })

  it('stays as it was when writing fails, and nothing lies beside it', async () => {
    const folder = folderWith({ a: 'old' })
    await expect(replaceFile(path.join(folder, 'a'), () => Promise.reject(new Error('stopped')))).rejects.toThrow('stopped')
    expect(readdirSync(folder)).toEqual(['a'])
    expect(readFileSync(path.join(folder, 'a'), 'utf8')).toBe('old')
  })

  it('in whose place a folder stands is named, not the temporary one', async () => {
    const folder = folderWith({ 'a/b': '' })
    const target = path.join(folder, 'a')
    await expect(writeFileAtomic(target, 'x')).rejects.toMatchObject({ path: target })
    expect(readdirSync(folder)).toEqual(['a'])
  })

  it('replaces a link and never writes through one', async () => {
    const folder = folderWith({ precious: 'mine' })
    symlinkSync('precious', path.join(folder, 'report.json'))
    await writeFileAtomic(path.join(folder, 'report.json'), 'new')
    expect(readFileSync(path.join(folder, 'precious'), 'utf8')).toBe('mine')
    expect(lstatSync(path.join(folder, 'report.json')).isFile()).toBe(true)
  })

  it('has another temporary name each time, which tells the process', async () => {
    const names = new Set<string>()
    const folder = folderWith({})
    for (let time = 0; time < 20; time++) {
      await replaceFile(path.join(folder, 'a'), () => {
        readdirSync(folder).filter((name) => name !== 'a').forEach((name) => names.add(name)) // prettier-ignore
        return Promise.resolve()
      })
    }
    expect(names.size).toBe(20)
    for (const name of names) expect(name).toMatch(new RegExp(`^\\.a\\..*-${process.pid}-\\d*\\.[0-9a-f]{16}\\.tmp$`))
  })

  it('may have a name as long as the system allows', async () => {
    const folder = folderWith({})
    await writeFileAtomic(path.join(folder, 'é'.repeat(127)), 'x')
    expect(readdirSync(folder)).toEqual(['é'.repeat(127)])
  })
})

describe('a folder', () => {
  it('is replaced whole', async () => {
    const target = path.join(folderWith({ 'model/old': '1' }), 'model')
    await replaceFolder(target, async (temporary) => {
      writeFileSync(path.join(temporary, 'new'), '2')
    })
    expect(readdirSync(target)).toEqual(['new'])
    expect(readdirSync(path.dirname(target))).toEqual(['model'])
  })

  it('stays as it was when filling it fails', async () => {
    const target = path.join(folderWith({ 'model/old': '1' }), 'model')
    await expect(replaceFolder(target, () => Promise.reject(new Error('stopped')))).rejects.toThrow('stopped')
    expect([readdirSync(target), readdirSync(path.dirname(target))]).toEqual([['old'], ['model']])
  })

  it.each<[string, (folder: string) => string, RegExp]>([
    ['a file', (folder) => path.join(folder, 'file'), /Expected a folder, but this is a file/],
    ['below a file', (folder) => path.join(folder, 'file', 'x', 'y'), /file is a file/],
    ['a dangling link', (folder) => path.join(folder, 'link'), /this is a link that leads to no folder/],
    ['below a dangling link', (folder) => path.join(folder, 'link', 'x'), /link is a link that leads to no folder/],
    ['a device', () => '/dev/null', /this is something else/],
    ['below a device', () => '/dev/null/x', /\/dev\/null is something else/],
  ])('cannot be made where %s is', async (_, place, message) => {
    const folder = folderWith({ file: '' })
    symlinkSync(path.join(folder, 'nowhere', 'else'), path.join(folder, 'link'))
    const error = await failure(() => makeFolder(place(folder)))
    expect([error.code, error.message]).toEqual(['PLUMB_SYSTEM', expect.stringMatching(message)])
  })

  onLinux('is refused at once where the system makes none, which Node’s own mkdir does not survive', async () => {
    expect((await failure(() => makeFolder('/proc/x/y'))).code).toMatch(/^E(NOENT|PERM|ACCES)$/)
  })

  it('is made with what is above it, through links, and may be there', async () => {
    const folder = folderWith({})
    mkdirSync(path.join(folder, 'real'))
    symlinkSync('real', path.join(folder, 'link'))
    await Promise.all([1, 2, 3].map(() => makeFolder(path.join(folder, 'link', 'a', 'b', 'c'))))
    expect(existsSync(path.join(folder, 'real', 'a', 'b', 'c'))).toBe(true)
    await makeFolder(path.join(folder, 'link'))
  })

  it('is made by many at once, whoever makes which of those above it', async () => {
    for (let round = 0; round < 20; round++) {
      const folder = folderWith({})
      const wanted = path.join(folder, 'a', 'b', 'c', 'd')
      const above = [path.join(folder, 'a'), path.join(folder, 'a', 'b'), path.join(folder, 'a', 'b', 'c')]
      await Promise.all([...Array.from({ length: 12 }, () => makeFolder(wanted)), ...above.map(makeFolder)])
      expect(existsSync(wanted)).toBe(true)
    }
  })

  asUser('that may not be written says so', async () => {
    const folder = folderWith({})
    mkdirSync(path.join(folder, 'closed'), { mode: 0o500 })
    expect((await failure(() => makeFolder(path.join(folder, 'closed', 'x')))).code).toBe('EACCES')
  })
})

describe('what killed processes left', () => {
  const { system, pid, start = '' } = ownIdentity()
  const gone = spawnSync(process.execPath, ['-e', '']).pid
  const name = (whose: string, of = 'report.json') => `.${of}.${whose}.0123456789abcdef.tmp`
  const dead = name(`${system}-${gone}-1`)
  const living = name(`${system}-${pid}-${start}`)
  const foreign = name('fedcba9876543210-1-1')
  const files = { [dead]: '', [living]: '', [foreign]: '', 'report.json': '', '.hidden': '' }

  onLinux('is removed, and nothing of a living process or of one that is not known', async () => {
    const folder = folderWith(files)
    await removeLeftovers(folder)
    expect(readdirSync(folder).sort()).toEqual([living, foreign, 'report.json', '.hidden'].sort())
    await removeLeftovers(folder, { exclusive: true })
    expect(readdirSync(folder).sort()).toEqual([living, 'report.json', '.hidden'].sort())
  })

  onLinux('is removed of one target only where that is asked, folders too', async () => {
    const other = name(`${system}-${gone}-1`, 'model')
    const folder = folderWith({ ...files, [`${other}/config.json`]: '' })
    await removeLeftovers(folder, { of: 'model' })
    expect(readdirSync(folder).sort()).toEqual([...Object.keys(files)].sort())
  })

  it('of names by other programs is left alone, also by who works here alone', async () => {
    const folder = folderWith({ 'mine.tmp': '', '.tmp': '' })
    await removeLeftovers(folder)
    expect(readdirSync(folder).sort()).toEqual(['.tmp', 'mine.tmp'])
  })
})
