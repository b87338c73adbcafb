// Starts the program of our pages, or says why it cannot run.
import init from '/assets/www.js';

init().catch((reason) => {
  document.getElementById('loading').textContent = `This page could not start: ${reason}. Reload it; an old browser may need an update.`;
});
