/** Works problems out from their text alone, by code that shares nothing with the generator. */

const sentencesOf = (question: string) =>
  question
    .split(/(?<= [.?])(?: |$)/)
    .map((sentence) => sentence.trim())
    .filter(Boolean)

/** The amount that a story ends with. */
export function solveStory(question: string): number {
  const [first = '', ...rest] = sentencesOf(question)
  const start = /^(\w+) (?:has|owns) (\d+) |^There are (\d+) \w+ in the box of (\w+) |^The box of (\w+) has (\d+) /.exec(first)
  if (start === null) throw new Error(`not a beginning: ${first}`)
  let holder = start[1] ?? start[4] ?? start[5] ?? ''
  let amount = Number(start[2] ?? start[3] ?? start[6])
  const asked = rest.pop() ?? ''
  let isPrice = false
  let isShare = false
  for (const sentence of rest) {
    const match = (pattern: RegExp) => pattern.exec(sentence)?.slice(1)
    const given = match(/(\w+) gives (\d+) \w+ to (\w+) /)
    let m: string[] | undefined
    if (/years old|windows/.test(sentence)) continue
    else if (given) {
      if (given[2] === holder) amount += Number(given[1])
      else if (given[0] === holder) amount -= Number(given[1])
      else throw new Error(`${holder} has no part in: ${sentence}`)
    } else if ((m = match(/(\d+) bags (?:with|of) (\d+)/) ?? match(/(\d+) bags , (?:each holds )?(\d+)/)))
      amount += Number(m[0]) * Number(m[1])
    else if ((m = match(/(\d+) times/))) {
      amount *= Number(m[0])
      const subject = /^(\w+) (?:has|owns) \d+ times/.exec(sentence)?.[1]
      if (subject !== undefined) holder = subject
    } else if (/joins|together/.test(sentence) && (m = match(/has (\d+) more/))) amount += amount + Number(m[0])
    else if ((m = match(/(?:buys|finds|gets) (\d+) (?:more )?\w+ \.$/))) amount += Number(m[0])
    else if ((m = match(/loses (\d+)/) ?? match(/gets (\d+) \w+ from/) ?? match(/^(\d+) \w+ of \w+ go to/))) amount -= Number(m[0])
    else if (
      (m =
        match(/sold for (\d+) dollars/) ??
        match(/costs (\d+) dollars/) ??
        match(/price of one is (\d+)/) ??
        match(/^(\d+) dollars is the price/))
    ) {
      amount *= Number(m[0])
      isPrice = true
    } else if ((m = match(/among (\d+) friends/) ?? match(/into (\d+) equal/) ?? match(/^(\d+) friends get/))) {
      amount /= Number(m[0])
      isShare = true
    } else throw new Error(`not understood: ${sentence}`)
  }
  if (isPrice !== /dollars|price/.test(asked)) throw new Error(`asks for another thing: ${asked}`)
  if (isShare !== /each|one part/.test(asked)) throw new Error(`asks for another thing: ${asked}`)
  return amount
}

/** The one option that is right. */
export function solveChoice(question: string): string {
  const [text = '', listed = ''] = question.split(' Options : ')
  const sentences = sentencesOf(text)
  const asked = /a (\w+)(?: cost)? \?$/.exec(sentences.pop() ?? '')?.[1] ?? ''
  const prices = new Map<string, number>()
  const price = (name: string | undefined) => {
    const known = prices.get(name ?? '')
    if (known === undefined) throw new Error(`no price of ${name} in: ${question}`)
    return known
  }
  for (const sentence of sentences) {
    const match = (pattern: RegExp) => pattern.exec(sentence)?.slice(1)
    let m: string[] | undefined
    if ((m = match(/^(?:A|One|The price of a) (\w+) (?:costs|is|is sold for) (\d+) dollars \.$/))) prices.set(m[0]!, Number(m[1]))
    else if ((m = match(/^(\d+) dollars is the price of a (\w+) \.$/))) prices.set(m[1]!, Number(m[0]))
    else if ((m = match(/a? ?(\w+) (?:costs|is) (\d+) dollars (?:more than|above) a (\w+) \.$/)))
      prices.set(m[0]!, price(m[2]) + Number(m[1]))
    else if ((m = match(/a? ?(\w+) (?:costs|is) (\d+) dollars (?:less than|below) a (\w+) \.$/)))
      prices.set(m[0]!, price(m[2]) - Number(m[1]))
    else if ((m = match(/^For one (\w+) one gets (\d+) of a (\w+) \.$/))) prices.set(m[2]!, price(m[0]) / Number(m[1]))
    else if ((m = match(/(\w+) (?:costs|is) (\d+) times (?:as much as |the price of )?a (\w+) \.$/))) {
      // whichever of the two is known
      const [x, n, y] = m
      if (prices.has(y!)) prices.set(x!, price(y) * Number(n))
      else prices.set(y!, price(x) / Number(n))
    } else throw new Error(`not understood: ${sentence}`)
  }
  const options = listed.split(' , ').map(Number)
  if (options.length !== 4 || new Set(options).size !== 4) throw new Error(`not four options: ${listed}`)
  const right = options.filter((value) => value === price(asked))
  if (right.length !== 1) throw new Error(`${right.length} options are right: ${question}`)
  return String(right[0])
}

