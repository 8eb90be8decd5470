// All that the page's script does: orders tables, and filters and orders the questions. Everything else is there without it.
'use strict'
{
  /** Text in a column sorts as text, figures by their value; what has none stays last. */
  const valueOf = (row, column) => {
    const cell = row.cells[column]
    if (cell.dataset.value === undefined) return cell.textContent.trim()
    return cell.dataset.value === '' ? undefined : Number(cell.dataset.value)
  }
  const compare = (a, b) => (typeof a === 'string' ? a.localeCompare(String(b), 'en', { numeric: true }) : a - b)

  for (const table of document.querySelectorAll('table.sortable')) {
    const heads = [...table.tHead.rows[0].cells]
    heads.forEach((head, column) => {
      const button = document.createElement('button')
      button.type = 'button'
      button.append(...head.childNodes)
      head.append(button)
      button.addEventListener('click', () => {
        // the larger figure first, the first letter first
        const first = column === 0 ? 'ascending' : 'descending'
        const other = column === 0 ? 'descending' : 'ascending'
        const direction = head.getAttribute('aria-sort') === first ? other : first
        for (const each of heads) each.removeAttribute('aria-sort')
        head.setAttribute('aria-sort', direction)
        const sign = direction === 'ascending' ? 1 : -1
        const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: valueOf(row, column) }))
        rows.sort((a, b) => {
          if (a.value === undefined || b.value === undefined) return Number(a.value === undefined) - Number(b.value === undefined)
          return sign * compare(a.value, b.value)
        })
        table.tBodies[0].append(...rows.map(({ row }) => row))
      })
    })
  }

  const CHANGES = { rw: 'right→wrong', wr: 'wrong→right', ww: 'wrong both times', rr: 'right both times' }
  const IS_FIRST = 0

  for (const browser of document.querySelectorAll('.browser')) {
    const models = JSON.parse(browser.dataset.models)
    const list = browser.querySelector('.list')
    const form = browser.querySelector('.controls')
    const { model, change, order, text } = form.elements
    const output = form.querySelector('output')
    const all = [...list.children]
    const texts = new Map()
    const textOf = (question) => {
      if (!texts.has(question)) texts.set(question, question.textContent.toLowerCase())
      return texts.get(question)
    }
    const option = (select, value, label) => select.append(new Option(label, value))
    const variants = models.slice(1)
    if (variants.length > 0) option(model, 'any', 'any variant')
    models.forEach((name, m) => {
      if (m !== IS_FIRST || variants.length === 0) option(model, String(m), name)
    })
    option(change, '', 'all')
    if (variants.length > 0) {
      option(change, 'changed', 'changed')
      for (const [code, label] of Object.entries(CHANGES)) option(change, code, label)
    }
    option(change, 'w', 'wrong now')
    option(change, 'r', 'right now')
    option(order, 'n', 'changed first')
    option(order, 'id', 'by id')
    option(order, 'm', 'margin, smallest first')
    option(order, 'd', 'margin, most lost first')

    const chosen = () => (model.value === 'any' ? variants.map((_, v) => v + 1) : [Number(model.value)])
    const fits = (answers, wanted, m) => {
      const [before, after] = [answers[IS_FIRST], answers[m]]
      if (wanted === '') return true
      if (after === '-') return false
      if (wanted.length === 1) return after === wanted
      if (before === '-') return false
      return wanted === 'changed' ? before !== after : before + after === wanted
    }
    const marginOf = (question) => {
      const margins = question.dataset.m.split(' ').map((each) => (each === '' ? NaN : Number(each)))
      const values = chosen().map((m) => (order.value === 'd' ? margins[m] - margins[IS_FIRST] : margins[m]))
      const known = values.filter((value) => !Number.isNaN(value))
      return known.length === 0 ? Infinity : Math.min(...known)
    }
    const keys = {
      n: (question) => Number(question.dataset.n),
      id: (question) => question.querySelector('code').textContent,
      m: marginOf,
      d: marginOf,
    }

    const filter = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean)
      let shown = 0
      for (const question of all) {
        const isShown =
          chosen().some((m) => fits(question.dataset.a, change.value, m)) && words.every((word) => textOf(question).includes(word))
        question.hidden = !isShown
        if (isShown) shown++
      }
      output.textContent = shown === all.length ? `${all.length} questions` : `${shown} of ${all.length} questions`
    }
    const sort = () => {
      const rows = all.map((question) => ({ question, key: keys[order.value](question) }))
      rows.sort((a, b) => (a.key === b.key ? 0 : compare(a.key, b.key)))
      list.append(...rows.map(({ question }) => question))
    }
    form.addEventListener('submit', (event) => event.preventDefault())
    change.addEventListener('change', filter)
    text.addEventListener('input', filter)
    order.addEventListener('change', sort)
    model.addEventListener('change', () => {
      filter()
      if (order.value === 'm' || order.value === 'd') sort()
    })
    filter()
    form.hidden = false
  }
}
