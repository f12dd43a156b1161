// Returns each control, image, chart and table without a name, and what else a page has to have.
const named = element => {
  const by = (element.getAttribute('aria-labelledby') || '').split(' ').map(id => document.getElementById(id)?.textContent || '').join('');
  const labels = [...(element.labels || [])].map(one => one.textContent).join('');
  return [by, labels, element.getAttribute('aria-label') || '', ['BUTTON', 'A', 'SUMMARY'].includes(element.tagName) ? element.textContent : '',
    ['submit', 'reset', 'button'].includes(element.type) ? element.value || '' : ''].some(text => text.trim());
};
const found = [];
for (const element of document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], summary'))
  if (!named(element)) found.push(`no label: ${element.outerHTML.slice(0, 120)}`);
for (const element of document.querySelectorAll('img:not([alt])')) found.push(`no alternative: ${element.outerHTML.slice(0, 120)}`);
for (const element of document.querySelectorAll('svg:not([aria-hidden=true])'))
  if (!element.querySelector('title')?.textContent.trim()) found.push(`no title: ${element.outerHTML.slice(0, 120)}`);
for (const element of document.querySelectorAll('table')) {
  if (!element.caption?.textContent.trim()) found.push(`no caption: ${element.outerHTML.slice(0, 120)}`);
  for (const head of element.querySelectorAll('th:not([scope])')) found.push(`no scope: ${head.outerHTML.slice(0, 120)}`);
}
const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
for (const id of new Set(ids.filter((one, at) => ids.indexOf(one) !== at))) found.push(`id given twice: ${id}`);
if (!document.documentElement.lang) found.push('no language');
if (!document.title.trim()) found.push('no title');
if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
return found;
