// Returns each visible text whose contrast is below arguments[0] (WCAG 2, 1.4.3).
const parse = text => {
  const found = (text.match(/[0-9.]+/g) || []).map(Number);
  return found.length > 3 ? found : [...found.slice(0, 3), 1];
};
const over = (top, below) => {
  const alpha = top[3] + below[3] * (1 - top[3]);
  const mix = i => alpha ? (top[i] * top[3] + below[i] * below[3] * (1 - top[3])) / alpha : 0;
  return [mix(0), mix(1), mix(2), alpha];
};
const light = colour => {
  const [r, g, b] = colour.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const dark = matchMedia('(prefers-color-scheme: dark)').matches;
const behind = element => {
  let colour = [0, 0, 0, 0];
  for (let at = element; at && colour[3] < 1; at = at.parentElement)
    colour = over(colour, parse(getComputedStyle(at).backgroundColor));
  return over(colour, dark ? [18, 18, 18, 1] : [255, 255, 255, 1]);
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
  if (!text || !element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) continue;
  if (element.closest('script, style, [aria-hidden=true], :disabled') || !element.getClientRects().length) continue;
  const style = getComputedStyle(element), below = behind(element);
  const colour = over(parse(element.closest('svg') ? style.fill : style.color), below);
  const [high, low] = [light(colour), light(below)].sort((a, b) => b - a);
  const ratio = (high + 0.05) / (low + 0.05);
  if (ratio < arguments[0]) found.push(`${ratio.toFixed(2)} <${element.tagName.toLowerCase()} ${element.className}> ${text.slice(0, 60)}`);
}
return [...new Set(found)];