const DOES: Readonly<Record<string, readonly [move: string, cover: string, legs: string]>> = {
  robin: ['fly', 'feathers', 'two'],
  eagle: ['fly', 'feathers', 'two'],
  parrot: ['fly', 'feathers', 'two'],
  salmon: ['swim', 'scales', 'none'],
  trout: ['swim', 'scales', 'none'],
  carp: ['swim', 'scales', 'none'],
  ant: ['crawl', 'shell', 'six'],
  bee: ['crawl', 'shell', 'six'],
  beetle: ['crawl', 'shell', 'six'],
  dog: ['run', 'fur', 'four'],
  horse: ['run', 'fur', 'four'],
  rabbit: ['run', 'fur', 'four'],
}

/** What a chain of facts leads to. */
export function solveChain(question: string): string {
  const sentences = sentencesOf(question)
  const asked = sentences.pop() ?? ''
  const inside = new Map<string, string>()
  const like = new Map<string, string>()
  const pets = new Map<string, string>()
  const above: [string, string][] = []
  const once = (map: Map<string, string>, key: string, value: string) => {
    if (map.has(key)) throw new Error(`${key} is said twice: ${question}`)
    map.set(key, value)
  }
  for (const sentence of sentences) {
    const match = (pattern: RegExp) => pattern.exec(sentence)?.slice(1)
    let m: string[] | undefined
    if ((m = match(/^The (\w+) is (?:the one )?in the (\w+) \.$/))) once(inside, m[0]!, m[1]!)
    else if ((m = match(/^In the (\w+) is the (\w+) \.$/) ?? match(/^The (\w+) holds the (\w+) \.$/))) once(inside, m[1]!, m[0]!)
    else if ((m = match(/^(\w+) is (?:the one that is )?taller than (\w+) \.$/))) above.push([m[0]!, m[1]!])
    else if ((m = match(/^(\w+) is shorter than (\w+) \.$/))) above.push([m[1]!, m[0]!])
    else if (
      (m =
        match(/^(\w+) has the same pet as (\w+) \.$/) ??
        match(/^The pet of (\w+) is (?:like|the same as) that of (\w+) \.$/) ??
        match(/^(\w+) has what (\w+) has \.$/))
    )
      once(like, m[0]!, m[1]!)
    else if (
      (m = match(/^(\w+) has a (\w+) \.$/) ?? match(/^The pet of (\w+) is a (\w+) \.$/) ?? match(/^The pet that (\w+) has is a (\w+) \.$/))
    )
      once(pets, m[0]!, m[1]!)
    else throw new Error(`not understood: ${sentence}`)
  }
  if (above.length > 0) {
    const people = [...new Set(above.flat())]
    const isTop = (name: string) => above.every(([x, y]) => (asked.includes('tallest') ? y : x) !== name)
    const tops = people.filter(isTop)
    if (tops.length !== 1) throw new Error(`${tops.length} people could be meant: ${question}`)
    return tops[0]!
  }
  if (inside.size > 0) {
    let at = /(?:the|holds the) (\w+)(?: in)? \?$/.exec(asked)?.[1] ?? ''
    for (let next = inside.get(at); next !== undefined; next = inside.get(at)) at = next
    return at
  }
  let owner = /pet of (\w+)/.exec(asked)?.[1] ?? ''
  for (let next = like.get(owner); next !== undefined; next = like.get(owner)) owner = next
  const does = DOES[pets.get(owner) ?? '']
  if (does === undefined) throw new Error(`no pet of ${owner}: ${question}`)
  return does[/skin|covers/.test(asked) ? 1 : /legs/.test(asked) ? 2 : 0]
}
