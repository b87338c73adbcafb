// The buttons of /docs: the page is whole without them. Requests name the address at which the reader is, which may
// be another than the server's public one.

for (const base of document.querySelectorAll('.base')) base.textContent = location.origin;

// Where there is no room beside the text, the contents would be a screen of links before it.
if (matchMedia('(width < 64rem)').matches) document.querySelector('.contents details').open = false;

for (const code of document.querySelectorAll('pre.code')) {
  if (!navigator.clipboard) break; // not a secure context: the text can still be marked
  const sample = document.createElement('div');
  const button = document.createElement('button');
  sample.className = 'sample';
  button.type = 'button';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Not allowed';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
  code.replaceWith(sample);
  sample.append(code, button);
}
