// Returns what is wider than the window and scrolls in no box of its own.
const page = document.documentElement, most = page.clientWidth;
if (page.scrollWidth <= most) return [];
const scrolls = element => {
  for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(at).overflowX)) return true;
  return false;
};
const wide = [...document.body.querySelectorAll('*')].filter(one => one.getBoundingClientRect().right > most + 1 && !scrolls(one));
return [`${page.scrollWidth} px on ${most} px`, ...wide.slice(0, 5).map(one => one.outerHTML.slice(0, 120))];
