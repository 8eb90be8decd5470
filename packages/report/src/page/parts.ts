import { lookOf } from '../charts/colours'
import { html, type Markup } from './html'

/** The models of a page, in one order for colours everywhere. */
export class Names {
  /** Stage 1 first. */
  constructor(readonly all: readonly string[]) {}

  place(name: string): number {
    return Math.max(0, this.all.indexOf(name))
  }
}

/** A model's name behind its colour. */
export function chip(names: Names, name: string): Markup {
  return html`<span class="chip" style="--c:${lookOf(names.place(name)).colour}">${name}</span>`
}

export function legend(names: Names, shown: readonly string[]): Markup {
  return html`<p class="legend">${shown.map((name) => chip(names, name))}</p>`
}

export function figureBox(title: string, caption: string | Markup, svg: Markup): Markup {
  return html`<figure>
    <figcaption><b>${title}</b> ${caption}</figcaption>
    ${svg}
  </figure>`
}

/** Names and what they are, as a table of two columns. */
export function facts(rows: readonly (readonly [string | Markup, string | number | Markup])[]): Markup {
  return html`<table class="facts">
    <tbody>
      ${rows.map(
        ([name, value]) =>
          html`<tr>
            <th scope="row">${name}</th>
            <td>${value}</td>
          </tr>`,
      )}
    </tbody>
  </table>`
}

export function section(id: string, title: string, body: Markup, level: 2 | 3 = 3): Markup {
  return html`<section id="${id}">${level === 2 ? html`<h2>${title}</h2>` : html`<h3>${title}</h3>`}${body}</section>`
}
