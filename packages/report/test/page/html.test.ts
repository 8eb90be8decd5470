import { html, Markup } from '../../src/page/html'

it('escapes what is put into markup, in texts and in attributes', () => {
  const text = `</script><b title="x" id='y'>&amp;`
  expect(html`<p title="${text}">${text}</p>`.text).toBe(
    '<p title="&lt;/script&gt;&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;">&lt;/script&gt;&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;</p>',
  )
})

it('shows control characters, and those that turn the text around them, as escapes', () => {
  expect(html`${'a\u0000\u001b[31m\r\u202eb\u0085'}`.text).toBe('a\\x00\\x1b[31m\\x0d\\u202eb\\x85')
  expect(html`${'two\nlines\tand a tab'}`.text).toBe('two\nlines\tand a tab')
})

it('takes markup, lists, numbers and nothing', () => {
  expect(html`${[new Markup('<i>'), '<', [1, html`<b>${'&'}</b>`]]}${undefined}`.text).toBe('<i>&lt;1<b>&amp;</b>')
})
