import { RE2JS } from 're2js'

/** A regular expression of the configuration, run in time linear in the text whatever it is (re2js, the engine RE2 in JavaScript). */
export class LinearPattern {
  private readonly compiled: RE2JS

  /** @throws Error what cannot be read, or is not in RE2's syntax: look-ahead and back-references. */
  constructor(readonly source: string) {
    this.compiled = RE2JS.compile(RE2JS.translateRegExp(source), RE2JS.MULTILINE | RE2JS.LOOKBEHINDS)
  }

  /** The last matches in the text, in their order: the first group of each, or the whole where there is none. */
  matches(text: string, atMost: number): { readonly text: string; readonly start: number; readonly end: number }[] {
    const found: { text: string; start: number; end: number }[] = []
    const matcher = this.compiled.matcher(text)
    const group = matcher.groupCount() > 0 ? 1 : 0
    while (matcher.find()) {
      const inside = matcher.group(group) ?? matcher.group(0) ?? ''
      found.push({ text: inside, start: matcher.start(0), end: matcher.end(0) })
      if (found.length >= 2 * atMost) found.splice(0, atMost)
    }
    return found.slice(-atMost)
  }
}
